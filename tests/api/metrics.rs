//! Tests the metrics: what each number counts, and how the address that Prometheus scrapes answers.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::admin::{log_in, patch, register, with_root_on};
use crate::support::jwt::{claims, signed};
use crate::support::{ADA, Backend, START, TestApp, within};

/// A free port of its own.
const ON: (&str, &str) = ("METRICS_BIND", "127.0.0.1:0");

/// Past the rotation window.
const QUIET: Duration = Duration::from_secs(68);

/// A scrape: the samples of all series.
pub(crate) struct Scrape(String);

impl Scrape {
    pub(crate) fn of(app: &TestApp) -> Self {
        let (status, head, body) = ask(scraped(app), "/metrics", "Accept: text/plain");
        assert_eq!(status, "200", "{head}");
        Self(body)
    }

    /// Returns the value of the series with these labels, written as in PromQL.
    fn value(&self, series: &str) -> Option<f64> {
        let mut samples = self.samples();
        let (_, value) = samples.find(|(sample, _)| *sample == series)?;
        Some(value.parse().unwrap())
    }

    fn samples(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.rsplit_once(' ').unwrap())
    }

    #[track_caller]
    fn is(&self, series: &str, value: f64) {
        assert_eq!(self.value(series), Some(value), "{series}\n{}", self.0);
    }

    /// Returns the values of one label of a metric whose count is not zero.
    pub(crate) fn counted(&self, metric: &str) -> BTreeSet<(String, u64)> {
        let of_metric = self.samples().filter_map(|(series, value)| {
            let labels = series.strip_prefix(metric)?.strip_prefix('{')?;
            let value: f64 = value.parse().unwrap();
            let word = labels.split('"').nth(1)?;
            (value > 0.0).then(|| (word.to_owned(), value as u64))
        });
        of_metric.collect()
    }
}

#[track_caller]
fn counts(app: &TestApp, metric: &str, expected: &[(&str, u64)]) {
    let counted = Scrape::of(app).counted(metric);
    let expected = expected
        .iter()
        .map(|(word, count)| ((*word).to_owned(), *count));
    assert_eq!(counted, expected.collect(), "{metric}");
}

fn scraped(app: &TestApp) -> SocketAddr {
    app.metrics().expect("metrics are on")
}

/// Sends a `GET` and returns the status, the head and the body of the response.
fn ask(server: SocketAddr, path: &str, header: &str) -> (String, String, String) {
    asked(server, &format!("GET {path}"), header)
}

fn asked(server: SocketAddr, line: &str, header: &str) -> (String, String, String) {
    let mut stream = TcpStream::connect(server).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let head = format!("{line} HTTP/1.1\r\nHost: x\r\n{header}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().to_owned();
    (status, head.to_lowercase(), body.to_owned())
}

fn on(backend: Backend) -> TestApp {
    backend.app_with(&[ON]).with_ada()
}

fn without_an_address_there_are_no_metrics(backend: Backend) {
    let app = backend.app();
    assert_eq!(app.metrics(), None);
    assert_eq!(app.get("/metrics").send().status, 404);
    let app = on(backend);
    assert_eq!(
        app.get("/metrics").send().status,
        404,
        "not with the routes"
    );
}

fn requests_are_counted_by_the_matched_route_and_nothing_of_the_client(backend: Backend) {
    let app = on(backend);
    let ada = app.bearer();
    for _ in 0..3 {
        assert_eq!(ada.get("/protected").status, 200);
    }
    app.get("/protected").send();
    app.request("DELETE", "/sessions/not-a-session")
        .bearer(&ada.access)
        .send();
    app.request("LAUNCH", "/protected").send();
    app.get("/no-such-path/with-an-id").send();
    let scrape = Scrape::of(&app);
    let count = |method, route, status| {
        format!(
            "http_server_request_duration_seconds_count{{http_request_method=\"{method}\",http_route=\"{route}\",\
             http_response_status_code=\"{status}\"}}"
        )
    };
    scrape.is(&count("GET", "/protected", 200), 3.0);
    scrape.is(&count("GET", "/protected", 401), 1.0);
    scrape.is(&count("DELETE", "/sessions/{id}", 404), 1.0);
    scrape.is(&count("_OTHER", "/protected", 405), 1.0);
    scrape.is(&count("GET", "(unmatched)", 404), 1.0);
    scrape.is(&count("POST", "/register", 201), 1.0);
    let bucket = count("GET", "/protected", 200)
        .replace("_count", "_bucket")
        .replace('}', ",le=\"+Inf\"}");
    scrape.is(&bucket, 3.0);
    assert!(scrape.value(&count("GET", "/protected", 200).replace("_count", "_sum")) > Some(0.0));
    scrape.is(
        "http_server_active_requests{http_request_method=\"GET\"}",
        0.0,
    );
    for told in ["ada", "not-a-session", "with-an-id", "LAUNCH", "127.0.0.1"] {
        assert!(!scrape.0.contains(told), "{told}\n{}", scrape.0);
    }
}

fn a_request_in_progress_is_active(backend: Backend) {
    let app = on(backend);
    let body = json!({ "username": ADA.0, "password": ADA.1 });
    let held = crate::support::Held::send(&app, "POST", "/login", "", &body);
    let active = "http_server_active_requests{http_request_method=\"POST\"}";
    Scrape::of(&app).is(active, 1.0);
    assert_eq!(held.finish().0, 200);
    within(10, "no request is active", || {
        Scrape::of(&app).value(active) == Some(0.0)
    });
}

/// Every route has the series of its own pattern, and no other label appears.
fn every_route_is_counted_under_its_own_pattern(backend: Backend) {
    let app = on(backend);
    let described = app.get("/openapi.json").send().json();
    let mut patterns = BTreeSet::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        patterns.insert(path.clone());
        for method in item.as_object().unwrap().keys() {
            let asked = path.replace("{id}", "some");
            let _any = app.request(&method.to_uppercase(), &asked).try_send();
        }
    }
    let scrape = Scrape::of(&app);
    let routes: BTreeSet<String> = scrape
        .samples()
        .filter_map(|(series, _)| series.split("http_route=\"").nth(1))
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect();
    assert_eq!(routes, patterns);
}

