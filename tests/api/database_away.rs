//! Tests an unavailable PostgreSQL and a broken database: sessions and `/protected` keep working,
//! the server recovers by itself, and responses do not reveal the cause.

use std::time::{Duration, Instant};

use serde_json::json;
use tokenpair::clock::Clock;
use tokenpair_store::StorePolicy;
use url::Url;

use crate::page::says;
use crate::races::at_once;
use crate::support::{
    ADA, Backend, Bearer, Cluster, Database, Request, START, Tabs, TestApp, Wire, as_superuser,
    unavailable, within,
};

/// Makes this test's database unavailable until dropped.
pub(crate) struct Away<'a>(&'a str);

impl<'a> Away<'a> {
    pub(crate) fn from(app: &'a TestApp) -> Self {
        let Database::Postgres(name) = app.database() else {
            panic!("a PostgreSQL database")
        };
        as_superuser(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
        as_superuser(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ));
        Self(name)
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        as_superuser(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.0));
    }
}

fn wait_until_ready(app: &TestApp) {
    within(60, "the server heals", || {
        app.get("/health/ready").send().status == 200
    });
}

#[test]
fn with_the_database_away_nobody_is_logged_out_and_with_it_back_all_goes_on() {
    let app = Backend::Postgres.app().with_ada();
    let (ada, mut browser) = (app.bearer(), app.browser());
    let away = Away::from(&app);

    assert_eq!(ada.get("/protected").status, 200, "asks no database");
    assert_eq!(app.get("/health/live").send().status, 200);
    unavailable(&app.get("/health/ready").send());
    unavailable(&ada.try_refresh());
    unavailable(&browser.refresh());
    unavailable(&browser.get("/account"));
    unavailable(&browser.post("/logout"));
    unavailable(
        &app.post("/login")
            .json(json!({ "username": ADA.0, "password": ADA.1 }))
            .send(),
    );
    app.advance(Duration::from_secs(1800));
    let late = browser.get("/protected");
    assert_eq!(
        (late.status, late.cookies().len()),
        (200, 0),
        "no reissue, and the response goes out as it is"
    );

    drop(away);
    wait_until_ready(&app);
    assert_eq!(browser.refresh().status, 200);
    assert_eq!(ada.try_refresh().status, 200);
    assert_eq!(browser.post("/logout").status, 200);
}

#[test]
fn with_the_database_away_a_browser_gets_a_page_that_says_so() {
    let app = Backend::Postgres.app().with_ada();
    let mut browser = app.browser();
    let away = Away::from(&app);
    let navigation = |request: Request| {
        request
            .header("Accept", "text/html,*/*;q=0.8")
            .header("Sec-Fetch-Site", "same-origin")
            .header("Sec-Fetch-Mode", "navigate")
    };
    let form = format!("username={}&password=correct+horse+battery", ADA.0);
    let login = navigation(app.post("/login")).form(&form).send();
    says(&login, 503, "Temporarily unavailable");
    assert!(login.body.contains("<form") && login.body.contains("Try again in 1 second."));
    assert_eq!(login.header("retry-after"), Some("1"));
    let logout = browser.send(navigation(app.get("/logout")));
    says(&logout, 503, "Temporarily unavailable");
    let account = browser.send(navigation(app.get("/account")));
    says(&account, 503, "Temporarily unavailable");
    app.advance(Duration::from_secs(7200));
    let page = browser.send(navigation(app.get("/")));
    says(&page, 503, "Temporarily unavailable");
    assert!(
        !page.body.contains("<form"),
        "who is logged in need not log in again"
    );
    for response in [logout, account, page] {
        assert!(response.cookies().is_empty(), "nobody is logged out");
    }
    drop(away);
    wait_until_ready(&app);
    says(&browser.send(navigation(app.get("/"))), 200, "Hello, ada.");
}

