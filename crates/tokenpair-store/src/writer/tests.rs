//! Tests jobs that are queued, failed, late or too many, with their own writer and SQLite file.

use std::time::Duration;

use crossbeam_channel::bounded;
use diesel::sql_types::BigInt;
use diesel::{QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use futures_util::future::{join, join_all};
use tempfile::TempDir;

use super::*;
use crate::{DatabaseUrl, DieselStore};

/// A store with a table of numbers, and another connection.
struct Fixture {
    store: DieselStore,
    other: SqliteConnection,
    folder: TempDir,
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
            folder,
        }
    }

    /// Returns the results of these jobs, which are queued in this order while the writer is at
    /// work.
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

    /// Returns the numbers in the order in which they were written.
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
async fn a_failure_that_undoes_the_whole_transaction_is_everybodys() {
    let mut on = Fixture::new(PATIENCE);
    let full = "CREATE TRIGGER full BEFORE INSERT ON numbers WHEN new.n = 7 \
                BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END";
    on.other.batch_execute(full).unwrap();
    let store = on.store.clone();
    let write = |n| store.write_one(move |conn| insert(conn, "numbers", n));
    let answers = on.queued((0..10).map(write)).await;
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
    assert!(on.written().is_empty());
    write(1).await.unwrap();
    assert_eq!(on.written(), [1]);
}

#[actix_web::test]
async fn nobody_is_told_of_success_before_the_commit() {
    let mut on = Fixture::new(PATIENCE);
    let store = on.store.clone();
    // Only the commit finds that 25 is not a number.
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
    // Dropping the last clone of the old store joins its threads.
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
        answer.as_ref().unwrap_err().to_string() == "too many requests are queued for the database"
    };
    assert!(refused.iter().all(busy));
    assert_eq!(on.written().len(), 4096);
}

#[actix_web::test]
async fn the_write_ahead_log_stays_short_so_that_nobody_waits_long_for_moving_it_into_the_file() {
    let on = Fixture::new(PATIENCE);
    for n in 0..1000 {
        on.store
            .write_one(move |conn| insert(conn, "numbers", n))
            .await
            .unwrap();
    }
    let log = on.folder.path().join("test.db-wal");
    let pages = std::fs::metadata(log).unwrap().len() / 4096;
    assert!((1..=300).contains(&pages), "{pages} pages");
}
