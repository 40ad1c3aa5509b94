//! Connections: which database, how many at a time, and the one place where a thread waits for it.
//!
//! SQLite has one writer and a pool of readers: its lock is not fair, and of several writers some would starve.
//! PostgreSQL has one pool for both.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::r2d2::R2D2Connection;
use diesel::result::Error as DieselError;
use diesel::{Connection, ConnectionError, PgConnection, QueryResult, SqliteConnection};
use r2d2::{ManageConnection, Pool};
use thiserror::Error;
use tokio::sync::Semaphore;

use super::url::DatabaseUrl;
use crate::session::StoreError;

/// A connection to either database. Anything unlike on the two sides is a `match` on this, in this folder only.
#[derive(diesel::MultiConnection)]
pub(super) enum Conn {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// How the database is used.
///
/// ```
/// use std::time::Duration;
/// use tokenpair::store::{DatabaseUrl, DieselStore, StorePolicy};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
/// let policy = StorePolicy { pool: 2, wait: Duration::from_secs(1) };
/// let store = DieselStore::open(&url, policy)?;
/// store.ping().await?; // a 503 by now, if the database did not answer for a second
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StorePolicy {
    /// Connections held at most (`DATABASE_POOL`, 8).
    pub pool: u32,
    /// How long a request waits for its turn, a connection and the answer together, before it is answered with 503.
    pub wait: Duration,
}

impl Default for StorePolicy {
    fn default() -> Self {
        Self {
            pool: 8,
            wait: Duration::from_secs(4),
        }
    }
}

/// Users and sessions in a database. Clones share the connections.
///
/// ```
/// use tokenpair::clock::Timestamp;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// use tokenpair::password::PasswordHash;
/// use tokenpair::session::{Act, Login, SessionPolicy, Sessions};
/// use tokenpair::store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
/// # use tokenpair::token::{TokenPolicy, Tokens};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let url = format!("sqlite://{}", folder.path().join("users.db").display());
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let tokens = Tokens::new(keys, TokenPolicy::default());
/// # let now = Timestamp::from_unix(1_800_000_000);
/// # let password_hash = PasswordHash::from_text("$2b$12$...".to_owned());
/// let store = DieselStore::open(&DatabaseUrl::parse(&url)?, StorePolicy::default())?;
/// store.migrate()?;
/// let username = Username::parse("Ada")?;
/// let ada = NewUser { username, password_hash, roles: vec![] };
/// let ada = store.create_user(ada, &Act::at(now)).await?;
///
/// let sessions = Sessions::new(store, tokens, SessionPolicy::default());
/// sessions.login(&ada, Login::default(), now).await?;
/// assert_eq!(sessions.list(&ada.id, now).await?.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DieselStore {
    url: DatabaseUrl,
    readers: Lane,
    writers: Lane,
}

/// Some connections, and as many permits: who has a permit finds a connection free.
#[derive(Clone)]
struct Lane {
    pool: Pool<Manager>,
    permits: Arc<Semaphore>,
    wait: Duration,
}

#[derive(Debug, Error)]
enum LaneError {
    #[error("the database did not answer in time")]
    TooSlow,
    #[error("no connection")]
    Connect(#[source] r2d2::Error),
    #[error("the database refused a statement")]
    Query(#[source] DieselError),
    #[error("the thread that asked the database panicked")]
    Panicked,
}

impl DieselStore {
    /// Opens the database, making SQLite's file and its folder if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`], with the cause, if it cannot be reached.
    pub fn open(url: &DatabaseUrl, policy: StorePolicy) -> Result<Self, StoreError> {
        if let DatabaseUrl::Sqlite(path) = url {
            make_private_file(path).map_err(|error| {
                StoreError::new(Unwritable {
                    path: path.clone(),
                    error,
                })
            })?;
        }
        // One plain connection first: a pool would only say that it timed out.
        drop(Manager(url.clone()).connect().map_err(StoreError::new)?);
        let readers = Lane::open(url, policy.pool, policy.wait)?;
        let writers = match url {
            DatabaseUrl::Sqlite(_) => Lane::open(url, 1, policy.wait)?,
            DatabaseUrl::Postgres(_) => readers.clone(),
        };
        Ok(Self {
            url: url.clone(),
            readers,
            writers,
        })
    }

    /// Which database this is.
    pub const fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Whether the database answers now.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.read(|conn| conn.batch_execute("SELECT 1")).await
    }

    /// Runs statements that change nothing.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.run(work).await.map_err(StoreError::new)
    }