/// The server's connections are dead then, but a new one works.
#[test]
fn after_a_restart_of_postgresql_the_first_requests_are_answered_already() {
    let app = Backend::Postgres.app().with_ada();
    let (ada, mut browser) = (app.bearer(), app.browser());
    let restart = || {
        let many = at_once(20, |_| ada.get("/account"));
        assert!(many.iter().all(|answer| answer.status == 200), "{many:?}");
        drop(Away::from(&app));
    };
    restart();
    assert_eq!(browser.refresh().status, 200, "begins by reading");
    restart();
    app.advance(Duration::from_secs(1800));
    let reissued = browser.get("/protected").cookies().len();
    assert_eq!(reissued, 2, "reads and writes on one connection");
    restart();
    assert_eq!(browser.post("/logout").status, 200, "begins a transaction");
}

#[test]
fn past_the_limit_what_may_have_been_revoked_is_refused_and_nobody_is_logged_out() {
    let app = Backend::Postgres
        .app_with(&[("REVOCATION_STALE_LIMIT", "30s")])
        .with_ada();
    let mut browser = app.browser();
    let away = Away::from(&app);
    app.advance(Duration::from_secs(30));
    assert_eq!(browser.get("/protected").status, 200);
    app.advance(Duration::from_secs(1));
    unavailable(&browser.get("/protected"));

    drop(away);
    wait_until_ready(&app);
    assert_eq!(browser.get("/protected").status, 200);
}

/// Returns the URL of one database with the wires as hosts, in this order.
fn through(wires: &[&Wire], database: &Database) -> String {
    let url = Url::parse(&database.url()).unwrap();
    let hosts: Vec<String> = wires.iter().map(|wire| wire.address.to_string()).collect();
    format!(
        "postgres://{}@{}{}",
        url.username(),
        hosts.join(","),
        url.path()
    )
}

fn wire_to(database: &Database) -> Wire {
    let url = Url::parse(&database.url()).unwrap();
    Wire::to(url.socket_addrs(|| Some(5432)).unwrap()[0])
}

#[test]
fn a_database_that_says_nothing_any_more_makes_nobody_wait_for_long() {
    let database = Database::create(Backend::Postgres);
    let wire = wire_to(&database);
    let url = through(&[&wire], &database);
    let app = TestApp::start(&url, &[], Clock::fixed(START)).with_ada();
    let ada = app.bearer();
    wire.hold(true);
    assert_eq!(ada.get("/protected").status, 200);
    for answer in [app.get("/health/ready").send(), ada.try_refresh()] {
        unavailable(&answer);
    }
    wire.hold(false);
    wait_until_ready(&app);
    // The refresh may have succeeded although the response was an error: the same token still
    // works.
    assert_eq!(ada.try_refresh().status, 200);
}

/// The system of a hanging process still accepts connections and acknowledges data, so only the
/// missing response shows the hang.
#[test]
fn a_primary_that_hangs_is_left_for_the_next_host_within_three_times_database_wait() {
    let database = Database::create(Backend::Postgres);
    let (primary, promoted) = (wire_to(&database), wire_to(&database));
    let url = through(&[&primary, &promoted], &database);
    let app = TestApp::start(&url, &[], Clock::fixed(START)).with_ada();
    let ada = app.bearer();
    let busy = at_once(20, |_| ada.get("/account"));
    assert!(busy.iter().all(|answer| answer.status == 200), "{busy:?}");

    primary.hold(true);
    let hung = Instant::now();
    until_a_refresh_of(&ada, 503);
    until_a_refresh_of(&ada, 200);
    let recovered = hung.elapsed();
    assert!(recovered < 3 * StorePolicy::default().wait, "{recovered:?}");
    // All existing connections were to the hanging host, and new ones avoid it.
    let tried = primary.connections();
    let all = at_once(20, |_| ada.get("/account"));
    assert!(all.iter().all(|answer| answer.status == 200), "{all:?}");
    assert_eq!(primary.connections(), tried);
    assert_eq!(app.get("/health/ready").send().status, 200);
}

