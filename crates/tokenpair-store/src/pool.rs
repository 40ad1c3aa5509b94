//! A pool of connections, and a thread for each: for all of PostgreSQL, and for the readers of SQLite.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::r2d2::R2D2Connection;
use diesel::{Connection, ConnectionError, PgConnection, QueryResult, SqliteConnection};
use r2d2::{ManageConnection, PooledConnection};
use thiserror::Error;

use super::connection::{Conn, StorePolicy, begin, finish};
use super::queue::{Failure, Queue, Ticket, guarded};
use super::url::DatabaseUrl;
use tokenpair::session::StoreError;

/// What asks the pool. Clones share it.
#[derive(Clone)]
pub(super) struct Pool(Queue<Job>);

type Job = Box<dyn FnOnce(&Connections) + Send>;

impl Pool {
    pub(super) fn open(
        manager: Manager,
        policy: StorePolicy,
    ) -> Result<(Self, Vec<JoinHandle<()>>), StoreError> {
        let connections = r2d2::Pool::builder()
            .max_size(policy.pool)
            .min_idle(Some(1))
            .connection_timeout(policy.wait)
            // It would be a round trip before each statement; a connection that turns out to be dead is replaced instead.
            .test_on_check_out(false)
            // A request that finds no connection says so; the pool's own complaints would come by the hundred.
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .build(manager)
            .map_err(StoreError::new)?;
        let work = || {
            let connections = Connections(connections.clone());
            move |jobs: crossbeam_channel::Receiver<Job>| {
                jobs.iter().for_each(|job| job(&connections))
            }
        };
        let (queue, threads) =
            Queue::start(policy.pool, policy.wait, work).map_err(StoreError::new)?;
        Ok((Self(queue), threads))
    }

    /// Runs what may be done twice without harm.
    pub(super) async fn statement<T: Send + 'static>(
        &self,
        statement: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, Failure> {
        self.ask(move |connections, deadline| {
            connections
                .first_of_all(deadline, statement)
                .map(|(answer, _)| answer)
        })
        .await
    }

    /// Runs statements in one transaction, which is committed before this returns.
    pub(super) async fn transaction<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, Failure> {
        self.ask(move |connections, deadline| {
            let ((), mut conn) = connections.first_of_all(deadline, begin)?;
            let done = work(&mut conn);
            finish(&mut conn, done).map_err(Failure::Query)
        })
        .await
    }

    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connections, Instant) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let job = move |ticket: Ticket<T>| -> Job {
            Box::new(move |connections| {
                if !ticket.is_late() {
                    let answer = guarded(|| work(connections, ticket.deadline));
                    ticket.answer(answer);
                }
            })
        };
        self.0.ask(job).await
    }
}

struct Connections(r2d2::Pool<Manager>);

impl Connections {
    /// What a connection is asked first. If the connection turns out to be dead, it is asked once more, of one that has been
    /// tried: the database may have been restarted since this one was used, or the network has forgotten it. What was asked
    /// may have been done all the same, so it has to be `BEGIN`, or a statement that may be done twice; nothing else is ever
    /// repeated.
    fn first_of_all<T>(
        &self,
        deadline: Instant,
        ask: impl Fn(&mut Conn) -> QueryResult<T>,
    ) -> Result<(T, PooledConnection<Manager>), Failure> {
        let mut conn = self.get(deadline)?;
        let mut answer = ask(&mut conn);
        if answer.is_err() && conn.ping().is_err() {
            drop(conn);
            conn = self.tried(deadline)?;
            answer = ask(&mut conn);
        }
        answer.map(|answer| (answer, conn)).map_err(Failure::Query)
    }

    fn get(&self, deadline: Instant) -> Result<PooledConnection<Manager>, Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::TooSlow);
        }
        let conn = self.0.get_timeout(left);
        conn.map_err(|error| Failure::Connect(error.into()))
    }

    /// The dead ones leave the pool as they are dropped.
    fn tried(&self, deadline: Instant) -> Result<PooledConnection<Manager>, Failure> {
        loop {
            let mut conn = self.get(deadline)?;
            if conn.ping().is_ok() {
                return Ok(conn);
            }
        }
    }
}

/// Makes connections by the URL's scheme. Diesel's own `establish` of a multi-connection would try one after the other
/// and hide the cause.
#[derive(Clone)]
pub(super) struct Manager {
    pub(super) url: DatabaseUrl,
    pub(super) wait: Duration,
}

impl Manager {
    fn establish(&self) -> Result<Conn, ConnectionError> {
        match &self.url {
            DatabaseUrl::Postgres(url) => {
                PgConnection::establish(&DatabaseUrl::for_libpq(url, self.wait)).map(Conn::Postgres)
            }
            DatabaseUrl::Sqlite(path) => {
                SqliteConnection::establish(&path.to_string_lossy()).map(Conn::Sqlite)
            }
        }
    }

    /// Makes SQLite's file and its folder if there is none.
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

/// FULL: what was answered survives a power cut. In WAL mode readers and the writer do not wait for each other.
const SQLITE_SETUP: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; \
                            PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<Conn, Self::Error> {
        let mut conn = self
            .establish()
            .map_err(diesel::r2d2::Error::ConnectionError)?;
        let setup = match conn {
            Conn::Sqlite(_) => SQLITE_SETUP.to_owned(),
            // No request waits longer than this, so no statement has to go on for it.
            Conn::Postgres(_) => format!("SET statement_timeout = {}", self.wait.as_millis()),
        };
        conn.batch_execute(&setup)
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
