//! Kills the program repeatedly while it works. No client loses a live session.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::database::{Backend, Database};
use crate::exchange::{ADA, Response};
use crate::jar::Tabs;
use crate::support::{Program, Served, an_address_of_ones_own};
use crate::wait::within;

const KILLS: usize = 8;
const BROWSERS: usize = 8;
const TABS: usize = 3;

/// The state that the tabs of all browsers share: the server's address, and the results so far.
struct Storm<'a> {
    server: SocketAddr,
    browsers: &'a [Tabs],
    answers: AtomicUsize,
    killed: AtomicBool,
}

impl Storm<'_> {
    fn new(server: SocketAddr, browsers: &[Tabs]) -> Storm<'_> {
        Storm {
            server,
            browsers,
            answers: AtomicUsize::new(0),
            killed: AtomicBool::new(false),
        }
    }

    /// Runs all tabs of all browsers at once, and the test's own work meanwhile.
    fn while_every_tab<T>(
        &self,
        work: impl Fn(&Self, &Tabs) + Sync,
        meanwhile: impl FnOnce() -> T,
    ) -> T {
        std::thread::scope(|scope| {
            for tabs in self.browsers {
                for _ in 0..TABS {
                    scope.spawn(|| work(self, tabs));
                }
            }
            meanwhile()
        })
    }

    /// Refreshes and works until a connection drops because the server was killed.
    fn until_killed(&self, tabs: &Tabs) {
        while self.refresh(tabs).is_some() && self.work(tabs).is_some() {}
        let killed = self.killed.load(Ordering::SeqCst);
        assert!(killed, "the server drops connections");
    }

    /// Retries the dropped request with the jar's cookies until the server is back.
    fn until_served(&self, tabs: &Tabs) {
        within(60, "the server comes back", || {
            self.refresh(tabs) == Some(200) && self.work(tabs) == Some(200)
        });
    }

    fn refresh(&self, tabs: &Tabs) -> Option<u16> {
        self.seen(tabs.refresh(self.server))
    }

    fn work(&self, tabs: &Tabs) -> Option<u16> {
        self.seen(tabs.protected(self.server))
    }

    /// Returns the status, unless the connection dropped. A busy server may ask a tab to retry, but
    /// never to log in.
    fn seen(&self, answer: Result<Response, ureq::Error>) -> Option<u16> {
        let answer = answer.ok()?;
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
        self.answers.fetch_add(1, Ordering::SeqCst);
        Some(answer.status)
    }

    /// Kills the server as soon as that many responses have arrived, while other tabs wait for
    /// theirs.
    fn kill_after(&self, answers: usize, served: Served) {
        within(60, "answers come", || {
            self.answers.load(Ordering::SeqCst) >= answers
        });
        self.killed.store(true, Ordering::SeqCst);
        served.signal("-KILL");
    }
}

/// Moves all recorded refreshes an hour into the past.
fn an_hour_passes(database: &Database) {
    let earlier = "handed_at = handed_at - 3600, confirmed_at = confirmed_at - 3600";
    database.execute(&format!("UPDATE sessions SET {earlier}"));
}

fn a_server_killed_again_and_again_in_a_storm_of_refreshes_logs_nobody_out(on: Backend) {
    let database = Database::create(on);
    let server = an_address_of_ones_own();
    let program = Program::new()
        .env("SERVER_BIND", &server.to_string())
        .env("DATABASE_URL", &database.url());
    let mut served = program.serve();
    served.post(
        "/register",
        &json!({ "username": ADA.0, "password": ADA.1 }),
    );
    let browsers: Vec<Tabs> = (0..BROWSERS).map(|_| Tabs::log_in(server)).collect();

    for kill in 0..KILLS {
        let storm = Storm::new(server, &browsers);
        let answers = 1 + kill * 3 % (2 * BROWSERS);
        storm.while_every_tab(Storm::until_killed, || storm.kill_after(answers, served));
        an_hour_passes(&database);
        served = storm.while_every_tab(Storm::until_served, || program.serve());
        an_hour_passes(&database);
    }

    for tabs in &browsers {
        assert_eq!(tabs.refresh(server).unwrap().status, 200);
        assert_eq!(tabs.protected(server).unwrap().status, 200);
    }
    let generations =
        database.numbers("SELECT generation AS n FROM sessions WHERE revoked_at IS NULL");
    assert_eq!(
        generations.len(),
        BROWSERS,
        "one row for each login, and alive"
    );
    let all = database.numbers("SELECT count(*) AS n FROM sessions");
    assert_eq!(all, [i64::try_from(BROWSERS).unwrap()]);
    let least = i64::try_from(1 + KILLS).unwrap();
    assert!(
        generations.iter().all(|&generation| generation > least),
        "{generations:?}"
    );
}

on_both_databases!(a_server_killed_again_and_again_in_a_storm_of_refreshes_logs_nobody_out);
