//! The store: which database it is, and who is asked to read and to write.
//!
//! PostgreSQL has one pool for both. SQLite has a pool of readers and one writer.

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::result::Error as DieselError;
use diesel::{
    Connection, PgConnection, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    sql_query,
};

use super::manager::Manager;
use super::pool::Pool;
use super::queue::Failure;
use super::url::DatabaseUrl;
use super::writable::LastWrite;
use super::writer::{Shape, Writer};
use tokenpair::session::StoreError;

/// A connection to either database. Anything unlike on the two sides is a `match` on this, in this folder only.
#[derive(diesel::MultiConnection)]
pub(super) enum Conn {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// The same work on either side's own connection, where a statement is found prepared by its type. Through a [`Conn`] Diesel
/// writes a statement's text anew each time, which costs more than a look-up by primary key.
macro_rules! on_its_own {
    ($conn:ident => $work:expr) => {
        match $conn {
            $crate::connection::Conn::Postgres($conn) => $work,
            $crate::connection::Conn::Sqlite($conn) => $work,
        }
    };
}
pub(super) use on_its_own;

/// How the database is used.
///
/// ```
/// use std::time::Duration;
/// use tokenpair_store::{DatabaseUrl, DieselStore, StorePolicy};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
/// let policy = StorePolicy { pool: 2, wait: Duration::from_secs(1), ..StorePolicy::default() };
/// let store = DieselStore::open(&url, policy)?;
/// store.ping().await?; // a 503 by now, if the database did not answer for a second
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StorePolicy {
    /// Connections held at most (`DATABASE_POOL`, 8).
    pub pool: u32,
    /// How long a request waits for its turn, a connection and the answer together, before it is answered with 503
    /// (`DATABASE_WAIT`, 4 s).
    pub wait: Duration,
    /// Whether a transaction pooler stands before PostgreSQL (`DATABASE_POOLER`, auto).
    pub pooler: Pooler,
}

/// Whether connections to PostgreSQL lead to a pooler that gives each transaction to any session of its own, such as
/// PgBouncer with `pool_mode=transaction`.
///
/// Behind one no statement stays prepared, and a timeout is set in each transaction. A statement that would be one
/// round trip then takes three.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pooler {
    /// Found out when a connection is made: a pooler does not take the options of a session.
    #[default]
    Auto,
    /// No pooler, or one that keeps a session for each connection.
    Off,
    /// A transaction pooler.
    Transaction,
}

impl Default for StorePolicy {
    fn default() -> Self {
        Self {
            pool: 8,
            wait: Duration::from_secs(4),
            pooler: Pooler::default(),
        }
    }
}

/// Users and sessions in a database. Clones share the connections.
///
/// ```
/// use tokenpair::clock::Timestamp;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// use tokenpair_store::password::PasswordHash;
/// use tokenpair::session::{Act, Login, SessionPolicy, Sessions};
/// use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
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
    manager: Manager,
    pool: Pool,
    /// SQLite's.
    writer: Option<Writer>,
    last_write: Arc<LastWrite>,
    // Last, so that the queues have ended by the time the threads are waited for.
    _threads: Arc<Threads>,
}

/// Waited for when the last clone of the store is dropped: what was queued is written by then, and the file is closed.
struct Threads(Vec<JoinHandle<()>>);

impl Drop for Threads {
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            let _its_panic_was_logged = thread.join();
        }
    }
}

impl DieselStore {
    /// Opens the database, making SQLite's file and its folder if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`], with the cause, if it cannot be reached.
    pub fn open(url: &DatabaseUrl, policy: StorePolicy) -> Result<Self, StoreError> {
        let manager = Manager::new(url.clone(), policy);
        manager.make_file()?;
        // One plain connection first: a pool would only say that it timed out.
        drop(manager.connect().map_err(StoreError::new)?);
        let (pool, mut threads) = Pool::open(manager.clone(), policy)?;
        let writer = match url {
            DatabaseUrl::Sqlite(_) => {
                let (writer, thread) = Writer::start(&manager, policy)?;
                threads.push(thread);
                Some(writer)
            }
            DatabaseUrl::Postgres(_) => None,
        };
        Ok(Self {
            manager,
            pool,
            writer,
            last_write: Arc::default(),
            _threads: Arc::new(Threads(threads)),
        })
    }

