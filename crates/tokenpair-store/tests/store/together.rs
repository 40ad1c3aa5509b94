//! Tests work that is queued for SQLite's writer at the same time: one commit, and a result for
//! each job.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use diesel::connection::{
    Instrumentation, InstrumentationEvent, SimpleConnection, set_default_instrumentation,
};
use diesel::{Connection, SqliteConnection};
use futures_util::future::{join, join_all};
use tokenpair::clock::Timestamp;
use tokenpair::session::RequestContext;
use tokenpair_store::password::PasswordHash;
use tokenpair_store::{
    DatabaseUrl, DieselStore, EventQuery, NewUser, StorePolicy, UserError, Username,
};

use crate::database::{Backend, Database};

/// The number of commits to each database.
static COMMITS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

/// One for each connection; it learns its database when the connection is opened.
#[derive(Default)]
struct Counter(String);

impl Instrumentation for Counter {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => {
                url.clone_into(&mut self.0)
            }
            InstrumentationEvent::CommitTransaction { depth, .. } if depth.get() == 1 => {
                let mut commits = COMMITS.lock().unwrap_or_else(PoisonError::into_inner);
                *commits.entry(self.0.clone()).or_default() += 1;
            }
            _ => {}
        }
    }
}

fn new_user(name: &str) -> NewUser {
    NewUser {
        username: Username::parse(name).unwrap(),
        password_hash: PasswordHash::from_text("$2b$".to_owned()),
        roles: Vec::new(),
    }
}

#[actix_web::test]
async fn what_is_queued_together_is_committed_together_and_answered_each_for_itself() {
    set_default_instrumentation(|| Some(Box::<Counter>::default())).unwrap();
    let database = Database::create(Backend::Sqlite);
    let url = database.url();
    let file = url.trim_start_matches("sqlite://");
    let policy = StorePolicy {
        wait: std::time::Duration::from_secs(60),
        ..StorePolicy::default()
    };
    let store = DieselStore::open(&DatabaseUrl::parse(&url).unwrap(), policy).unwrap();
    store.migrate().unwrap();
    let commits = || COMMITS.lock().unwrap_or_else(PoisonError::into_inner)[file];

    // All wait for another connection, which lets them write once the last of them is queued.
    let mut other = SqliteConnection::establish(file).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON users WHEN NEW.username = 'nobody' \
                  BEGIN SELECT RAISE(ABORT, 'nobody has this name'); END";
    other.batch_execute(refuse).unwrap();
    let before = commits();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let context = RequestContext::at(Timestamp::from_unix(1_800_000_000));
    let names = ["ada", "grace", "ADA", "joan", "radia", "Joan", "barbara"];
    let created = join_all(names.map(|name| store.create_user(new_user(name), &context)));
    let refused = store.create_user(new_user("nobody"), &context);
    let release = async { other.batch_execute("COMMIT").unwrap() };
    let ((created, refused), ()) = join(join(created, refused), release).await;

    assert!(matches!(refused, Err(UserError::Store(_))), "{refused:?}");
    let taken = created
        .iter()
        .map(|made| matches!(made, Err(UserError::Taken)));
    assert!(taken.eq([false, false, true, false, false, true, false]));
    assert_eq!(created.iter().filter(|made| made.is_ok()).count(), 5);
    assert_eq!(store.users().await.unwrap().len(), 5);
    let query = EventQuery {
        kind: None,
        user_id: None,
        before: None,
        limit: 100,
    };
    let events = store.events(query).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["user_created"; 5], "the failed job left nothing");
    let count = commits() - before;
    assert!((1..=2).contains(&count), "{count} commits");
}

#[test]
fn a_new_file_is_opened_once_another_program_has_written_to_it() {
    let database = Database::create(Backend::Sqlite);
    let url = database.url();
    let mut other = SqliteConnection::establish(url.trim_start_matches("sqlite://")).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let open = || DieselStore::open(&DatabaseUrl::parse(&url).unwrap(), StorePolicy::default());
        let opened = scope.spawn(open);
        std::thread::sleep(std::time::Duration::from_millis(100));
        other.batch_execute("COMMIT").unwrap();
        opened.join().unwrap().unwrap();
    });
}
