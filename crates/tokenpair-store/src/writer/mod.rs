//! SQLite's one writer. What is queued at the same time is committed together, since a commit costs a wait for the disk
//! however much is in it; and since SQLite's own lock is not fair, of several writers some would starve.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;
use diesel::connection::{SimpleConnection, TransactionManager};
use diesel::r2d2::R2D2Connection;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::{Connection, QueryResult};

use super::connection::{Conn, begin};
use super::manager::{ConnectError, Manager};
use super::policy::StorePolicy;
use super::queue::{Cause, JobError, Queue, Ticket, guarded, spawn};
use tokenpair::session::StoreError;

/// How much is committed together at most, so that the first does not wait long for the last.
const TOGETHER: usize = 256;

/// For how long SQLite itself waits for another process's lock. After it the writer looks who is still waiting, and tries
/// again; SQLite's own pauses grow, and would let a busy server starve it.
const LOCK_PATIENCE: &str = "PRAGMA busy_timeout = 10";

/// What asks the writer. Clones share it.
#[derive(Clone)]
pub(super) struct Writer(Queue<Box<dyn Unit>>);

/// What a piece of work is when nothing else is committed with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Statements of which one at most writes, its own transaction.
    Statement,
    /// Some statements in a transaction.
    Transaction,
}

impl Writer {
    pub(super) fn start(
        manager: &Manager,
        policy: StorePolicy,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let (queue, units) = Queue::new(policy.wait);
        let manager = manager.clone();
        let thread = spawn(move || write_on(&units, &manager)).map_err(StoreError::new)?;
        Ok((Self(queue), thread))
    }

    /// Runs work and gives its answer once it is committed.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        shape: Shape,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, JobError> {
        let unit = |ticket| -> Box<dyn Unit> {
            Box::new(Asked {
                shape,
                work,
                outcome: None,
                ticket,
            })
        };
        self.0.ask(unit).await
    }
}

/// A piece of work that is done whole or not at all, whatever it gives.
trait Unit: Send {
    fn shape(&self) -> Shape;
    fn is_late(&self) -> bool;
    /// Does it, and keeps what came of it. False if it has to be undone.
    fn run(&mut self, conn: &mut Conn) -> bool;
    fn found_it_locked(&self) -> bool;
    /// What failed is nothing that the statement was at fault for: the disk is full, or cannot be read.
    fn found_it_broken(&self) -> bool;
    /// Says what came of it, now that it is known whether it was committed.
    fn answer(self: Box<Self>, committed: Result<(), Cause>);
}

struct Asked<T, W> {
    shape: Shape,
    work: W,
    outcome: Option<Result<T, JobError>>,
    ticket: Ticket<T>,
}

impl<T: Send, W: Fn(&mut Conn) -> QueryResult<T> + Send> Unit for Asked<T, W> {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn is_late(&self) -> bool {
        self.ticket.is_late()
    }

    fn run(&mut self, conn: &mut Conn) -> bool {
        let outcome = guarded(|| (self.work)(conn).map_err(JobError::Query));
        let good = outcome.is_ok();
        self.outcome = Some(outcome);
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
            (Some(outcome), _) => self.ticket.answer(outcome),
            // It was too late to begin.
            (None, Ok(())) => {}
        }
    }
}

fn write_on(units: &Receiver<Box<dyn Unit>>, manager: &Manager) {
    let mut kept = None;
    for first in units {
        let waiting = std::iter::once(first).chain(units.try_iter());
        let batch: Vec<_> = waiting.take(TOGETHER).collect();
        match kept.take().map_or_else(|| connect(manager), Ok) {
            Ok(mut conn) => {
                write(&mut conn, batch);
                // One with an open transaction takes that back as it closes.
                kept = (!conn.is_broken()).then_some(conn);
            }
            Err(error) => answer(batch, Err(error)),
        }
    }
}

fn connect(manager: &Manager) -> Result<Conn, ConnectError> {
    let (mut conn, _) = manager.connect()?;
    conn.batch_execute(LOCK_PATIENCE)?;
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

/// As if there were no queue.
fn alone(conn: &mut Conn, unit: &mut dyn Unit) -> QueryResult<()> {
    if unit.shape() == Shape::Transaction {
        begin_in_time(conn, || !unit.is_late())?;
        return match !unit.is_late() && unit.run(conn) {
            true => commit(conn),
            false => rollback(conn),
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

/// A transaction in a savepoint, so that its failure undoes nobody else's work; a statement that fails undoes only itself.
fn together(conn: &mut Conn, units: &mut [Box<dyn Unit>]) -> QueryResult<()> {
    begin_in_time(conn, || units.iter().any(|unit| !unit.is_late()))?;
    for unit in units.iter_mut().filter(|unit| !unit.is_late()) {
        if unit.shape() == Shape::Statement {
            unit.run(conn);
            // SQLite may have taken back all of the transaction, and what follows would be outside of any.
            if unit.found_it_broken() {
                let _closed = rollback(conn);
                return Err(DieselError::RollbackTransaction);
            }
            continue;
        }
        savepoint(conn)?;
        match unit.run(conn) {
            true => commit(conn)?,
            false => rollback(conn)?,
        }
    }
    commit(conn)
}

/// Begins as soon as no other process writes, while anybody waits for it.
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

/// Of the transaction, or releases the savepoint.
fn commit(conn: &mut Conn) -> QueryResult<()> {
    Transactions::commit_transaction(conn)
}

/// Of the transaction, or to the savepoint.
fn rollback(conn: &mut Conn) -> QueryResult<()> {
    Transactions::rollback_transaction(conn)
}

/// SQLITE_BUSY, for which Diesel has no kind.
fn is_locked(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, information) if information.message() == "database is locked")
}
