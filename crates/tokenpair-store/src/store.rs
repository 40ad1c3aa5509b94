//! Implements [`DieselStore`], which selects the database and routes reads and writes.
//!
//! PostgreSQL has one pool for both. SQLite has a pool of readers and one writer.

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;

use diesel::connection::SimpleConnection;
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};

use super::connection::Conn;
use super::last_write::LastWrite;
use super::manager::Manager;
use super::observer::{Observed, PoolUse, StoreObserver};
use super::policy::StorePolicy;
use super::pool::Pool;
use super::queue::JobError;
#[cfg(feature = "sqlite")]
use super::sqlite::FileBehind;
use super::url::DatabaseUrl;
use super::writer::{Shape, Writer};
use tokenpair::session::StoreError;

/// Users and sessions in a database. Clones share the connections.
///
/// ```
/// use tokenpair::clock::Timestamp;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// use tokenpair_store::password::PasswordHash;
/// use tokenpair::session::{RequestContext, Login, SessionPolicy, Sessions};
/// use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
/// # use tokenpair::token::{TokenPolicy, Tokens};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let url = format!("sqlite://{}", folder.path().join("users.db").display());
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows")?;
/// # let tokens = Tokens::new(keys, TokenPolicy::default());
/// # let now = Timestamp::from_unix(1_800_000_000);
/// # let password_hash = PasswordHash::from_text("$2b$12$...".to_owned());
/// let store = DieselStore::open(&DatabaseUrl::parse(&url)?, StorePolicy::default())?;
/// store.migrate()?;
/// let username = Username::parse("Ada")?;
/// let ada = NewUser { username, password_hash, roles: vec![] };
/// let ada = store.create_user(ada, &RequestContext::at(now)).await?;
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
    /// Only SQLite has one.
    writer: Option<Writer>,
    last_write: Arc<LastWrite>,
    observed: Observed,
    /// The file that SQLite has open.
    #[cfg(feature = "sqlite")]
    file: Option<FileBehind>,
    // Last, so that the queues have closed before the threads are joined.
    _threads: Arc<Threads>,
}

/// Joined when the last clone of the store is dropped: by then all queued work is written, and the
/// file is closed.
struct Threads(Vec<JoinHandle<()>>);

impl Drop for Threads {
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            let _its_panic_was_logged = thread.join();
        }
    }
}

impl DieselStore {
    /// Opens the database, creating SQLite's file and folder if they do not exist.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`], with the cause, if it cannot be reached.
    pub fn open(url: &DatabaseUrl, policy: StorePolicy) -> Result<Self, StoreError> {
        let manager = Manager::new(url.clone(), policy);
        manager.make_file()?;
        // One plain connection first: a pool would only report a timeout.
        drop(manager.connect().map_err(StoreError::new)?);
        let observed = Observed::default();
        let (pool, mut threads) = Pool::open(manager.clone(), policy, observed.clone())?;
        let writer = match url {
            DatabaseUrl::Sqlite(_) => {
                let (writer, thread) = Writer::start(&manager, policy, observed.clone())?;
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
            observed,
            #[cfg(feature = "sqlite")]
            file: match url {
                DatabaseUrl::Sqlite(path) => Some(FileBehind::of(path)),
                DatabaseUrl::Postgres(_) => None,
            },
            _threads: Arc::new(Threads(threads)),
        })
    }

    /// Returns the URL of the database.
    pub const fn url(&self) -> &DatabaseUrl {
        &self.manager.url
    }

    /// Lets `observer` learn what this store and its clones do from now on. The first observer
    /// stays.
    pub fn observe(&self, observer: Arc<dyn StoreObserver>) {
        self.observed.by(observer);
    }

    /// Returns the use of the connections now: all of PostgreSQL, or SQLite's readers and its
    /// writer. It costs no query.
    pub fn connections(&self) -> impl Iterator<Item = PoolUse> {
        let writer = self.writer.as_ref().map(Writer::usage);
        std::iter::once(self.pool.usage()).chain(writer)
    }

    /// Checks that the database answers now.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.read(|conn| conn.batch_execute("SELECT 1")).await
    }

    /// Moves every commit from SQLite's write-ahead log into the database file, and empties the
    /// log, so that a copy of this one file is complete. Returns false if another process used the
    /// log for 2 s; the log must then be kept too. Does nothing on PostgreSQL.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the file cannot be written. The data stays in the log, where the
    /// next start finds it.
    pub async fn checkpoint(&self) -> Result<bool, StoreError> {
        if self.writer.is_none() {
            return Ok(true);
        }
        let store = self.clone();
        // On its own connection: no request waits at this point, and the writer's timeout for locks
        // is too short.
        let done = tokio::task::spawn_blocking(move || store.blocking(checkpoint));
        done.await
            .map_err(StoreError::new)??
            .map_err(StoreError::new)
    }

    /// Returns whether SQLite's path names another file than the one that is open, or none.
    #[cfg(feature = "sqlite")]
    pub(super) fn has_lost_its_file(&self) -> bool {
        self.file.as_ref().is_some_and(|file| !file.is_there())
    }

    #[cfg(not(feature = "sqlite"))]
    pub(super) const fn has_lost_its_file(&self) -> bool {
        false
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
    ) -> Result<T, JobError> {
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
    ) -> Result<T, JobError> {
        let written = match &self.writer {
            Some(writer) => writer.ask(Shape::Transaction, work).await,
            None => self.pool.transaction(work).await,
        };
        self.last_write.was(&written);
        written
    }

    /// Runs at most one statement that writes, outside of any transaction, and that does no harm if
    /// it is executed twice: a compare-and-swap, or an idempotent statement.
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

    /// Runs work on its own connection, for commands and before the server starts.
    pub(super) fn blocking<T>(&self, work: impl FnOnce(&mut Conn) -> T) -> Result<T, StoreError> {
        let conn = self.manager.connect();
        let mut opened =
            conn.map_err(|error| StoreError::new(JobError::Connect(Arc::new(error))))?;
        Ok(work(&mut opened.conn))
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

impl fmt::Debug for DieselStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DieselStore({})", self.manager.url)
    }
}
