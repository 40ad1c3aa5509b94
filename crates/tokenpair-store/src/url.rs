//! Database URLs: the scheme chooses the database, and a password in one is never shown.
//!
//! What libpq would stumble over is refused here, since its complaints quote what it stumbled over. Hosts are left to
//! it: it takes several with commas, and sockets.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// Where the database is. `Display` and `Debug` do not show a password.
///
/// ```
/// use tokenpair_store::{DatabaseUrl, UrlError};
///
/// let url = DatabaseUrl::parse("postgres://ada:secret@db.example/app")?;
/// assert_eq!(url.masked(), "postgres://ada:********@db.example/app");
/// assert_eq!(url.to_string(), "PostgreSQL, db.example/app");
/// assert!(matches!(DatabaseUrl::parse("sqlite://data/app.db")?, DatabaseUrl::Sqlite(_)));
///
/// assert_eq!(DatabaseUrl::parse("mysql://db.example/app").unwrap_err(), UrlError::Scheme);
/// assert_eq!(DatabaseUrl::parse("sqlite://:memory:").unwrap_err(), UrlError::NoFile);
/// assert_eq!(DatabaseUrl::parse("postgres://ada:p@ss@db/app").unwrap_err(), UrlError::OddCharacters);
/// # Ok::<(), UrlError>(())
/// ```
#[derive(Clone)]
pub enum DatabaseUrl {
    /// `sqlite://path`: relative to the working directory, or absolute with a third slash.
    Sqlite(PathBuf),
    /// `postgres://user:password@host/database`, or `postgresql://`.
    Postgres(SecretString),
}

/// Why a `DATABASE_URL` cannot be used. Never quotes it.
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
    /// Characters that have to be written otherwise.
    #[error(
        "write odd characters of the user and the password as %XX: @ as %40, / as %2F, ? as %3F, % as %25, a space as %20"
    )]
    OddCharacters,
    /// TLS asked for, and not built in.
    #[error(
        "sslmode={0} asks for TLS, and this build has none; build with `--features postgres-tls`, or use the Docker image"
    )]
    NoTls(String),
}

/// What stands between the scheme and the end of a PostgreSQL URL.
struct Parts<'a> {
    user: Option<&'a str>,
    password: Option<&'a str>,
    hosts: &'a str,
    database: &'a str,
    query: Vec<(&'a str, &'a str)>,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Self {
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        let split = login.map(|login| login.split_once(':').unwrap_or((login, "")));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self {
            user: split.map(|(user, _)| user),
            password: split
                .map(|(_, password)| password)
                .filter(|word| !word.is_empty()),
            hosts,
            database,
            query: pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .collect(),
        }
    }

    fn masked(&self) -> String {
        let login = match (self.user, self.password) {
            (Some(user), Some(_)) => format!("{user}:********@"),
            (Some(user), None) => format!("{user}@"),
            (None, _) => String::new(),
        };
        // libpq takes passwords in the query as well, under several names.
        let query = if self.query.is_empty() {
            ""
        } else {
            "?********"
        };
        format!("postgres://{login}{}/{}{query}", self.hosts, self.database)
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let found = self.query.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }
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
        // SQLite itself would read `file:` as a URL of its own.
        if path.is_empty() || path == ":memory:" || path.starts_with("file:") {
            return Err(UrlError::NoFile);
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }

    fn postgres(text: &str) -> Result<Self, UrlError> {
        let parts = Parts::of(text);
        let odd = text
            .chars()
            .any(|letter| letter.is_whitespace() || letter.is_control())
            || !percent_signs_are_codes(text)
            || text.matches('@').count() > usize::from(parts.user.is_some());
        if odd {
            return Err(UrlError::OddCharacters);
        }
        // libpq reads the variable where the URL says nothing.
        let mode = parts.parameter("sslmode").map(str::to_owned);
        let mode = mode.or_else(|| std::env::var("PGSSLMODE").ok());
        match mode.filter(|mode| asks_for_tls(mode)) {
            Some(mode) if !cfg!(feature = "postgres-tls") => Err(UrlError::NoTls(mode)),
            _ => Ok(Self::Postgres(text.into())),
        }
    }

    /// The URL, with everything that may be a password masked.
    pub fn masked(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(url) => Parts::of(url.expose_secret()).masked(),
        }
    }

    /// For libpq: with a limit to how long it tries to connect and to be heard, where the URL has none of its own.
    pub(super) fn for_libpq(url: &SecretString, wait: Duration) -> String {
        let mut text = url.expose_secret().to_owned();
        // libpq takes less than 2 s for 2 s.
        let connect = wait.as_secs().saturating_sub(1).max(2).to_string();
        let heard = wait.as_millis().to_string();
        for (name, value) in [("connect_timeout", connect), ("tcp_user_timeout", heard)] {
            let parts = Parts::of(&text);
            if parts.parameter(name).is_none() {
                let joint = if text.contains('?') { '&' } else { '?' };
                text = format!("{text}{joint}{name}={value}");
            }
        }
        text
    }
}

fn asks_for_tls(mode: &str) -> bool {
    matches!(mode, "require" | "verify-ca" | "verify-full")
}

fn percent_signs_are_codes(text: &str) -> bool {
    text.split('%').skip(1).all(|code| {
        let code = code.as_bytes();
        code.len() >= 2 && code.iter().take(2).all(u8::is_ascii_hexdigit)
    })
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "SQLite, {}", path.display()),
            Self::Postgres(url) => {
                let parts = Parts::of(url.expose_secret());
                write!(f, "PostgreSQL, {}/{}", parts.hosts, parts.database)
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
