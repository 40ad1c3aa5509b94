//! Implements SQLite's only writer. Work that is queued at the same time is committed together,
//! since a commit waits for the disk, however large it is. SQLite's own lock is not fair, so some
//! of several writers would starve.

#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests;

use std::error::Error;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::Receiver;
use diesel::connection::{SimpleConnection, TransactionManager};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::{Connection, QueryResult};

use super::connection::{Conn, ConnectError, begin, is_broken, is_locked};
use super::manager::Manager;
use super::noted::{self, Noted};
use super::observer::{InUse, Observed, PoolName, PoolUse};
use super::policy::StorePolicy;
use super::queue::{Cause, JobError, Queue, Ticket, guarded, spawn};
use tokenpair::session::StoreError;

/// The maximum number of jobs committed together, so that the first does not wait long for the
/// last.
const TOGETHER: usize = 256;

/// SQLite's own timeout for another process's lock. After it the writer checks whether a caller
/// still waits, and retries; SQLite's own pauses grow, and would let a busy server starve it.
const LOCK_PATIENCE: &str = "PRAGMA busy_timeout = 10";

/// The number of pages in the write-ahead log from which a commit moves them into the file. All
/// requests that write wait for that: of 450 refreshes a second among ten million sessions, one in a
/// hundred took 32 ms with SQLite's default of 1000, and 8 ms with this.
const SHORT_LOG: &str = "PRAGMA wal_autocheckpoint = 200";

/// A handle to the writer. Clones share it.
#[derive(Clone)]
pub(super) struct Writer {
    queue: Queue<Box<dyn Unit>>,
    in_use: InUse,
    observed: Observed,
}

/// The form of a job when no other is committed with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Statements of which at most one writes, in its own transaction.
    Statement,
    /// Some statements in a transaction.
    Transaction,
}

impl Writer {
    pub(super) fn start(
        manager: &Manager,
        policy: StorePolicy,
        observed: Observed,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let (queue, units) = Queue::new(policy.wait);
        let writer = Self {
            queue,
            in_use: InUse::default(),
            observed: observed.clone(),
        };
        let (manager, in_use) = (manager.clone(), writer.in_use.clone());
        let work = move || write_on(&units, &manager, &in_use, &observed);
        let thread = spawn(work).map_err(StoreError::new)?;
        Ok((writer, thread))
    }

    pub(super) fn usage(&self) -> PoolUse {
        PoolUse {
            pool: PoolName::Writer,
            size: 1,
            in_use: self.in_use.count(),
            waiting: self.queue.waiting(),
        }
    }

    /// Runs work and returns its result once it is committed.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        shape: Shape,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, JobError> {
        let observed = self.observed.clone();
        let unit = |ticket| -> Box<dyn Unit> {
            Box::new(Asked {
                shape,
                work,
                outcome: None,
                noted: Noted::new(),
                observed,
                ticket,
            })
        };
        self.queue.ask(unit).await
    }
}

/// A job that takes effect completely or not at all.
trait Unit: Send {
    fn shape(&self) -> Shape;
    fn asked(&self) -> Instant;
    fn is_late(&self) -> bool;
    /// Runs it, and keeps the result. Returns false if it must be rolled back.
    fn run(&mut self, conn: &mut Conn) -> bool;
    fn found_it_locked(&self) -> bool;
    /// Returns whether it failed without a fault of the statement: the disk is full, or cannot be
    /// read.
    fn found_it_broken(&self) -> bool;
    /// Sends the result, now that the commit has succeeded or failed.
    fn answer(self: Box<Self>, committed: Result<(), Cause>);
}

struct Asked<T, W> {
    shape: Shape,
    work: W,
    outcome: Option<Result<T, JobError>>,
    /// The audit events that it wrote.
    noted: Noted,
    observed: Observed,
    ticket: Ticket<T>,
}

impl<T: Send, W: Fn(&mut Conn) -> QueryResult<T> + Send> Unit for Asked<T, W> {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn asked(&self) -> Instant {
        self.ticket.asked
    }

    fn is_late(&self) -> bool {
        self.ticket.is_late()
    }

    fn run(&mut self, conn: &mut Conn) -> bool {
        let work = || (self.work)(conn).map_err(JobError::Query);
        let (outcome, noted) = noted::collect(|| guarded(work));
        let good = outcome.is_ok();
        self.outcome = Some(outcome);
        self.noted = noted;
        good
    }

    fn found_it_locked(&self) -> bool {
        matches!(&self.outcome, Some(Err(JobError::Query(error))) if is_locked(error))
    }

