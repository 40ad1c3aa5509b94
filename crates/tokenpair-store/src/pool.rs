//! Implements the connection pool: threads that each hold one connection, for all of PostgreSQL and
//! for SQLite's readers.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use diesel::QueryResult;
use diesel::connection::SimpleConnection;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::connection::{Conn, Opened, Session, begin, begin_with, finish, is_broken};
use super::manager::Manager;
use super::noted;
use super::observer::{InUse, Observed, PoolName, PoolUse};
use super::policy::StorePolicy;
use super::queue::{Cause, JobError, Queue, Ticket, guarded, spawn};
use super::url::DatabaseUrl;
use super::watch::{Shift, Trust, Watch};
use tokenpair::session::StoreError;

/// A connection is replaced at this age, so that a change behind the host's name reaches every
/// connection.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);

/// The first pause after a connection failed; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);

const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// A handle to the pool. Clones share it.
#[derive(Clone)]
pub(super) struct Pool {
    queue: Queue<Job>,
    trust: Arc<Trust>,
    name: PoolName,
    size: usize,
    in_use: InUse,
    observed: Observed,
    /// Ends the watch when the last clone is dropped.
    _watch: Option<Arc<Watch>>,
}

type Job = Box<dyn FnOnce(&mut Link) + Send>;

impl Pool {
    /// Starts the threads. The store joins the returned threads: SQLite's. PostgreSQL's are watched
    /// instead, since a server that hangs would block them, and the join.
    pub(super) fn open(
        manager: Manager,
        policy: StorePolicy,
        observed: Observed,
    ) -> Result<(Self, Vec<JoinHandle<()>>), StoreError> {
        let watched = matches!(manager.url, DatabaseUrl::Postgres(_));
        let (queue, jobs) = Queue::new(policy.wait);
        let trust = Arc::<Trust>::default();
        let of_links = Arc::clone(&trust);
        let work = move |shift: &Shift| {
            let mut link = Link {
                manager: manager.clone(),
                trust: Arc::clone(&of_links),
                held: None,
            };
            serve(&jobs, shift, &mut link);
        };
        let (threads, watch) = if watched {
            let watch = Watch::start(policy, Arc::clone(&trust), work).map_err(StoreError::new)?;
            (Vec::new(), Some(Arc::new(watch)))
        } else {
            let work = Arc::new(work);
            let thread = |_| {
                let work = Arc::clone(&work);
                spawn(move || work(&Shift::default()))
            };
            let threads: std::io::Result<_> = (0..policy.pool).map(thread).collect();
            (threads.map_err(StoreError::new)?, None)
        };
        let pool = Self {
            queue,
            trust,
            name: if watched {
                PoolName::Shared
            } else {
                PoolName::Readers
            },
            size: usize::try_from(policy.pool).unwrap_or(usize::MAX),
            in_use: InUse::default(),
            observed,
            _watch: watch,
        };
        Ok((pool, threads))
    }

    pub(super) fn usage(&self) -> PoolUse {
        PoolUse {
            pool: self.name,
            size: self.size,
            in_use: self.in_use.count(),
            waiting: self.queue.waiting(),
        }
    }

    /// Runs a statement that does no harm if it is executed twice.
    pub(super) async fn statement<T: Send + 'static>(
        &self,
        statement: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, JobError> {
        self.ask(move |link, deadline| {
            let ask = |held: &mut Held| held.statement(&statement);
            let first = link.first_of_all(deadline, ask)?;
            link.keep(first.held);
            Ok(first.answer)
        })
        .await
    }

    /// Runs statements in one transaction, which is committed before this returns.
    pub(super) async fn transaction<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, JobError> {
        self.ask(move |link, deadline| {
            let done = link.transaction(deadline, &work);
            match done {
                // No statement was executed.
                Err(JobError::Query(error)) if is_read_only(&error) => {
                    link.held = None;
                    link.transaction(deadline, &work)
                }
                done => done,
            }
        })
        .await
    }

    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Link, Instant) -> Result<T, JobError> + Send + 'static,
    ) -> Result<T, JobError> {
        let (name, in_use, observed) = (self.name, self.in_use.clone(), self.observed.clone());
        let job = move |ticket: Ticket<T>| -> Job {
            Box::new(move |link| {
                if !ticket.is_late() {
                    observed.waited(name, ticket.asked.elapsed());
                    let at_work = in_use.begin();
                    let (answer, noted) =
                        noted::collect(|| guarded(|| work(link, ticket.deadline)));
                    drop(at_work);
                    if answer.is_ok() {
                        observed.recorded(noted);
                    }
                    ticket.answer(answer);
                }
            })
        };
        let answer = self.queue.ask(job).await;
        answer.map_err(|failure| match failure {
            JobError::TooSlow(None) => JobError::TooSlow(self.trust.refusal()),
            failure => failure,
        })
    }
}

