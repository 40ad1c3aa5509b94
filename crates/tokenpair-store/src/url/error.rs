//! Defines [`UrlError`].

use std::fmt;

use thiserror::Error;

/// The reason a `DATABASE_URL` cannot be used. Never quotes it. Its `Debug` prints the sentence too, so
/// that `main` can return it.
#[derive(Error, PartialEq, Eq)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("write sqlite://path/to/file.db or postgres://user:password@host/database")]
    Scheme,
    /// `sqlite://` without a path, or a database in memory only.
    #[error(
        "SQLite needs a file, as in sqlite://data/tokenpair.db; a database in memory would lose every login"
    )]
    NoFile,
    /// Parameters after SQLite's file.
    #[error(
        "a URL of SQLite has no parameters, and the name of its file no question mark; remove the ? and everything after it"
    )]
    Parameters,
    /// Characters that must be percent-encoded.
    #[error(
        "write special characters of the user and the password as %XX: @ as %40, / as %2F, ? as %3F, % as %25, a space as %20"
    )]
    OddCharacters,
    /// This build leaves the database out: a feature of `tokenpair-store` adds it.
    #[error("this build leaves the database out; build tokenpair-store with the feature `{0}`")]
    LeftOut(&'static str),
    /// The URL requires TLS, and this build has none.
    #[error(
        "sslmode={0} requires TLS, which this build lacks; build with `--features postgres-tls`, or use the Docker image"
    )]
    NoTls(String),
}

impl fmt::Debug for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
