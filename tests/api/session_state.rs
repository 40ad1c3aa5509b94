//! Tests `GET /session`: each state, and that it only reads.

use std::time::Duration;

use serde_json::{Value, json};

use crate::admin::{log_in, patch, register, with_root};
use crate::support::jwt::{claims, signed};
use crate::support::recorder::{recorded_app, sent};
use crate::support::{Backend, Browser, Request, START};

const APP: &str = "https://app.example.org";
const LISTED: (&str, &str) = ("SERVER_CORS_ORIGINS", APP);
const HOUR: Duration = Duration::from_secs(3600);
const MONTH: i64 = 30 * 86_400;

fn out() -> Value {
    json!({ "state": "out" })
}

/// Asks as a page would, and asserts that the response sets no cookie.
#[track_caller]
fn state(browser: &mut Browser<'_>) -> Value {
    let answer = browser.get("/session");
    assert_eq!(
        (answer.status, answer.cookies().len()),
        (200, 0),
        "{answer:?}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

fn claim(browser: &Browser<'_>, cookie: &str, name: &str) -> Value {
    claims(browser.value(cookie))[name].clone()
}

fn a_logged_in_browser_is_in_and_learns_the_times_of_its_tokens(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let wanted = json!({
        "state": "in",
        "user": { "id": claim(&browser, "access_token_cookie", "sub"), "username": "ada" },
        "session_id": claim(&browser, "access_token_cookie", "sid"),
        "fresh": true,
        "access_expires_at": START.unix() + 3600,
        "reissue_after": START.unix() + 1800,
        "refresh_expires_at": START.unix() + MONTH,
        "csrf": {
            "access": browser.value("csrf_access_token"),
            "refresh": browser.value("csrf_refresh_token"),
        },
    });
    assert_eq!(state(&mut browser), wanted);
    let listed = browser.get("/sessions").json();
    assert_eq!(listed["sessions"][0]["id"], wanted["session_id"]);
    browser.refresh();
    let after = state(&mut browser);
    assert_eq!(
        (&after["state"], &after["fresh"]),
        (&json!("in"), &json!(false))
    );
}

fn a_visitor_and_a_forger_are_out_without_an_error(on: Backend) {
    let app = on.app().with_ada();
    assert_eq!(app.get("/session").send().json(), out());
    for cookies in [
        "access_token_cookie=junk; refresh_token_cookie=x.y.z",
        "access_token_cookie=",
        "theme=dark",
    ] {
        let asked = app.get("/session").cookie(cookies).send();
        assert_eq!((asked.status, asked.json()), (200, out()), "{cookies}");
        assert!(asked.cookies().is_empty());
    }
    for token in ["junk", "x.y.z"] {
        let asked = app.get("/session").bearer(token).send();
        assert_eq!((asked.status, asked.json()), (200, out()), "{token}");
    }
}

fn with_the_refresh_token_alone_a_refresh_helps(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let sid = claim(&browser, "access_token_cookie", "sid");
    let refreshable = json!({
        "state": "refreshable",
        "session_id": sid,
        "refresh_expires_at": START.unix() + MONTH,
        "csrf": { "refresh": browser.value("csrf_refresh_token") },
    });
    // Browsers without `remember` keep sending the expired cookie.
    let mut without = browser.clone();
    app.advance(HOUR + Duration::from_secs(1));
    without.remove("access_token_cookie");
    for browser in [&mut browser, &mut without] {
        assert_eq!(state(browser), refreshable);
    }
    assert_eq!(browser.refresh().status, 200);
    assert_eq!(state(&mut browser)["state"], "in");
    app.advance(Duration::from_secs(MONTH as u64));
    assert_eq!(state(&mut browser), out());
}

fn after_a_logout_every_copy_is_out(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let mut copy = browser.clone();
    browser.post("/logout");
    assert_eq!(state(&mut browser), out());
    assert_eq!(state(&mut copy), out());
}

fn after_a_change_of_roles_a_refresh_helps(on: Backend) {
    let (app, _) = with_root(on);
    let id = register(&app, "bob");
    let mut browser = Browser::log_in(
        &app,
        json!({ "username": "bob", "password": "bob's password" }),
    );
    let changed = patch(
        &app,
        &log_in(&app, "root"),
        &id,
        json!({ "roles": ["editor"] }),
    );
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(state(&mut browser)["state"], "refreshable");
    assert_eq!(browser.refresh().status, 200);
    assert_eq!(state(&mut browser)["state"], "in");
}

fn a_program_asks_by_header_and_gets_no_csrf_value(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    let mut shown = app.get("/session").bearer(&ada.access).send().json();
    let shown = shown.as_object_mut().unwrap();
    let names: Vec<&String> = shown.keys().collect();
    let wanted = ["access_expires_at", "fresh", "session_id", "state", "user"];
    assert_eq!(
        (names, &shown["state"]),
        (wanted.map(str::to_owned).iter().collect(), &json!("in"))
    );
    let shown = app.get("/session").bearer(&ada.refresh).send().json();
    let sid = claims(&ada.refresh)["sid"].clone();
    let end = START.unix() + MONTH;
    assert_eq!(
        shown,
        json!({ "state": "refreshable", "session_id": sid, "refresh_expires_at": end })
    );
}

/// A page that asks from time to time must not keep an idle user logged in.
fn asking_renews_nothing_and_sends_no_statement(on: Backend) {
    let app = recorded_app(on);
    let mut browser = app.browser();
    for later in [0, 1801, 1800] {
        app.advance(Duration::from_secs(later));
        assert_eq!(sent(&app, || state(&mut browser)), [""; 0]);
    }
    assert_eq!(state(&mut browser)["state"], "refreshable");
}

fn a_reissue_begins_when_the_route_said(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let due = state(&mut browser)["reissue_after"].as_i64().unwrap();
    let wait = u64::try_from(due - app.now().unix()).unwrap();
    app.advance(Duration::from_secs(wait - 1));
    assert_eq!(browser.get("/protected").cookies().len(), 0);
    app.advance(Duration::from_secs(1));
    assert_eq!(state(&mut browser)["reissue_after"], due);
    assert_eq!(browser.get("/protected").cookies().len(), 2);
    assert_eq!(state(&mut browser)["reissue_after"], due + 1800);
    // Without the refresh cookie nothing is reissued.
    browser.remove("refresh_token_cookie");
    let alone = state(&mut browser);
    let [reissue, refresh] = ["reissue_after", "refresh_expires_at"].map(|name| alone.get(name));
    assert_eq!(
        (&alone["state"], reissue, refresh),
        (&json!("in"), None, None)
    );
}

fn what_the_server_cannot_know_is_a_503(on: Backend) {
    let settings = [("REVOCATION_STALE_LIMIT", "10s")];
    let app = on.app_with(&settings).with_ada();
    let ada = app.bearer();
    let mut early = claims(&ada.access);
    early.insert("nbf".to_owned(), json!(app.now().unix() + 300));
    let asked = app.get("/session").bearer(&signed(&early)).send();
    asked.refused(
        503,
        "token_not_yet_valid",
        "The token is not yet valid (nbf)",
    );
    assert!(asked.header("retry-after").is_some());
    app.database().execute("DROP TABLE revocations");
    app.advance(Duration::from_secs(11));
    let asked = app.get("/session").bearer(&ada.access).send();
    assert_eq!(asked.status, 503, "{asked:?}");
    assert!(asked.header("retry-after").is_some());
    assert_eq!(app.get("/session").send().json(), out());
}

fn only_trusted_pages_read_it(on: Backend) {
    let app = on.app_with(&[LISTED]).with_ada();
    let mut browser = app.browser();
    let from = |request: Request, origin: &str, site: &str| {
        let request = request.header("Origin", origin);
        request.header("Sec-Fetch-Site", site)
    };
    let asked = browser.send(from(app.get("/session"), APP, "same-site"));
    assert_eq!(asked.status, 200, "{asked:?}");
    assert_eq!(
        asked.json()["csrf"]["access"],
        browser.value("csrf_access_token")
    );
    assert_eq!(asked.header("access-control-allow-origin"), Some(APP));
    for (origin, site) in [
        ("https://evil.example", "cross-site"),
        ("https://blog.example.org", "same-site"),
        ("null", "cross-site"),
    ] {
        let asked = browser.send(from(app.get("/session"), origin, site));
        asked.refused(403, "cross_site_request", "Cross-site request refused");
        assert_eq!(asked.header("access-control-allow-origin"), None);
        let told = ["csrf_", "ada\"", "expires_at"];
        assert!(
            told.iter().all(|told| !asked.body.contains(told)),
            "{asked:?}"
        );
    }
}

fn it_needs_no_csrf_value_and_answers_the_methods_of_a_read(on: Backend) {
    let every = ("JWT_CSRF_METHODS", "GET,POST,PATCH,DELETE");
    let app = on.app_with(&[every]).with_ada();
    let mut browser = app.browser();
    assert_eq!(browser.get("/protected").status, 401);
    assert_eq!(state(&mut browser)["state"], "in");
    let head = browser.send(app.request("HEAD", "/session"));
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for method in ["POST", "DELETE"] {
        let csrf = browser.value("csrf_access_token").to_owned();
        let request = app.request(method, "/session").header("X-CSRF-TOKEN", csrf);
        let refused = browser.send(request);
        assert_eq!(refused.status, 405);
        assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
}

fn where_the_server_reads_no_cookies_it_answers_for_headers(on: Backend) {
    let app = on.app_with(&[("JWT_TOKEN_LOCATION", "headers")]).with_ada();
    let ada = app.bearer();
    let cookie = format!("access_token_cookie={}", ada.access);
    assert_eq!(app.get("/session").cookie(&cookie).send().json(), out());
    let asked = app.get("/session").bearer(&ada.access).send();
    assert_eq!(asked.json()["state"], "in");
}

on_both_databases!(
    a_logged_in_browser_is_in_and_learns_the_times_of_its_tokens,
    a_visitor_and_a_forger_are_out_without_an_error,
    with_the_refresh_token_alone_a_refresh_helps,
    after_a_logout_every_copy_is_out,
    after_a_change_of_roles_a_refresh_helps,
    a_program_asks_by_header_and_gets_no_csrf_value,
    asking_renews_nothing_and_sends_no_statement,
    a_reissue_begins_when_the_route_said,
    what_the_server_cannot_know_is_a_503,
    only_trusted_pages_read_it,
    it_needs_no_csrf_value_and_answers_the_methods_of_a_read,
    where_the_server_reads_no_cookies_it_answers_for_headers,
);
