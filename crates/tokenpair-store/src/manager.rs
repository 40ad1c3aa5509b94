//! Implements opening connections by the URL's scheme.

use super::connection::{ConnectError, Opened};
use super::policy::StorePolicy;
#[cfg(feature = "postgres")]
use super::postgres::Postgres;
#[cfg(feature = "sqlite")]
use super::sqlite;
use super::url::DatabaseUrl;
use tokenpair::session::StoreError;

/// Opens connections by the URL's scheme. Diesel's own `establish` of a multi-connection would try
/// both databases and hide the cause. Clones share the findings about a pooler.
#[derive(Clone)]
pub(super) struct Manager {
    pub(super) url: DatabaseUrl,
    #[cfg(feature = "postgres")]
    postgres: Postgres,
}

impl Manager {
    #[cfg_attr(
        not(feature = "postgres"),
        expect(
            unused_variables,
            reason = "only PostgreSQL's connections have a policy"
        )
    )]
    pub(super) fn new(url: DatabaseUrl, policy: StorePolicy) -> Self {
        Self {
            url,
            #[cfg(feature = "postgres")]
            postgres: Postgres::new(policy),
        }
    }

    pub(super) fn connect(&self) -> Result<Opened, ConnectError> {
        match &self.url {
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(url) => self.postgres.connect(url),
            #[cfg(feature = "sqlite")]
            DatabaseUrl::Sqlite(path) => sqlite::connect(path),
            #[cfg(not(all(feature = "postgres", feature = "sqlite")))]
            url => Err(url.left_out().into()),
        }
    }

    /// Creates SQLite's file and folder if they do not exist.
    pub(super) fn make_file(&self) -> Result<(), StoreError> {
        match &self.url {
            #[cfg(feature = "sqlite")]
            DatabaseUrl::Sqlite(path) => sqlite::make_file(path),
            _ => Ok(()),
        }
    }
}
