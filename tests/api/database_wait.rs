//! Tests `DATABASE_WAIT`: how long a request waits for a busy database, and its error.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};

use crate::support::{Backend, Database, START, TestApp, unavailable};
use tokenpair::clock::Clock;

/// Returns another connection, which blocks all writes of sessions until it is dropped.
fn nobody_else_writes(database: &Database) -> Box<dyn SimpleConnection> {
    let url = database.url();
    match database {
        Database::Sqlite(_) => {
            let path = url.trim_start_matches("sqlite://");
            let mut other = SqliteConnection::establish(path).unwrap();
            other.batch_execute("BEGIN IMMEDIATE").unwrap();
            Box::new(other)
        }
        Database::Postgres(_) => {
            let mut other = PgConnection::establish(&url).unwrap();
            let lock = "BEGIN; LOCK TABLE sessions IN EXCLUSIVE MODE";
            other.batch_execute(lock).unwrap();
            Box::new(other)
        }
    }
}

fn who_waits_for_longer_than_database_wait_is_told_so_and_keeps_the_cookies(on: Backend) {
    let database = Database::create(on);
    let server = |wait| {
        let settings = [("DATABASE_WAIT", wait)];
        TestApp::start(&database.url(), &settings, Clock::fixed(START))
    };
    let (patient, impatient) = (server("60s").with_ada(), server("1s"));
    let (mut at_ease, mut in_haste) = (patient.browser(), impatient.browser());
    let held = nobody_else_writes(&database);
    std::thread::scope(|scope| {
        let refreshed = scope.spawn(|| at_ease.refresh());
        for _ in 0..2 {
            unavailable(&in_haste.refresh());
        }
        assert_eq!(in_haste.get("/protected").status, 200, "asks no database");
        assert_eq!(in_haste.get("/account").status, 200, "only reads");
        drop(held);
        let refreshed = refreshed.join().unwrap();
        assert_eq!(refreshed.status, 200, "{refreshed:?}");
    });
    assert_eq!(in_haste.refresh().status, 200);
}

on_both_databases!(who_waits_for_longer_than_database_wait_is_told_so_and_keeps_the_cookies,);
