//! What a request costs: the SQL statements that it sends, counted where Diesel sends them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};

use tokenpair::session::SessionStore;

use crate::support::{Backend, TestApp, block_on};

/// The statements of each database, by its URL.
static SENT: Mutex<BTreeMap<String, Vec<String>>> = Mutex::new(BTreeMap::new());

/// One for each connection; it learns its database when the connection is made.
#[derive(Default)]
struct Recorder {
    database: String,
}

impl Instrumentation for Recorder {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => {
                // Without what the store adds for libpq.
                self.database = url.split('?').next().unwrap_or_default().to_owned();
            }
            InstrumentationEvent::StartQuery { query, .. } => {
                let mut sent = SENT.lock().unwrap_or_else(PoisonError::into_inner);
                sent.entry(self.database.clone())
                    .or_default()
                    .push(query.to_string());
            }
            _ => {}
        }
    }
}

fn recorded_app(on: Backend) -> TestApp {
    set_default_instrumentation(|| Some(Box::<Recorder>::default())).unwrap();
    on.app().with_ada()
}

/// The verbs of what was sent meanwhile: without the pool's pings and set-up and the reading of other replicas' revocations,
/// which no request causes.
fn sent<T>(app: &TestApp, work: impl FnOnce() -> T) -> Vec<String> {
    let url = app.database().url();
    let url = url.trim_start_matches("sqlite://");
    let all = || {
        SENT.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(url)
            .cloned()
            .unwrap_or_default()
    };
    let before = all().len();
    work();
    let of_requests = |statement: &&String| {
        let read_revocations = statement.starts_with("SELECT") && statement.contains("revocations");
        !read_revocations
            && !statement.starts_with("SELECT 1")
            && !statement.contains("PRAGMA")
            && !statement.starts_with("SET ")
    };
    let verb = |statement: &String| statement.split_whitespace().next().unwrap().to_owned();
    all()
        .iter()
        .skip(before)
        .filter(of_requests)
        .map(verb)
        .collect()
}

fn each_request_sends_what_it_must_and_nothing_else(on: Backend) {
    let app = recorded_app(on);
    let mut ada = app.bearer();
    assert_eq!(sent(&app, || app.bearer()), ["SELECT", "INSERT"], "login");
    assert_eq!(sent(&app, || ada.get("/protected")), [""; 0], "protected");
    assert_eq!(
        sent(&app, || ada = ada.refreshed()),
        ["SELECT", "UPDATE"],
        "refresh"
    );
    assert_eq!(
        sent(&app, || ada.refreshed()),
        ["SELECT", "UPDATE"],
        "the first presentation of a successor"
    );
    assert_eq!(sent(&app, || ada.refreshed()), ["SELECT"], "again");
    let mut browser = app.browser();
    assert_eq!(sent(&app, || browser.get("/")), [""; 0], "page");
    app.advance(Duration::from_secs(1800));
    assert_eq!(
        sent(&app, || browser.get("/protected")),
        ["UPDATE", "SELECT"],
        "reissue"
    );
    assert_eq!(
        sent(&app, || browser.post("/logout")),
        ["BEGIN", "UPDATE", "INSERT", "COMMIT"],
        "logout"
    );
}

fn a_hundred_refreshes_add_no_row(on: Backend) {
    let app = on.app().with_ada();
    let mut ada = app.bearer();
    for _ in 0..100 {
        app.advance(Duration::from_secs(68));
        ada = ada.refreshed();
    }
    let store = app.other_store();
    let id = crate::support::jwt::claims(&ada.access)["sub"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(block_on(store.list(&id)).unwrap().len(), 1);
}

on_both_databases!(
    each_request_sends_what_it_must_and_nothing_else,
    a_hundred_refreshes_add_no_row
);
