//! Records the SQL statements that servers send, as Diesel sends them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};

use super::{Backend, TestApp, within};

/// The statements of each database, by its URL.
static SENT: Mutex<BTreeMap<String, Vec<String>>> = Mutex::new(BTreeMap::new());

/// The instrumentation of a connection. It learns its database when the connection opens.
#[derive(Default)]
struct Recorder {
    database: String,
}

impl Instrumentation for Recorder {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => {
                // Without the parameters that the store adds for libpq.
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

/// Starts a server with Ada's account, whose statements are recorded. No request causes those of the
/// purge at its start, which have ended.
pub(crate) fn recorded_app(on: Backend) -> TestApp {
    record();
    let app = on.app().with_ada();
    within(30, "the purge has ended", || {
        let is_its_last = |sent: &String| sent.starts_with("DELETE") && sent.contains("throttle");
        let sent = all_sent(&app).into_iter();
        let mut rest = sent.skip_while(|sent| !is_its_last(sent));
        rest.any(|sent| sent.starts_with("COMMIT"))
    });
    app
}

/// Records the statements of every connection made from now on.
pub(crate) fn record() {
    set_default_instrumentation(|| Some(Box::<Recorder>::default())).unwrap();
}

/// Returns all statements sent to this server's database since it was created.
pub(crate) fn all_sent(app: &TestApp) -> Vec<String> {
    let url = app.database().url();
    let sent = SENT.lock().unwrap_or_else(PoisonError::into_inner);
    let sent = sent.get(url.trim_start_matches("sqlite://"));
    sent.cloned().unwrap_or_default()
}

/// Returns the verbs of the statements sent meanwhile, except the pool's pings and set-up and the
/// revocation sync, which no request causes.
pub(crate) fn sent<T>(app: &TestApp, work: impl FnOnce() -> T) -> Vec<String> {
    let before = all_sent(app).len();
    work();
    let of_requests = |statement: &&String| {
        let read_revocations = statement.starts_with("SELECT") && statement.contains("revocations");
        !read_revocations
            && !statement.starts_with("SELECT 1")
            && !statement.contains("PRAGMA")
            && !statement.starts_with("SET ")
            && !statement.contains("current_setting(")
    };
    let verb = |statement: &String| statement.split_whitespace().next().unwrap().to_owned();
    all_sent(app)
        .iter()
        .skip(before)
        .filter(of_requests)
        .map(verb)
        .collect()
}