fn serve(jobs: &Receiver<Job>, shift: &Shift, link: &mut Link) {
    for job in jobs {
        shift.begin();
        job(link);
        if !shift.end() {
            return;
        }
    }
}

/// A thread's own connection, opened when it is first needed.
struct Link {
    manager: Manager,
    trust: Arc<Trust>,
    held: Option<Held>,
}

struct Held {
    conn: Conn,
    session: Session,
    since: Instant,
}

/// The answer to a first statement, and the connection that gave it.
struct Answered<T> {
    answer: T,
    held: Held,
}

impl Held {
    fn begin(&mut self) -> QueryResult<()> {
        match &self.session {
            Session::Own => begin(&mut self.conn),
            Session::Shared { begin } => begin_with(&mut self.conn, begin),
        }
    }

    /// Executes one statement in its own session without a transaction: one round trip.
    fn statement<T>(&mut self, statement: impl Fn(&mut Conn) -> QueryResult<T>) -> QueryResult<T> {
        if matches!(self.session, Session::Own) {
            return statement(&mut self.conn);
        }
        self.begin()?;
        let done = statement(&mut self.conn);
        finish(&mut self.conn, done)
    }
}

impl Link {
    fn transaction<T>(
        &mut self,
        deadline: Instant,
        work: impl Fn(&mut Conn) -> QueryResult<T>,
    ) -> Result<T, JobError> {
        let mut held = self.first_of_all(deadline, Held::begin)?.held;
        let worked = work(&mut held.conn);
        // Past the deadline the caller has already been answered with a failure.
        let in_time = if Instant::now() < deadline {
            worked
        } else {
            Err(DieselError::RollbackTransaction)
        };
        let finished = finish(&mut held.conn, in_time);
        self.keep(held);
        finished.map_err(JobError::Query)
    }

    /// Executes the first statement on a connection. It is repeated once, on a new connection, if
    /// this one turns out to be dead (the database was restarted, or the network dropped it) or
    /// read-only (it was the primary). The first execution may have taken effect, so the statement
    /// must be `BEGIN`, or do no harm if executed twice; nothing else is ever repeated.
    fn first_of_all<T>(
        &mut self,
        deadline: Instant,
        ask: impl Fn(&mut Held) -> QueryResult<T>,
    ) -> Result<Answered<T>, JobError> {
        let mut held = self.take(deadline)?;
        let mut answer = ask(&mut held);
        if let Err(error) = &answer
            && (is_read_only(error) || !is_alive(&mut held.conn))
        {
            drop(held);
            held = self.connect(deadline)?;
            answer = ask(&mut held);
        }
        match answer {
            Ok(answer) => Ok(Answered { answer, held }),
            Err(error) => {
                self.keep(held);
                Err(JobError::Query(error))
            }
        }
    }

    fn keep(&mut self, mut held: Held) {
        // Closing a connection rolls back its open transaction.
        if !is_broken(&mut held.conn) {
            self.held = Some(held);
        }
    }

    fn take(&mut self, deadline: Instant) -> Result<Held, JobError> {
        let good = |held: &Held| held.since.elapsed() < MAX_AGE && self.trust.covers(held.since);
        match self.held.take().filter(good) {
            Some(held) => Ok(held),
            None => self.connect(deadline),
        }
    }

    /// Retries until no time is left, and then returns the last error.
    fn connect(&self, deadline: Instant) -> Result<Held, JobError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.manager.connect() {
                Ok(Opened { conn, session }) => {
                    self.trust.connected();
                    return Ok(Held {
                        conn,
                        session,
                        since: Instant::now(),
                    });
                }
                Err(error) => Arc::new(error) as Cause,
            };
            self.trust.refused(Arc::clone(&error));
            if deadline.saturating_duration_since(Instant::now()) <= pause {
                return Err(JobError::Connect(error));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn is_read_only(error: &DieselError) -> bool {
    matches!(
        error,
        DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _)
    )
}

/// Uses the simple protocol: a pooler in transaction mode may send two messages of the extended
/// protocol to two servers.
fn is_alive(conn: &mut Conn) -> bool {
    conn.batch_execute("SELECT 1").is_ok()
}
