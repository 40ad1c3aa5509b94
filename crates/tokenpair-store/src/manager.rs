//! Implements opening and preparing connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::{CacheSize, SimpleConnection};
use diesel::result::Error as DieselError;
use diesel::sql_types::Bool;
use diesel::{
    Connection, ConnectionError, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_query,
};
use secrecy::SecretString;
use thiserror::Error;

use super::connection::Conn;
use super::policy::{Pooler, StorePolicy};
use super::url::{DatabaseUrl, hosts_that_hung};
use tokenpair::session::StoreError;

/// Opens connections by the URL's scheme. Diesel's own `establish` of a multi-connection would try
/// both databases and hide the cause. Clones share the findings about a pooler.
#[derive(Clone)]
pub(super) struct Manager {
    pub(super) url: DatabaseUrl,
    wait: Duration,
    pooler: Pooler,
    found: Arc<Found>,
}

/// The findings of earlier connections.
#[derive(Default)]
struct Found {
    pooler: AtomicBool,
    /// The hosts before this one hung, so they are tried last.
    first_host: AtomicU64,
}

/// The owner of the database session behind a connection.
#[derive(Debug)]
pub(super) enum Session {
    /// The connection: statements stay prepared, and the timeout was set at the start.
    Own,
    /// A pooler, which gives the session to another client after each transaction. Nothing may be
    /// left in it, and no statement stays prepared.
    Shared {
        /// Begins a transaction, with the timeout that other clients' transactions must not have.
        begin: String,
    },
}

#[derive(QueryableByName)]
struct Marked {
    #[diesel(sql_type = Bool)]
    marked: bool,
}

impl Manager {
    pub(super) fn new(url: DatabaseUrl, policy: StorePolicy) -> Self {
        Self {
            url,
            wait: policy.wait,
            pooler: policy.pooler,
            found: Arc::default(),
        }
    }

    pub(super) fn connect(&self) -> Result<(Conn, Session), ConnectError> {
        match &self.url {
            DatabaseUrl::Postgres(url) => {
                let (conn, session) = self.postgres(url)?;
                Ok((Conn::Postgres(conn), session))
            }
            DatabaseUrl::Sqlite(path) => {
                let mut conn = SqliteConnection::establish(&path.to_string_lossy())?;
                conn.batch_execute(SQLITE_SETUP)?;
                Ok((Conn::Sqlite(conn), Session::Own))
            }
        }
    }

    fn postgres(&self, url: &SecretString) -> Result<(PgConnection, Session), ConnectError> {
        let plain = || self.establish(|first| DatabaseUrl::for_libpq(url, self.wait, first));
        match self.pooler {
            Pooler::Off => {
                let mut conn = plain()?;
                // No request waits longer than this, so no statement needs to run longer.
                let limit = format!("SET statement_timeout = {}", self.wait.as_millis());
                conn.batch_execute(&limit)?;
                Ok((conn, Session::Own))
            }
            Pooler::Auto if !self.found.pooler.load(Ordering::Relaxed) => {
                let with_options = self
                    .establish(|first| DatabaseUrl::for_libpq_with_options(url, self.wait, first));
                let mut conn = match with_options {
                    Ok(conn) => conn,
                    Err(error) if is_of_options(&error) => plain()?,
                    Err(error) => return Err(error.into()),
                };
                if sql_query(IS_MARKED).get_result::<Marked>(&mut conn)?.marked {
                    return Ok((conn, Session::Own));
                }
                if !self.found.pooler.swap(true, Ordering::Relaxed) {
                    log::info!(
                        "a connection pooler stands before PostgreSQL: sessions keep no state for longer than a \
                         transaction (DATABASE_POOLER)"
                    );
                }
                Ok(self.shared(conn))
            }
            Pooler::Auto | Pooler::Transaction => Ok(self.shared(plain()?)),
        }
    }

    fn establish(
        &self,
        url_from: impl FnOnce(u64) -> String,
    ) -> Result<PgConnection, ConnectionError> {
        let first = self.found.first_host.load(Ordering::Relaxed);
        let (url, began) = (url_from(first), Instant::now());
        let conn = PgConnection::establish(&url)?;
        let hung = hosts_that_hung(&url, began.elapsed());
        if hung > 0 {
            self.found.first_host.store(first + hung, Ordering::Relaxed);
        }
        Ok(conn)
    }

    fn shared(&self, mut conn: PgConnection) -> (PgConnection, Session) {
        // A statement that is not cached has no name, and is prepared and executed in one message.
        conn.set_prepared_statement_cache_size(CacheSize::Disabled);
        let millis = self.wait.as_millis();
        let begin = format!("BEGIN; SET LOCAL statement_timeout = {millis}");
        (conn, Session::Shared { begin })
    }

    /// Creates SQLite's file and folder if they do not exist.
    pub(super) fn make_file(&self) -> Result<(), StoreError> {
        let DatabaseUrl::Sqlite(path) = &self.url else {
            return Ok(());
        };
        make_private_file(path).map_err(|error| {
            StoreError::new(Unwritable {
                path: path.clone(),
                error,
            })
        })
    }
}

/// Checks for a setting of ours among the options of a new session. A pooler rejects or drops
/// options that it does not know, since its sessions exist already.
const IS_MARKED: &str =
    "SELECT coalesce(current_setting('tokenpair.session', true) = 'own', false) AS marked";

/// PgBouncer says "unsupported startup parameter: options".
fn is_of_options(error: &ConnectionError) -> bool {
    error.to_string().contains("parameter")
}

/// FULL: a commit survives a power cut. In WAL mode readers and the writer do not wait for each
/// other.
const SQLITE_SETUP: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; \
                            PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

/// The reason a connection could not be opened.
#[derive(Debug, Error)]
pub(super) enum ConnectError {
    #[error(transparent)]
    Establish(#[from] ConnectionError),
    #[error(transparent)]
    Setup(#[from] DieselError),
}

#[derive(Debug, Error)]
#[error("{} cannot be created or written", .path.display())]
struct Unwritable {
    path: PathBuf,
    #[source]
    error: std::io::Error,
}

/// The database holds password hashes, so only the owner may access its file and a new folder.
fn make_private_file(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    Ok(())
}
