//! Tests `/health/live` and `/health/ready`.

use serde_json::json;
use tokenpair::clock::Clock;

use crate::support::{
    ADA, Backend, Cluster, Database, Response, START, TestApp, as_superuser, unavailable, within,
};

fn a_server_that_serves_is_live_and_ready(on: Backend) {
    let app = on.app();
    assert_eq!(
        app.get("/health/live").send().json(),
        json!({ "status": "live" })
    );
    assert_eq!(
        app.get("/health/ready").send().json(),
        json!({ "status": "ready" })
    );
}

/// Asserts that the server is not ready, with a reason in the hint, and rejects logins.
#[track_caller]
fn not_written(app: &TestApp, (code, msg, hint): (&str, &str, &str)) {
    let login = json!({ "username": ADA.0, "password": ADA.1 });
    unavailable(&app.post("/login").json(login).send());
    let ready = app.get("/health/ready").send();
    ready.refused(503, code, msg);
    let said = ready.json()["hint"].as_str().unwrap().to_owned();
    assert!(said.contains(hint), "{said}");
    assert_eq!(ready.header("retry-after"), Some("1"));
    assert_eq!(app.get("/health/live").send().status, 200);
}

/// Asserts that the server becomes ready without a write, and logins work.
#[track_caller]
fn written_again(app: &TestApp) {
    within(60, "the server is ready again", || {
        app.get("/health/ready").send().status == 200
    });
    let login = json!({ "username": ADA.0, "password": ADA.1 });
    assert_eq!(app.post("/login").json(login).send().status, 200);
}

const READ_ONLY: (&str, &str) = ("database_read_only", "The database is read-only");

#[test]
fn with_a_standby_the_server_is_not_ready_until_it_is_promoted() {
    let cluster = Cluster::start();
    let app = TestApp::start(&cluster.url(), &[], Clock::fixed(START)).with_ada();
    cluster.restart_as_standby();
    let (code, msg) = READ_ONLY;
    not_written(&app, (code, msg, "is a standby"));
    cluster.promote();
    written_again(&app);
}

/// The server then has no connection, since no host can be written.
#[test]
fn with_several_hosts_that_are_standbys_the_server_is_not_ready_until_one_is_promoted() {
    let cluster = Cluster::start();
    // One server, listed twice.
    let url = cluster.url();
    let host = url.split(['=', '&']).nth(1).unwrap();
    let twice = url.replace(host, &format!("{host},{host}"));
    let app = TestApp::start(&twice, &[], Clock::fixed(START)).with_ada();
    cluster.restart_as_standby();
    let (code, msg) = READ_ONLY;
    not_written(&app, (code, msg, "standby"));
    cluster.promote();
    written_again(&app);
}

#[test]
fn with_read_only_transactions_the_server_is_not_ready_until_they_write() {
    let app = Backend::Postgres.app().with_ada();
    let Database::Postgres(name) = app.database() else {
        panic!("a PostgreSQL database")
    };
    let read_only = |value| {
        as_superuser(&format!(
            "ALTER DATABASE {name} SET default_transaction_read_only = {value}"
        ));
    };
    read_only("on");
    as_superuser(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    ));
    let (code, msg) = READ_ONLY;
    not_written(&app, (code, msg, "default_transaction_read_only"));
    // Applies to new connections; existing ones must end.
    read_only("off");
    written_again(&app);
}

/// SQLite's message about a full disk, from a trigger.
#[test]
fn with_a_full_disk_the_server_is_not_ready_until_there_is_room() {
    let app = Backend::Sqlite.app().with_ada();
    for table in ["sessions", "throttle"] {
        app.database().execute(&format!(
            "CREATE TRIGGER full_{table} BEFORE INSERT ON {table} \
             BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        ));
    }
    let full = ("database_full", "The database's disk is full");
    for _ in 0..2 {
        not_written(&app, (full.0, full.1, "Free space"));
    }
    for table in ["sessions", "throttle"] {
        app.database()
            .execute(&format!("DROP TRIGGER full_{table}"));
    }
    written_again(&app);
}

/// Writes would go into a file that the next start does not open.
#[test]
fn with_another_file_at_its_path_the_server_is_not_ready_until_its_own_is_back() {
    let app = Backend::Sqlite.app().with_ada();
    let Database::Sqlite(folder) = app.database() else {
        panic!("a file")
    };
    let [own, away, other] = ["test.db", "old.db", "b.db"].map(|name| folder.path().join(name));
    std::fs::copy(&own, &other).unwrap();
    let not_ready = || {
        let ready = app.get("/health/ready").send();
        ready.refused(503, "database_not_writable", "The database refuses writes");
        let said = ready.json()["hint"].as_str().unwrap().to_owned();
        assert!(said.contains("Restart the server"), "{said}");
    };
    std::fs::rename(&own, &away).unwrap();
    not_ready();
    std::fs::copy(&other, &own).unwrap();
    not_ready();
    let bearer = app.bearer();
    assert_eq!(
        app.get("/protected").bearer(&bearer.access).send().status,
        200
    );
    std::fs::rename(&away, &own).unwrap();
    assert_eq!(app.get("/health/ready").send().status, 200);
}

fn what_a_client_did_wrong_leaves_the_server_ready(on: Backend) {
    let app = on.app().with_ada();
    let again = json!({ "username": ADA.0, "password": ADA.1 });
    let taken: Response = app.post("/register").json(again).send();
    assert_eq!(taken.status, 409);
    assert_eq!(app.get("/health/ready").send().status, 200);
}

on_both_databases!(
    a_server_that_serves_is_live_and_ready,
    what_a_client_did_wrong_leaves_the_server_ready,
);
