//! Database URLs: the scheme chooses the database, and a password in one is never shown.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use url::Url;

/// Where the database is. `Display` and `Debug` do not show a password.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// `sqlite://path`: relative to the working directory, or absolute with a third slash.
    Sqlite(PathBuf),
    /// `postgres://user:password@host/database`, or `postgresql://`.
    Postgres(SecretString),
}

/// Why a `DATABASE_URL` cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("write sqlite://path/to/file.db or postgres://user:password@host/database")]
    Scheme,
    /// `sqlite://` and nothing behind it, or a database that lives in memory only.
    #[error(
        "SQLite needs a file, as in sqlite://data/tokenpair.db; a database in memory would lose every login"
    )]
    NoFile,
    /// `postgres://` and no proper URL.
    #[error(
        "it is no proper URL ({0}); write postgres://user:password@host/database, with odd characters as %XX"
    )]
    Malformed(url::ParseError),
    /// TLS asked for, and not built in.
    #[error(
        "sslmode={0} asks for TLS, and this build has none; build with `--features postgres-tls`, or use the Docker image"
    )]
    NoTls(String),
}

impl DatabaseUrl {
    /// Reads a URL; its scheme chooses the database.
    ///
    /// # Errors
    ///
    /// [`UrlError`], which says what works.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        match text.split_once("://") {
            Some(("sqlite", path)) => Self::sqlite(path),
            Some(("postgres" | "postgresql", _)) => Self::postgres(text),
            _ => Err(UrlError::Scheme),
        }
    }

    fn sqlite(path: &str) -> Result<Self, UrlError> {
        match path {
            "" | ":memory:" => Err(UrlError::NoFile),
            path => Ok(Self::Sqlite(PathBuf::from(path))),
        }
    }

    fn postgres(text: &str) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(UrlError::Malformed)?;
        let mode = url
            .query_pairs()
            .find(|(name, _)| name == "sslmode")
            .map(|(_, mode)| mode.into_owned());
        match mode {
            Some(mode) if asks_for_tls(&mode) && !cfg!(feature = "postgres-tls") => {
                Err(UrlError::NoTls(mode))
            }
            _ => Ok(Self::Postgres(text.into())),
        }
    }
}

fn asks_for_tls(mode: &str) -> bool {
    matches!(mode, "require" | "verify-ca" | "verify-full")
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "SQLite, {}", path.display()),
            Self::Postgres(url) => {
                let url = Url::parse(url.expose_secret());
                let (host, name) = url
                    .as_ref()
                    .map_or(("", ""), |url| (url.host_str().unwrap_or(""), url.path()));
                write!(f, "PostgreSQL, {host}{name}")
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