    /// Which database this is.
    pub const fn url(&self) -> &DatabaseUrl {
        &self.manager.url
    }

    /// Whether the database answers now.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.read(|conn| conn.batch_execute("SELECT 1")).await
    }

    /// Moves everything committed from SQLite's write-ahead log into the database file, and empties the log, so that a copy
    /// of this one file is complete. Returns false if another process kept the log in use for 2 s; it must then be kept too.
    /// Does nothing on PostgreSQL.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the file cannot be written. The data stays in the log, where the next start finds it.
    pub async fn checkpoint(&self) -> Result<bool, StoreError> {
        if self.writer.is_none() {
            return Ok(true);
        }
        let store = self.clone();
        // On a connection of its own: no request waits any more, and the writer's patience for locks is too short.
        let done = tokio::task::spawn_blocking(move || store.blocking(checkpoint));
        done.await
            .map_err(StoreError::new)??
            .map_err(StoreError::new)
    }

    /// Runs statements that change nothing.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.try_read(work).await.map_err(StoreError::new)
    }

    pub(super) async fn try_read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, Failure> {
        self.pool.statement(work).await
    }

    /// Runs statements in one transaction, which is committed before this returns.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.try_write(work).await.map_err(StoreError::new)
    }

    pub(super) async fn try_write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let written = match &self.writer {
            Some(writer) => writer.ask(Shape::Transaction, work).await,
            None => self.pool.transaction(work).await,
        };
        self.last_write.was(&written);
        written
    }

    /// Runs at most one statement that writes, outside of any transaction, and that does no harm if it is done twice: a
    /// compare-and-swap, or one that leaves things as they are the second time.
    pub(super) async fn write_one<T: Send + 'static>(
        &self,
        statement: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let written = match &self.writer {
            Some(writer) => writer.ask(Shape::Statement, statement).await,
            None => self.pool.statement(statement).await,
        };
        self.last_write.was(&written);
        written.map_err(StoreError::new)
    }

    pub(super) fn last_write(&self) -> &LastWrite {
        &self.last_write
    }

    /// For commands, and for work at start, before anything serves: on a connection of its own.
    pub(super) fn blocking<T>(&self, work: impl FnOnce(&mut Conn) -> T) -> Result<T, StoreError> {
        let conn = self.manager.connect();
        let (mut conn, _) =
            conn.map_err(|error| StoreError::new(Failure::Connect(Arc::new(error))))?;
        Ok(work(&mut conn))
    }
}

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    busy: i32,
}

fn checkpoint(conn: &mut Conn) -> QueryResult<bool> {
    conn.batch_execute("PRAGMA busy_timeout = 2000")?;
    let outcome = sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result::<Checkpoint>(conn)?;
    Ok(outcome.busy == 0)
}

/// SQLite takes its write lock at once: a transaction that begins by reading could not be upgraded under contention.
pub(super) fn begin(conn: &mut Conn) -> QueryResult<()> {
    match conn {
        Conn::Sqlite(sqlite) => {
            AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")
        }
        Conn::Postgres(postgres) => AnsiTransactionManager::begin_transaction(postgres),
    }
}

/// Commits what was done, or takes it back.
pub(super) fn finish<T, E: From<DieselError>>(conn: &mut Conn, done: Result<T, E>) -> Result<T, E> {
    match done {
        Ok(value) => {
            <Conn as Connection>::TransactionManager::commit_transaction(conn)?;
            Ok(value)
        }
        Err(error) => {
            // If this fails too, the connection is closed, which takes it back as well.
            let _closed = <Conn as Connection>::TransactionManager::rollback_transaction(conn);
            Err(error)
        }
    }
}

pub(super) fn in_transaction<T, E: From<DieselError>>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    begin(conn)?;
    let done = work(conn);
    finish(conn, done)
}

impl fmt::Debug for DieselStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DieselStore({})", self.manager.url)
    }
}
