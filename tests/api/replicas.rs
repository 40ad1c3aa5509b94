//! Tests two servers with one database and secret and different clocks. A browser's tabs reach
//! either at random.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Barrier, Mutex};
use std::time::Duration;

use tokenpair::clock::Clock;

use crate::support::{Backend, Database, Jar, START, Tabs, TestApp, within};

const TABS: usize = 4;
const CYCLES: i64 = 16;

/// The maximum difference of two clocks: less than an eighth of the window.
const APART: Duration = Duration::from_secs(7);
const SETTINGS: [(&str, &str); 1] = [("JWT_DECODE_LEEWAY", "10s")];

/// Returns one of the two at random, the same in each run.
fn either(replicas: &[TestApp; 2], exchange: impl Hash) -> &TestApp {
    let mut hasher = DefaultHasher::new();
    exchange.hash(&mut hasher);
    &replicas[usize::from(hasher.finish() % 2 == 1)]
}

/// Refreshes and works in all tabs at once. Returns the jar of each tab after each exchange.
fn a_cycle(number: i64, tabs: &Tabs, replicas: &[TestApp; 2]) -> Vec<Jar> {
    let jars = Mutex::new(Vec::new());
    let together = Barrier::new(TABS);
    let (jars_so_far, together) = (&jars, &together);
    std::thread::scope(|scope| {
        for tab in 0..TABS {
            scope.spawn(move || {
                together.wait();
                for exchange in 0..4 {
                    let server = either(replicas, (number, tab, exchange, "refresh")).address();
                    let refreshed = tabs.refresh(server).unwrap();
                    assert_eq!(refreshed.status, 200, "{refreshed:?}");
                    let server = either(replicas, (number, tab, exchange, "protected")).address();
                    let page = tabs.protected(server).unwrap();
                    assert_eq!(page.status, 200, "{page:?}");
                    jars_so_far.lock().unwrap().push(tabs.jar());
                }
            });
        }
    });
    jars.into_inner().unwrap()
}

/// Returns the statuses of an access token and a refresh token there.
fn opens(app: &TestApp, jar: &Jar) -> [u16; 2] {
    let access = jar.value("access_token_cookie");
    let refresh = jar.value("refresh_token_cookie");
    [
        app.get("/protected").bearer(access).send().status,
        app.post("/refresh").bearer(refresh).send().status,
    ]
}

fn tabs_that_reach_either_of_two_replicas_stay_logged_in_until_they_log_out_of_both(on: Backend) {
    let database = Database::create(on);
    let first = TestApp::start(&database.url(), &SETTINGS, Clock::fixed(START)).with_ada();
    let ahead = Clock::fixed(START + APART);
    let second = TestApp::start(&database.url(), &SETTINGS, ahead);
    let replicas = [first, second];
    let tabs = Tabs::log_in(replicas[0].address());

    let mut jars = Vec::new();
    for number in 1..=CYCLES {
        jars = a_cycle(number, &tabs, &replicas);
        let generations = database.numbers("SELECT generation AS n FROM sessions");
        assert_eq!(
            generations,
            [1 + number],
            "one successor, for all tabs at both"
        );
        let successors: BTreeSet<&str> = jars
            .iter()
            .map(|jar| jar.value("refresh_token_cookie"))
            .collect();
        assert_eq!(successors.len(), 1, "to the letter: {successors:?}");
        let alive = |jar: &Jar| replicas.iter().all(|app| opens(app, jar) == [200, 200]);
        assert!(jars.iter().all(alive));
        replicas
            .iter()
            .for_each(|app| app.advance(Duration::from_secs(15 * 60)));
    }

    let csrf = tabs.jar().value("csrf_access_token").to_owned();
    let logout = replicas[0].post("/logout").header("X-CSRF-TOKEN", csrf);
    assert_eq!(tabs.jar().fill(logout).send().status, 200);
    let refused = |app: &TestApp| jars.iter().all(|jar| opens(app, jar) == [401, 401]);
    assert!(refused(&replicas[0]), "at once where it happened");
    within(20, "the other hears of it", || refused(&replicas[1]));
}

fn a_replica_accepts_new_tokens_of_one_whose_clock_is_five_seconds_ahead_and_never_expired_ones(
    on: Backend,
) {
    let database = Database::create(on);
    let behind = TestApp::start(&database.url(), &[], Clock::fixed(START)).with_ada();
    let clock = Clock::fixed(START + Duration::from_secs(5));
    let ahead = TestApp::start(&database.url(), &[], clock);
    let login = ahead.bearer();
    for _ in 0..2 {
        let answer = behind.get("/protected").bearer(&login.access).send();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let refreshed = behind.post("/refresh").bearer(&login.refresh).send();
    assert_eq!(refreshed.status, 200, "{refreshed:?}");

    ahead.advance(Duration::from_secs(1));
    let later = ahead.bearer();
    behind
        .get("/protected")
        .bearer(&later.access)
        .send()
        .refused(
            422,
            "token_not_yet_valid",
            "The token is not yet valid (iat)",
        );

    // The same second by its clock and by the other's.
    behind.advance(Duration::from_secs(3604));
    let last = behind.get("/protected").bearer(&login.access).send();
    assert_eq!(last.status, 200, "{last:?}");
    behind.advance(Duration::from_secs(1));
    behind
        .get("/protected")
        .bearer(&login.access)
        .send()
        .refused(401, "token_expired", "Token has expired");
}

on_both_databases!(
    a_replica_accepts_new_tokens_of_one_whose_clock_is_five_seconds_ahead_and_never_expired_ones,
    tabs_that_reach_either_of_two_replicas_stay_logged_in_until_they_log_out_of_both,
);