fn each_refresh_counts_once_under_the_case_of_the_rotation_rule(backend: Backend) {
    let app = on(backend);
    let refresh = "tokenpair_refresh_total";
    counts(&app, refresh, &[]);
    let first = app.bearer();
    let second = first.refreshed();
    counts(&app, refresh, &[("rotated", 1)]);
    second.refreshed();
    counts(&app, refresh, &[("rotated", 1), ("repeated", 1)]);
    first.refreshed();
    counts(
        &app,
        refresh,
        &[("rotated", 1), ("repeated", 1), ("same", 1)],
    );
    // The response with the third token is lost.
    app.advance(QUIET);
    second.refreshed();
    app.advance(QUIET);
    second.refreshed();
    let all = [
        ("rotated", 2),
        ("repeated", 1),
        ("same", 1),
        ("recovered", 1),
    ];
    counts(&app, refresh, &all);
    // Long out of date: only a copy explains it.
    assert_eq!(first.try_refresh().status, 401);
    assert_eq!(second.try_refresh().status, 401);
    let all = [&all[..], &[("reused", 1), ("ended", 1)]].concat();
    counts(&app, refresh, &all);
    // The database lost a commit, so that the tokens before it are unknown.
    let fourth = app.bearer();
    let mut ahead = claims(&fourth.refresh);
    ahead.insert("gen".to_owned(), json!(4));
    let ahead = app.post("/refresh").bearer(&signed(&ahead)).send();
    assert_eq!(ahead.status, 200);
    assert_eq!(fourth.try_refresh().status, 401);
    let all = [&all[..], &[("forward", 1), ("superseded", 1)]].concat();
    counts(&app, refresh, &all);
    let events = Scrape::of(&app).counted("tokenpair_audit_events_total");
    for kind in [
        "refresh_recovered",
        "refresh_token_reused",
        "refresh_forward",
    ] {
        assert!(events.contains(&(kind.to_owned(), 1)), "{events:?}");
    }
}

fn logins_are_counted_by_outcome_alike_for_known_and_unknown_names(backend: Backend) {
    let app = on(backend);
    let logins = "tokenpair_logins_total";
    let log_in = |name: &str, password: &str| {
        let body = json!({ "username": name, "password": password });
        app.post("/login").json(body).send().status
    };
    assert_eq!(log_in(ADA.0, ADA.1), 200);
    assert_eq!(log_in(ADA.0, "wrong"), 401);
    assert_eq!(log_in("nobody", "wrong"), 401);
    counts(&app, logins, &[("granted", 1), ("bad_credentials", 2)]);
    counts(&app, "tokenpair_throttled_total", &[]);
    let refused = std::iter::repeat_with(|| log_in("nobody", "wrong"));
    let before = refused.take_while(|status| *status != 429).count() as u64;
    let expected = [
        ("granted", 1),
        ("bad_credentials", 2 + before),
        ("throttled", 1),
    ];
    counts(&app, logins, &expected);
    counts(&app, "tokenpair_throttled_total", &[("login", 1)]);
    let codes = [("bad_credentials", 2 + before), ("too_many_attempts", 1)];
    counts(&app, "tokenpair_rejections_total", &codes);
}

