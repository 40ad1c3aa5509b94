//! SQLite's one writer. What is queued at the same time is committed together, since a commit costs a wait for the disk
//! however much is in it; and since SQLite's own lock is not fair, of several writers some would starve.

use std::error::Error;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;
use diesel::connection::{SimpleConnection, TransactionManager};
use diesel::r2d2::R2D2Connection;
use diesel::result::Error as DieselError;
use diesel::{Connection, QueryResult};
use r2d2::ManageConnection;

use super::connection::{Conn, StorePolicy, begin};
use super::pool::Manager;
use super::queue::{Failure, Queue, Ticket, guarded};
use crate::session::StoreError;

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
    ) -> Result<(Self, Vec<JoinHandle<()>>), StoreError> {
        let work = || {
            let manager = manager.clone();
            move |units| write_on(&units, &manager)
        };
        let (queue, threads) = Queue::start(1, policy.wait, work).map_err(StoreError::new)?;
        Ok((Self(queue), threads))
    }

    /// Runs work and gives its answer once it is committed.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        shape: Shape,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, Failure> {
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
    /// Says what came of it, now that it is known whether it was committed.
    fn answer(self: Box<Self>, committed: Result<(), Cause>);
}

type Cause = Arc<dyn Error + Send + Sync>;

struct Asked<T, W> {
    shape: Shape,
    work: W,
    outcome: Option<Result<T, Failure>>,
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
        let outcome = guarded(|| (self.work)(conn).map_err(Failure::Query));
        let good = outcome.is_ok();
        self.outcome = Some(outcome);
        good
    }

    fn found_it_locked(&self) -> bool {
        matches!(&self.outcome, Some(Err(Failure::Query(error))) if is_locked(error))
    }

    fn answer(self: Box<Self>, committed: Result<(), Cause>) {
        match (self.outcome, committed) {
            (Some(Ok(_)) | None, Err(error)) => self.ticket.answer(Err(Failure::Commit(error))),
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

fn connect(manager: &Manager) -> Result<Conn, diesel::r2d2::Error> {
    let mut conn = manager.connect()?;
    conn.batch_execute(LOCK_PATIENCE)
        .map_err(diesel::r2d2::Error::QueryError)?;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crossbeam_channel::bounded;
    use diesel::sql_types::BigInt;
    use diesel::{QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
    use futures_util::future::{join, join_all};
    use tempfile::TempDir;

    use super::super::{DatabaseUrl, DieselStore};
    use super::*;

    /// A store with a table of numbers, and another connection.
    struct Fixture {
        store: DieselStore,
        other: SqliteConnection,
        _folder: TempDir,
    }

    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }

    impl Fixture {
        fn new(wait: Duration) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("test.db");
            let policy = StorePolicy {
                wait,
                ..StorePolicy::default()
            };
            let store = DieselStore::open(&DatabaseUrl::Sqlite(path.clone()), policy).unwrap();
            let mut other = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
            let tables = "CREATE TABLE numbers (n BIGINT NOT NULL PRIMARY KEY); \
                          CREATE TABLE squares (n BIGINT NOT NULL \
                          REFERENCES numbers (n) DEFERRABLE INITIALLY DEFERRED);";
            other.batch_execute(tables).unwrap();
            Self {
                store,
                other,
                _folder: folder,
            }
        }

        /// What these give that are queued, in this order, while the writer is at work.
        async fn queued<T>(&self, work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
            let (begin, begun) = bounded(1);
            let (go, gate) = bounded::<()>(0);
            let hold = move |_: &mut Conn| {
                let _told = (begin.send(()), gate.recv());
                Ok(())
            };
            let store = self.store.clone();
            let held = actix_web::rt::spawn(async move { store.write(hold).await });
            while begun.is_empty() {
                tokio::task::yield_now().await;
            }
            let (answers, ()) = join(join_all(work), async { drop(go) }).await;
            held.await.unwrap().unwrap();
            answers
        }

        /// The numbers in the order in which they were written.
        fn written(&mut self) -> Vec<i64> {
            let rows = sql_query("SELECT n FROM numbers ORDER BY rowid").load(&mut self.other);
            rows.unwrap().into_iter().map(|row: Number| row.n).collect()
        }
    }

    fn insert(conn: &mut Conn, table: &str, n: i64) -> QueryResult<()> {
        conn.batch_execute(&format!("INSERT INTO {table} VALUES ({n})"))
    }

    const PATIENCE: Duration = Duration::from_secs(60);

    #[actix_web::test]
    async fn queued_work_is_done_in_its_order_and_what_fails_or_panics_undoes_only_itself() {
        let mut on = Fixture::new(PATIENCE);
        let store = on.store.clone();
        let write = |n| {
            store.write(move |conn| {
                insert(conn, "numbers", n)?;
                assert!(n != 3, "BUG: of this test");
                match n {
                    5 => Err(DieselError::NotFound),
                    7 => insert(conn, "numbers", 6),
                    _ => Ok(()),
                }
            })
        };
        let answers = on.queued((0..10).map(write)).await;
        let good = (0..).zip(&answers).filter(|(_, answer)| answer.is_ok());
        let good: Vec<i64> = good.map(|(n, _)| n).collect();
        assert_eq!(good, [0, 1, 2, 4, 6, 8, 9]);
        assert_eq!(on.written(), good);
    }

    #[actix_web::test]
    async fn a_statement_that_fails_undoes_only_itself() {
        let mut on = Fixture::new(PATIENCE);
        let store = on.store.clone();
        let write = |n: i64| store.write_one(move |conn| insert(conn, "numbers", n % 2));
        let answers = on.queued((0..3).map(write)).await;
        let good = answers.iter().map(Result::is_ok);
        assert!(good.eq([true, true, false]), "{answers:?}");
        assert_eq!(on.written(), [0, 1]);
    }

    #[actix_web::test]
    async fn nobody_is_told_of_success_before_the_commit() {
        let mut on = Fixture::new(PATIENCE);
        let store = on.store.clone();
        // Only the commit finds that 25 is no number.
        let write = |n| {
            store.write(move |conn| match n {
                5 => insert(conn, "squares", 25),
                n => insert(conn, "numbers", n),
            })
        };
        let answers = on.queued((0..10).map(write)).await;
        assert!(answers.iter().all(Result::is_err), "{answers:?}");
        assert!(on.written().is_empty());
        on.store
            .write(|conn| insert(conn, "numbers", 1))
            .await
            .unwrap();
    }

    #[actix_web::test]
    async fn a_panic_of_work_that_is_alone_is_undone_and_the_next_is_done() {
        let mut on = Fixture::new(PATIENCE);
        let panicked = on.store.write(|conn| -> QueryResult<()> {
            insert(conn, "numbers", 1)?;
            panic!("BUG: of this test")
        });
        assert!(panicked.await.is_err());
        on.store
            .write(|conn| insert(conn, "numbers", 2))
            .await
            .unwrap();
        assert_eq!(on.written(), [2]);
    }

    #[actix_web::test]
    async fn what_is_too_late_is_not_begun() {
        let mut on = Fixture::new(Duration::from_millis(50));
        on.other.batch_execute("BEGIN IMMEDIATE").unwrap();
        let store = on.store.clone();
        let late = (0..10).map(|n| store.write(move |conn| insert(conn, "numbers", n)));
        assert!(join_all(late).await.iter().all(Result::is_err));
        on.other.batch_execute("COMMIT").unwrap();
        drop(store);
        // The last of the old one's clones waits for its threads.
        on.store = DieselStore::open(on.store.url(), StorePolicy::default()).unwrap();
        assert!(on.written().is_empty());
    }

    #[actix_web::test]
    async fn past_the_queue_is_busy_at_once() {
        let mut on = Fixture::new(PATIENCE);
        let store = on.store.clone();
        let write = |n| store.write(move |conn| insert(conn, "numbers", n));
        let answers = on.queued((0..4100).map(write)).await;
        let (taken, refused) = answers.split_at(4096);
        assert!(taken.iter().all(Result::is_ok));
        let busy = |answer: &Result<(), StoreError>| {
            answer.as_ref().unwrap_err().to_string() == "too many wait for the database"
        };
        assert!(refused.iter().all(busy));
        assert_eq!(on.written().len(), 4096);
    }
}