    /// Runs statements in one transaction, which is committed before this returns.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writers
            .run(|conn| in_transaction(conn, work))
            .await
            .map_err(StoreError::new)
    }

    /// Runs one statement that is its own transaction.
    pub(super) async fn write_one<T: Send + 'static>(
        &self,
        statement: impl FnOnce(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writers.run(statement).await.map_err(StoreError::new)
    }

    /// For work at start, before anything serves.
    pub(super) fn blocking<T>(&self, work: impl FnOnce(&mut Conn) -> T) -> Result<T, StoreError> {
        let mut conn = self
            .writers
            .pool
            .get()
            .map_err(|error| StoreError::new(LaneError::Connect(error)))?;
        Ok(work(&mut conn))
    }
}

impl Lane {
    fn open(url: &DatabaseUrl, size: u32, wait: Duration) -> Result<Self, StoreError> {
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(wait)
            // A request that finds no connection says so; the pool's own complaints would come by the hundred.
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .build(Manager(url.clone()))
            .map_err(StoreError::new)?;
        let permits = Arc::new(Semaphore::new(usize::try_from(size).unwrap_or(1)));
        Ok(Self {
            pool,
            permits,
            wait,
        })
    }

    /// The only place that waits for a database: a permit first, then a thread that may block. Past the limit the
    /// request is answered; the thread keeps its permit until the database has let it go.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, LaneError> {
        let answer = tokio::time::timeout(self.wait, self.run_in_turn(work)).await;
        answer.unwrap_or(Err(LaneError::TooSlow))
    }

    async fn run_in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, LaneError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let pool = self.pool.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let mut conn = pool.get().map_err(LaneError::Connect)?;
            let answer = work(&mut conn).map_err(LaneError::Query);
            drop((conn, permit));
            answer
        });
        answer.await.map_err(|_| LaneError::Panicked)?
    }
}

/// SQLite takes its write lock at once: a transaction that begins by reading could not be upgraded under contention.
pub(super) fn in_transaction<T, E: From<DieselError>>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    match conn {
        Conn::Sqlite(sqlite) => {
            AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")?
        }
        Conn::Postgres(postgres) => AnsiTransactionManager::begin_transaction(postgres)?,
    }
    match work(conn) {
        Ok(value) => {
            <Conn as Connection>::TransactionManager::commit_transaction(conn)?;
            Ok(value)
        }
        Err(error) => {
            <Conn as Connection>::TransactionManager::rollback_transaction(conn)?;
            Err(error)
        }
    }
}

#[derive(Debug, Error)]
#[error("{} cannot be made or written", .path.display())]
struct Unwritable {
    path: PathBuf,
    #[source]
    error: std::io::Error,
}

/// The database holds password hashes: its file and a new folder are the owner's only.
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

/// Makes connections by the URL's scheme. Diesel's own `establish` of a multi-connection would try one after the other
/// and hide the cause.
struct Manager(DatabaseUrl);

impl Manager {
    fn establish(&self) -> Result<Conn, ConnectionError> {
        match &self.0 {
            DatabaseUrl::Postgres(url) => {
                PgConnection::establish(&DatabaseUrl::for_libpq(url)).map(Conn::Postgres)
            }
            DatabaseUrl::Sqlite(path) => {
                SqliteConnection::establish(&path.to_string_lossy()).map(Conn::Sqlite)
            }
        }
    }
}

/// FULL: what was answered survives a power cut. In WAL mode readers and the writer do not wait for each other.
const SQLITE_SETUP: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; \
                            PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

/// No request waits longer than this, so no statement has to go on for it.
const POSTGRES_SETUP: &str = "SET statement_timeout = '4s'";

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<Conn, Self::Error> {
        let mut conn = self
            .establish()
            .map_err(diesel::r2d2::Error::ConnectionError)?;
        let setup = match conn {
            Conn::Sqlite(_) => SQLITE_SETUP,
            Conn::Postgres(_) => POSTGRES_SETUP,
        };
        conn.batch_execute(setup)
            .map_err(diesel::r2d2::Error::QueryError)?;
        Ok(conn)
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<(), Self::Error> {
        conn.ping().map_err(diesel::r2d2::Error::QueryError)
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        std::thread::panicking() || conn.is_broken()
    }
}

impl fmt::Debug for DieselStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DieselStore({})", self.url)
    }
}