fn each_rejection_counts_under_its_code(backend: Backend) {
    let app = on(backend);
    app.get("/protected").send();
    app.get("/protected").bearer("malformed").send();
    app.get("/nowhere").send();
    // A browser gets a page, whose error counts all the same.
    app.get("/nowhere")
        .header("Accept", "text/html")
        .header("Sec-Fetch-Mode", "navigate")
        .send();
    app.post("/login").body("application/json", "{").send();
    let expected = [
        ("missing_token", 1),
        ("token_malformed", 1),
        ("not_found", 2),
        ("malformed_json", 1),
    ];
    let scrape = Scrape::of(&app);
    let codes = scrape.counted("tokenpair_rejections_total");
    for (code, count) in expected {
        let count = (code.to_owned(), count);
        assert!(
            code == "token_malformed" || codes.contains(&count),
            "{codes:?}"
        );
    }
    assert_eq!(
        codes.iter().map(|(_, count)| count).sum::<u64>(),
        5,
        "{codes:?}"
    );
}

fn a_reissue_counts_and_so_does_one_that_is_refused(backend: Backend) {
    let app = on(backend);
    let mut browser = app.browser();
    browser.get("/protected");
    counts(&app, "tokenpair_reissues_total", &[]);
    app.advance(Duration::from_secs(1800));
    let before = browser.clone();
    assert_eq!(browser.get("/protected").status, 200);
    counts(&app, "tokenpair_reissues_total", &[("granted", 1)]);
    // Another server's commit is ahead of this row.
    let mut ahead = claims(before.value("refresh_token_cookie"));
    ahead.insert("gen".to_owned(), json!(3));
    let cookies = format!(
        "access_token_cookie={}; refresh_token_cookie={}",
        before.value("access_token_cookie"),
        signed(&ahead)
    );
    assert_eq!(app.get("/protected").cookie(&cookies).send().status, 200);
    counts(
        &app,
        "tokenpair_reissues_total",
        &[("granted", 1), ("refused", 1)],
    );
}

fn audit_events_count_once_they_are_committed(backend: Backend) {
    let (app, _) = with_root_on(backend.app_with(&[ON]));
    let root = log_in(&app, "root");
    let id = register(&app, "ada");
    let tablets: Vec<_> = (0..3).map(|_| log_in(&app, "ada")).collect();
    assert_eq!(
        patch(&app, &root, &id, json!({ "roles": ["admin"] })).status,
        200
    );
    let events = "tokenpair_audit_events_total";
    // The operator promoted root by another store, as a command does.
    let expected = [
        ("user_created", 2),
        ("login", 4),
        ("roles_changed", 1),
        ("admin_granted", 1),
    ];
    counts(&app, events, &expected);
    // A change that is refused writes nothing.
    assert_eq!(
        patch(&app, &root, "nobody", json!({ "disabled": true })).status,
        404
    );
    counts(&app, events, &expected);
    let ended = app
        .request("DELETE", &format!("/admin/users/{id}/sessions"))
        .bearer(&root.access)
        .send();
    assert_eq!(ended.status, 200);
    let expected = [&expected[..], &[("session_revoked", tablets.len() as u64)]].concat();
    counts(&app, events, &expected);
}

fn the_state_of_the_server_has_its_gauges(backend: Backend) {
    let app = on(backend);
    let ada = app.bearer();
    assert_eq!(app.post("/logout").bearer(&ada.access).send().status, 200);
    let scrape = Scrape::of(&app);
    scrape.is("tokenpair_revocations", 1.0);
    // The clock of the test does not move, and the server read them at its start.
    scrape.is("tokenpair_revocation_age_seconds", 0.0);
    scrape.is("tokenpair_password_queue_length", 0.0);
    assert!(scrape.value("tokenpair_password_queue_capacity") > Some(0.0));
    scrape.is("tokenpair_password_refused_total", 0.0);
    // A registration and a login.
    scrape.is("tokenpair_password_queue_wait_seconds_count", 2.0);
    let (pools, database) = match backend {
        Backend::Sqlite => (vec![("readers", 4.0), ("writer", 1.0)], "sqlite"),
        Backend::Postgres => (vec![("shared", 4.0)], "postgresql"),
    };
    for (pool, size) in pools {
        scrape.is(
            &format!("tokenpair_database_connections{{pool=\"{pool}\"}}"),
            size,
        );
        let waits = format!("tokenpair_database_wait_seconds_count{{pool=\"{pool}\"}}");
        assert!(scrape.value(&waits) > Some(0.0), "{waits}");
    }
    let version = env!("CARGO_PKG_VERSION");
    scrape.is(
        &format!("tokenpair_build_info{{version=\"{version}\",database=\"{database}\"}}"),
        1.0,
    );
    for number in [
        "cpu_seconds_total",
        "resident_memory_bytes",
        "open_fds",
        "max_fds",
    ] {
        assert!(
            scrape.value(&format!("process_{number}")) > Some(0.0),
            "{number}"
        );
    }
    let started = scrape.value("process_start_time_seconds").unwrap();
    assert!(started > 1.7e9, "{started}");
}

