//! Tests PgBouncer in transaction mode before PostgreSQL: everything works, and no state is left in
//! a session for its next client.

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query};
use serde_json::json;
use tokenpair::clock::Clock;

use crate::races::at_once;
use crate::support::{ADA, Backend, Bouncer, Database, START, TestApp, unavailable, within};

#[derive(QueryableByName, PartialEq, Debug)]
struct Left {
    #[diesel(sql_type = Text)]
    timeout: String,
    #[diesel(sql_type = BigInt)]
    prepared: i64,
}

/// Returns the state that another client finds in each session.
fn left_in_sessions(bouncer: &Bouncer, sessions: usize) -> Vec<Left> {
    let mut clients: Vec<_> = (0..sessions)
        .map(|_| PgConnection::establish(bouncer.url()).unwrap())
        .collect();
    for client in &mut clients {
        client.batch_execute("BEGIN").unwrap();
    }
    let left = "SELECT current_setting('statement_timeout') AS timeout, \
                (SELECT count(*) FROM pg_prepared_statements) AS prepared";
    let look = |client: &mut PgConnection| sql_query(left).get_result(client).unwrap();
    clients.iter_mut().map(look).collect()
}

fn all_works_through(more: &str) {
    const SESSIONS: usize = 3;
    let database = Database::create(Backend::Postgres);
    let bouncer = Bouncer::before(&database, 3, more);
    let app = TestApp::start(bouncer.url(), &[], Clock::fixed(START)).with_ada();
    let ada = app.bearer();
    let login = json!({ "username": ADA.0, "password": ADA.1, "tokens": "body" });
    let all = at_once(40, |number| match number % 4 {
        0 => ada.try_refresh(),
        1 => ada.get("/account"),
        2 => ada.get("/sessions"),
        _ => app.post("/login").json(login.clone()).send(),
    });
    assert!(all.iter().all(|answer| answer.status == 200), "{all:?}");
    assert_eq!(app.get("/health/ready").send().status, 200);
    let mut browser = app.browser();
    assert_eq!(browser.post("/logout").status, 200);
    for left in left_in_sessions(&bouncer, SESSIONS) {
        let nothing = Left {
            timeout: "0".to_owned(),
            prepared: 0,
        };
        assert_eq!(left, nothing, "{}", bouncer.log());
    }
}

#[test]
fn all_works_through_pgbouncer_and_nothing_is_left_in_its_sessions() {
    all_works_through("");
}

#[test]
fn a_pgbouncer_that_leaves_out_options_is_known_all_the_same() {
    all_works_through("ignore_startup_parameters = extra_float_digits, options");
}

#[test]
fn servers_that_start_together_through_pgbouncer_migrate_once() {
    let database = Database::create(Backend::Postgres);
    let bouncer = Bouncer::before(&database, 2, "");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let app = TestApp::start(bouncer.url(), &[], Clock::fixed(START));
                assert_eq!(app.get("/health/ready").send().status, 200);
            });
        }
    });
}

/// No statement waits in PostgreSQL longer than its request.
fn a_statement_ends_with_its_request(database: &Database, url: &str, settings: &[(&str, &str)]) {
    let settings = [settings, &[("DATABASE_WAIT", "1s")]].concat();
    let app = TestApp::start(url, &settings, Clock::fixed(START)).with_ada();
    let ada = app.bearer();
    let mut held = database.begin();
    held.batch_execute("LOCK TABLE sessions IN EXCLUSIVE MODE")
        .unwrap();
    unavailable(&ada.try_refresh());
    let waiting = "SELECT count(*) AS n FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    within(20, "PostgreSQL gives the statement up", || {
        database.numbers(waiting) == [0]
    });
    drop(held);
    assert_eq!(ada.try_refresh().status, 200);
}

#[test]
fn a_statement_ends_with_its_request_through_pgbouncer() {
    let database = Database::create(Backend::Postgres);
    let bouncer = Bouncer::before(&database, 2, "");
    a_statement_ends_with_its_request(&database, bouncer.url(), &[]);
}

#[test]
fn a_statement_ends_with_its_request_whatever_is_said_of_a_pooler() {
    for pooler in ["auto", "off", "transaction"] {
        let database = Database::create(Backend::Postgres);
        let settings = [("DATABASE_POOLER", pooler)];
        a_statement_ends_with_its_request(&database, &database.url(), &settings);
    }
}
