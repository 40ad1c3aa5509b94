//! Tests the cost of requests: the SQL statements that each sends, counted where Diesel sends them.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};

use serde_json::json;

use crate::support::recorder::{recorded_app, sent};
use crate::support::{ADA, Backend, TestApp};

/// Returns the statements of each request, in the order of docs/operating.md.
fn counted(on: Backend) -> Vec<(&'static str, Vec<String>)> {
    let app = recorded_app(on);
    let mut ada = app.bearer();
    let mut browser = app.browser();
    let fail = || {
        let wrong = json!({ "username": ADA.0, "password": "not hers" });
        app.post("/login").json(wrong).send();
    };
    let mut counts = vec![
        ("login", sent(&app, || app.bearer())),
        ("protected", sent(&app, || ada.get("/protected"))),
        ("refresh", sent(&app, || ada = ada.refreshed())),
        (
            "refresh, the first with a new token",
            sent(&app, || ada.refreshed()),
        ),
        ("refresh, repeated", sent(&app, || ada.refreshed())),
    ];
    app.advance(Duration::from_secs(1800));
    counts.extend([
        ("reissue", sent(&app, || browser.get("/protected"))),
        ("logout", sent(&app, || browser.post("/logout"))),
        ("failed login", sent(&app, fail)),
        ("login after a failed one", sent(&app, || app.bearer())),
    ]);
    for _ in 0..10 {
        fail();
    }
    let bob = json!({ "username": "bob", "password": ADA.1 });
    counts.extend([
        ("rate-limited login", sent(&app, fail)),
        (
            "registration",
            sent(&app, || {
                app.post("/register").json(bob).send();
            }),
        ),
    ]);
    counts
}

fn each_request_sends_what_the_operators_page_says(on: Backend) {
    let mut table = "| request | statements |\n|---|---|\n".to_owned();
    for (request, verbs) in counted(on) {
        let verbs = match verbs.as_slice() {
            [] => "none".to_owned(),
            verbs => verbs.join(", "),
        };
        table += &format!("| {request} | {verbs} |\n");
    }
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md");
    let page = std::fs::read_to_string(page).unwrap();
    let said = page.split("tests/api/statements.rs -->\n").nth(1);
    let said = said.and_then(|rest| rest.split("<!-- end -->").next());
    // A row may name the database that it is about.
    let (ours, others) = match on {
        Backend::Sqlite => (" (SQLite)", " (PostgreSQL)"),
        Backend::Postgres => (" (PostgreSQL)", " (SQLite)"),
    };
    let rows = said.unwrap().lines().filter(|row| !row.contains(others));
    let said: String = rows.map(|row| row.replace(ours, "") + "\n").collect();
    assert_eq!(said, table);
}

fn the_page_reads_the_sessions_and_a_stranger_s_reads_nothing(on: Backend) {
    let app = recorded_app(on);
    let mut browser = app.browser();
    assert_eq!(sent(&app, || app.get("/").send()), [""; 0]);
    assert_eq!(sent(&app, || browser.get("/?show=password")), [""; 0]);
    let verbs = sent(&app, || browser.get("/"));
    assert!(!verbs.is_empty() && verbs.len() <= 2, "{verbs:?}");
    assert!(verbs.iter().all(|verb| verb == "SELECT"), "{verbs:?}");
}

/// RFC 9110 section 9.2.1. Only `GET /logout` has an effect, and only for a link on the server's
/// own pages.
fn what_is_only_read_changes_nothing(on: Backend) {
    let app = recorded_app(on);
    let description = app.get("/openapi.json").send().json();
    let paths = description["paths"].as_object().unwrap();
    let read = paths.iter().filter(|(_, path)| path.get("get").is_some());
    let read: Vec<&String> = read
        .map(|(name, _)| name)
        .filter(|name| *name != "/logout")
        .collect();
    assert!(read.len() > 8, "{read:?}");
    let mut browser = app.browser();
    for path in read {
        for method in ["GET", "HEAD", "OPTIONS"] {
            let verbs = sent(&app, || browser.send(app.request(method, path)));
            assert!(
                verbs.iter().all(|verb| verb == "SELECT"),
                "{method} {path}: {verbs:?}"
            );
        }
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    rows: i64,
}

/// Returns the number of rows of each table.
fn rows(app: &TestApp) -> BTreeMap<&'static str, i64> {
    let url = app.database().url();
    let count = |table| {
        let query = sql_query(format!("SELECT count(*) AS rows FROM {table}"));
        let counted: Count = match url.strip_prefix("sqlite://") {
            Some(path) => query.get_result(&mut SqliteConnection::establish(path).unwrap()),
            None => query.get_result(&mut PgConnection::establish(&url).unwrap()),
        }
        .unwrap();
        (table, counted.rows)
    };
    [
        "users",
        "sessions",
        "revocations",
        "audit_events",
        "throttle",
    ]
    .map(count)
    .into()
}

fn three_hundred_refreshes_add_no_row(on: Backend) {
    let app = on.app().with_ada();
    let mut ada = app.bearer();
    let before = rows(&app);
    assert_eq!(before["sessions"], 1);
    for _ in 0..100 {
        // A rotation, the first use of the successor, and a repeated refresh.
        for _ in 0..3 {
            ada = ada.refreshed();
        }
        app.advance(Duration::from_secs(68));
    }
    assert_eq!(rows(&app), before);
}

on_both_databases!(
    each_request_sends_what_the_operators_page_says,
    the_page_reads_the_sessions_and_a_stranger_s_reads_nothing,
    what_is_only_read_changes_nothing,
    three_hundred_refreshes_add_no_row,
);