fn active_sessions_are_counted_at_the_start(backend: Backend) {
    let database = crate::support::Database::create(backend);
    let app =
        TestApp::start(&database.url(), &[], tokenpair::clock::Clock::fixed(START)).with_ada();
    let [first, ..] = [(); 3].map(|()| app.bearer());
    app.post("/logout").bearer(&first.access).send();
    drop(first);
    drop(app);
    let replica = TestApp::start(
        &database.url(),
        &[ON],
        tokenpair::clock::Clock::fixed(START),
    );
    within(10, "the sessions are counted", || {
        Scrape::of(&replica).value("tokenpair_sessions_active") == Some(2.0)
    });
    drop(replica);
}

fn openmetrics_is_written_for_those_who_prefer_it(backend: Backend) {
    let app = on(backend);
    let server = scraped(&app);
    let (status, head, body) = ask(server, "/metrics", "Accept: */*");
    assert_eq!(status, "200");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{head}"
    );
    assert!(
        body.contains("# TYPE tokenpair_logins_total counter"),
        "{body}"
    );
    let prometheus = "Accept: application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    let (_, head, body) = ask(server, "/metrics", prometheus);
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert!(body.ends_with("# EOF\n"), "{body}");
    let (_, head, _) = ask(
        server,
        "/metrics",
        "Accept: text/plain, application/openmetrics-text;q=0.5",
    );
    assert!(head.contains("content-type: text/plain"), "{head}");
}

fn the_address_of_the_metrics_has_nothing_else(backend: Backend) {
    let app = on(backend);
    let server = scraped(&app);
    for path in ["/", "/login", "/protected", "/health/ready", "/metrics/"] {
        let (status, head, body) = ask(server, path, "Accept: */*");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status.as_str(), &body["code"]),
            ("404", &json!("not_found")),
            "{path}"
        );
        assert!(head.contains("content-type: application/json"), "{head}");
    }
    let (status, head, body) = asked(server, "POST /metrics", "Content-Length: 0");
    assert_eq!(status, "405", "{body}");
    assert!(head.contains("allow: get, head, options"), "{head}");
    let (status, _, body) = asked(server, "HEAD /metrics", "Accept: */*");
    assert_eq!((status.as_str(), body.as_str()), ("200", ""));
}

/// More than may be connected at once: some that send nothing, some that read nothing.
fn slow_clients_do_not_keep_prometheus_waiting(backend: Backend) {
    let app = on(backend);
    let server = scraped(&app);
    let mut slow = Vec::new();
    for number in 0..80 {
        let mut stream = TcpStream::connect(server).unwrap();
        let sent: &[u8] = if number % 2 == 0 {
            b"GET /met"
        } else {
            b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
        };
        stream.write_all(sent).unwrap();
        slow.push(stream);
    }
    Scrape::of(&app).is("tokenpair_logins_total{outcome=\"granted\"}", 0.0);
    // Neither are the clients of the server.
    assert_eq!(app.get("/health/ready").send().status, 200);
    drop(slow);
}

on_both_databases!(
    without_an_address_there_are_no_metrics,
    requests_are_counted_by_the_matched_route_and_nothing_of_the_client,
    a_request_in_progress_is_active,
    every_route_is_counted_under_its_own_pattern,
    each_refresh_counts_once_under_the_case_of_the_rotation_rule,
    logins_are_counted_by_outcome_alike_for_known_and_unknown_names,
    each_rejection_counts_under_its_code,
    a_reissue_counts_and_so_does_one_that_is_refused,
    audit_events_count_once_they_are_committed,
    the_state_of_the_server_has_its_gauges,
    active_sessions_are_counted_at_the_start,
    openmetrics_is_written_for_those_who_prefer_it,
    the_address_of_the_metrics_has_nothing_else,
    slow_clients_do_not_keep_prometheus_waiting,
);