    fn found_it_broken(&self) -> bool {
        matches!(
            &self.outcome,
            Some(Err(JobError::Query(DieselError::DatabaseError(
                DatabaseErrorKind::Unknown,
                _
            ))))
        )
    }

    fn answer(self: Box<Self>, committed: Result<(), Cause>) {
        match (self.outcome, committed) {
            (Some(Ok(_)) | None, Err(error)) => self.ticket.answer(Err(JobError::Commit(error))),
            (Some(outcome), _) => {
                if outcome.is_ok() {
                    self.observed.recorded(self.noted);
                }
                self.ticket.answer(outcome);
            }
            // It was too late to begin.
            (None, Ok(())) => {}
        }
    }
}

fn write_on(
    units: &Receiver<Box<dyn Unit>>,
    manager: &Manager,
    in_use: &InUse,
    observed: &Observed,
) {
    let mut kept = None;
    for first in units {
        let waiting = std::iter::once(first).chain(units.try_iter());
        let batch: Vec<_> = waiting.take(TOGETHER).collect();
        for unit in &batch {
            observed.waited(PoolName::Writer, unit.asked().elapsed());
        }
        let _at_work = in_use.begin();
        match kept.take().map_or_else(|| connect(manager), Ok) {
            Ok(mut conn) => {
                write(&mut conn, batch);
                // Closing a connection rolls back its open transaction.
                kept = (!is_broken(&mut conn)).then_some(conn);
            }
            Err(error) => answer(batch, Err(error)),
        }
    }
}

fn connect(manager: &Manager) -> Result<Conn, ConnectError> {
    let mut conn = manager.connect()?.conn;
    conn.batch_execute(LOCK_PATIENCE)?;
    conn.batch_execute(SHORT_LOG)?;
    Ok(conn)
}

fn write(conn: &mut Conn, mut batch: Vec<Box<dyn Unit>>) {
    let written = match batch.as_mut_slice() {
        [only] => alone(conn, only.as_mut()),
        units => together(conn, units),
    };
    answer(batch, written);
}

fn answer<E: Error + Send + Sync + 'static>(batch: Vec<Box<dyn Unit>>, written: Result<(), E>) {
    let written = written.map_err(|error| -> Cause { Arc::new(error) });
    for unit in batch {
        unit.answer(written.clone());
    }
}

/// Runs a job as if there were no queue.
fn alone(conn: &mut Conn, unit: &mut dyn Unit) -> QueryResult<()> {
    if unit.shape() == Shape::Transaction {
        begin_in_time(conn, || !unit.is_late())?;
        return if !unit.is_late() && unit.run(conn) {
            commit(conn)
        } else {
            rollback(conn)
        };
    }
    while !unit.is_late() {
        unit.run(conn);
        if !unit.found_it_locked() {
            break;
        }
    }
    Ok(())
}

/// Runs each transaction in a savepoint, so that its failure rolls back no other job; a statement
/// that fails rolls back only itself.
fn together(conn: &mut Conn, units: &mut [Box<dyn Unit>]) -> QueryResult<()> {
    begin_in_time(conn, || units.iter().any(|unit| !unit.is_late()))?;
    for unit in units.iter_mut().filter(|unit| !unit.is_late()) {
        if unit.shape() == Shape::Statement {
            unit.run(conn);
            // SQLite may have rolled back the whole transaction, and later statements would run
            // outside of any.
            if unit.found_it_broken() {
                let _closed = rollback(conn);
                return Err(DieselError::RollbackTransaction);
            }
            continue;
        }
        savepoint(conn)?;
        if unit.run(conn) {
            commit(conn)?
        } else {
            rollback(conn)?
        }
    }
    commit(conn)
}

/// Begins a transaction as soon as no other process writes, as long as a caller waits for it.
fn begin_in_time(conn: &mut Conn, still_wanted: impl Fn() -> bool) -> QueryResult<()> {
    loop {
        match begin(conn) {
            Err(error) if is_locked(&error) && still_wanted() => {}
            begun => return begun,
        }
    }
}

type Transactions = <Conn as Connection>::TransactionManager;

fn savepoint(conn: &mut Conn) -> QueryResult<()> {
    Transactions::begin_transaction(conn)
}

/// Commits the transaction, or releases the savepoint.
fn commit(conn: &mut Conn) -> QueryResult<()> {
    Transactions::commit_transaction(conn)
}

/// Rolls back the transaction, or to the savepoint.
fn rollback(conn: &mut Conn) -> QueryResult<()> {
    Transactions::rollback_transaction(conn)
}