fn until_a_refresh_of(ada: &Bearer<'_>, status: u16) {
    within(60, "a refresh has the status", || {
        let refreshed = ada.try_refresh();
        if refreshed.status != 200 {
            unavailable(&refreshed);
        }
        refreshed.status == status
    });
}

/// Refreshes and works until PostgreSQL is seen unavailable or back; `/protected` always works.
fn until_a_refresh_is(status: u16, tabs: &Tabs, app: &TestApp) {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        assert_eq!(tabs.protected(app.address()).unwrap().status, 200);
        let refreshed = tabs.refresh(app.address()).unwrap();
        match refreshed.status {
            200 => {}
            _ => unavailable(&refreshed),
        }
        if refreshed.status == status {
            return;
        }
        assert!(Instant::now() < patience, "no refresh is {status}");
    }
}

/// Runs two tabs of each browser at once, while the test changes PostgreSQL.
fn under_load(browsers: &[Tabs], tab: impl Fn(&Tabs) + Sync, meanwhile: impl FnOnce()) {
    let tab = &tab;
    std::thread::scope(|scope| {
        for tabs in browsers.iter().chain(browsers) {
            scope.spawn(move || tab(tabs));
        }
        meanwhile();
    });
}

#[test]
fn postgresql_stopped_and_started_under_load_logs_nobody_out_and_all_heals() {
    let cluster = Cluster::start();
    let app = TestApp::start(&cluster.url(), &[], Clock::fixed(START)).with_ada();
    let browsers = [(); 3].map(|()| Tabs::log_in(app.address()));
    for _ in 0..2 {
        under_load(
            &browsers,
            |tabs| until_a_refresh_is(503, tabs, &app),
            || {
                cluster.stop();
                unavailable(&app.get("/health/ready").send());
            },
        );
        // A tab whose refresh succeeded without a response retries with the previous token.
        app.advance(Duration::from_secs(600));
        under_load(
            &browsers,
            |tabs| until_a_refresh_is(200, tabs, &app),
            || cluster.start_again(),
        );
        wait_until_ready(&app);
        app.advance(Duration::from_secs(600));
    }
    for tabs in &browsers {
        until_a_refresh_is(200, tabs, &app);
        let csrf = tabs.jar().value("csrf_access_token").to_owned();
        let logout = app.post("/logout").header("X-CSRF-TOKEN", csrf);
        assert_eq!(tabs.jar().fill(logout).send().status, 200);
    }
}

/// A database's error text has names, paths and SQL in it, and belongs only in the log.
fn what_a_broken_database_says_stays_inside(on: Backend) {
    let app = on.app().with_ada();
    let (ada, mut browser) = (app.bearer(), app.browser());
    for table in ["users", "sessions", "audit_events", "throttle"] {
        let broken = format!("ALTER TABLE {table} RENAME TO out_of_the_way");
        app.database().execute(&broken);
        let login = json!({ "username": ADA.0, "password": ADA.1 });
        let register = json!({ "username": "grace", "password": "a password of hers" });
        let change = json!({ "current_password": ADA.1, "new_password": "another horse" });
        let answers = [
            app.post("/login").json(login).send(),
            app.post("/register").json(register).send(),
            ada.try_refresh(),
            ada.get("/account"),
            ada.get("/sessions"),
            app.post("/account/password")
                .bearer(&ada.access)
                .json(change)
                .send(),
            browser.post("/logout"),
        ];
        assert!(answers.iter().any(|answer| answer.status == 503), "{table}");
        for answer in answers.iter().filter(|answer| answer.status >= 500) {
            unavailable(answer);
            let said = format!("{answer:?}").to_lowercase();
            for word in [
                table, "select", "sql", "table", "column", "relation", "diesel",
            ] {
                assert!(!said.contains(word), "{word}: {answer:?}");
            }
        }
        let mended = format!("ALTER TABLE out_of_the_way RENAME TO {table}");
        app.database().execute(&mended);
        browser = app.browser();
    }
    assert_eq!(ada.get("/protected").status, 200);
}

on_both_databases!(what_a_broken_database_says_stays_inside);
