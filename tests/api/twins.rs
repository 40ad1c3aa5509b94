//! Tests several cookies of one name, which browsers send after the domain or a path has changed on
//! a live server.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::support::jwt::{claims, signed};
use crate::support::{ADA, Backend, Browser, Request, Response, TestApp};

const NAMES: [&str; 4] = [
    "access_token_cookie",
    "csrf_access_token",
    "refresh_token_cookie",
    "csrf_refresh_token",
];

/// Returns the `Cookie` header of a browser that holds both: for each name, the older cookie first
/// (RFC 6265 section 5.4).
fn both(older: &Browser<'_>, newer: &Browser<'_>) -> String {
    let pair = |name: &str| {
        let (old, new) = (older.value(name), newer.value(name));
        format!("{name}={old}; {name}={new}")
    };
    NAMES.map(pair).join("; ")
}

fn bob(app: &TestApp) -> Browser<'_> {
    let credentials = json!({ "username": "bob", "password": ADA.1 });
    let registered = app.post("/register").json(credentials.clone()).send();
    assert_eq!(registered.status, 201, "{registered:?}");
    Browser::log_in(app, credentials)
}

fn access(app: &TestApp, cookies: &[&str]) -> Response {
    let cookie = |token: &&str| format!("access_token_cookie={token}");
    let cookies: Vec<String> = cookies.iter().map(cookie).collect();
    app.get("/protected").cookie(&cookies.join("; ")).send()
}

fn refresh(app: &TestApp, cookies: &[&str], csrf: &str) -> Response {
    let cookie = |token: &&str| format!("refresh_token_cookie={token}");
    let cookies: Vec<String> = cookies.iter().map(cookie).collect();
    let request = app.post("/refresh").cookie(&cookies.join("; "));
    request.header("X-CSRF-TOKEN", csrf).send()
}

fn a_cookie_that_does_not_verify_hides_no_other(on: Backend) {
    let app = on.app().with_ada();
    let (mut gone, old) = (app.browser(), app.browser());
    let revoked = gone.value("access_token_cookie").to_owned();
    let refresh_token = old.value("refresh_token_cookie").to_owned();
    gone.post("/logout");
    let mut early = claims(old.value("access_token_cookie"));
    early.insert("nbf".to_owned(), json!(app.now().unix() + 60));
    let mut expired = claims(old.value("access_token_cookie"));
    expired.insert("exp".to_owned(), json!(app.now().unix() - 60));
    let ada = app.browser();
    let good = ada.value("access_token_cookie");
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    for (kind, stale) in [
        ("no token", "x.y.z"),
        ("another server's", &format!("{unsigned}.AAAA")),
        ("expired", &signed(&expired)),
        ("from the future", &signed(&early)),
        ("revoked", &revoked),
        ("of the other type", &refresh_token),
    ] {
        assert_ne!(access(&app, &[stale]).status, 200, "{kind}");
        assert_eq!(access(&app, &[stale, good]).status, 200, "{kind}");
        assert_eq!(access(&app, &[good, stale]).status, 200, "{kind}");
        let two_headers = app
            .get("/protected")
            .cookie(&format!("access_token_cookie={stale}"))
            .cookie(&format!("access_token_cookie={good}"));
        assert_eq!(two_headers.send().status, 200, "{kind}");
    }
}

fn where_no_cookie_verifies_the_answer_is_about_the_one_that_came_closest(on: Backend) {
    let app = on.app().with_ada();
    let mut ada = app.browser();
    let good = ada.value("access_token_cookie").to_owned();
    ada.post("/logout");
    let revoked = || access(&app, &["x.y.z", &good]);
    revoked().refused(401, "token_revoked", "Token has been revoked");
    app.advance(Duration::from_secs(3600));
    let expired = access(&app, &["x.y.z", &good]);
    expired.refused(401, "token_expired", "Token has expired");
    let neither = access(&app, &["x.y.z", "a"]);
    neither.refused(422, "invalid_token", "Invalid header padding");
}

fn no_more_than_four_cookies_of_one_name_are_looked_at(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.browser();
    let good = ada.value("access_token_cookie");
    assert_eq!(access(&app, &["a", "b", "c", good]).status, 200);
    assert_eq!(access(&app, &["a", "b", "c", "d", good]).status, 422);
    let (token, csrf) = (
        ada.value("refresh_token_cookie"),
        ada.value("csrf_refresh_token"),
    );
    assert_eq!(refresh(&app, &["a", "b", "c", token], csrf).status, 200);
    let more = refresh(&app, &["a", "b", "c", "d", token], csrf);
    assert_eq!(more.status, 422);
}

fn of_two_that_verify_the_first_counts_or_the_one_whose_csrf_value_is_sent(on: Backend) {
    let app = on.app().with_ada();
    let (ada, mut bob) = (app.browser(), bob(&app));
    let cookies = both(&ada, &bob);
    let read = app.get("/protected").cookie(&cookies).send();
    assert_eq!(read.json(), json!({ "logged_in_as": "ada" }));

    let end_others = |csrf: &str| {
        let request = app.request("DELETE", "/sessions").cookie(&cookies);
        request.header("X-CSRF-TOKEN", csrf).send()
    };
    let mismatch = "CSRF double submit tokens do not match";
    end_others("wrong").refused(401, "csrf_mismatch", mismatch);
    let silent = app.request("DELETE", "/sessions").cookie(&cookies).send();
    silent.refused(401, "csrf_missing", "Missing CSRF token");
    let bobs_other = Browser::log_in(&app, json!({ "username": "bob", "password": ADA.1 }));
    let adas_other = app.browser();
    let ended = end_others(bob.value("csrf_access_token"));
    assert_eq!((ended.status, &ended.json()["ended"]), (200, &json!(1)));
    assert_eq!(bobs_other.clone().get("/protected").status, 401);
    assert_eq!(adas_other.clone().get("/protected").status, 200);
    assert_eq!(bob.get("/protected").status, 200);
}

/// A CSRF value proves nothing for another token.
fn the_csrf_value_has_to_be_the_claim_of_the_very_token_that_is_used(on: Backend) {
    let app = on.app().with_ada();
    let (mut ended, ada) = (app.browser(), app.browser());
    let copy = ended.clone();
    ended.post("/logout");
    let cookies = both(&copy, &ada);
    let with = |csrf: &str| {
        let request = app.request("DELETE", "/sessions").cookie(&cookies);
        request.header("X-CSRF-TOKEN", csrf).send().status
    };
    assert_eq!(with(copy.value("csrf_access_token")), 401);
    assert_eq!(with(copy.value("csrf_refresh_token")), 401);
    assert_eq!(with(ada.value("csrf_access_token")), 200);
}

fn a_refresh_token_of_an_ended_session_hides_no_living_one(on: Backend) {
    let app = on.app().with_ada();
    let (mut ended, ada) = (app.browser(), app.browser());
    let dead = ended.value("refresh_token_cookie").to_owned();
    ended.post("/logout");
    // Without CSRF protection, no header selects one of the two.
    let open = TestApp::start(
        &app.database().url(),
        &[("JWT_COOKIE_CSRF_PROTECT", "false")],
        app.clock(),
    );
    let token = ada.value("refresh_token_cookie");
    for cookies in [[&dead, token], [token, &dead]] {
        assert_eq!(refresh(&open, &cookies, "").status, 200);
    }
    let only = refresh(&open, &[&dead], "");
    only.refused(401, "session_revoked", "Token has been revoked");
    // With it, the token whose CSRF value was sent counts.
    let csrf = ada.value("csrf_refresh_token");
    assert_eq!(refresh(&app, &[&dead, token], csrf).status, 200);
}

fn a_twin_of_an_older_generation_is_no_sign_of_theft(on: Backend) {
    let app = on.app().with_ada();
    let mut ada = app.browser();
    let first = ada.value("refresh_token_cookie").to_owned();
    for _ in 0..3 {
        app.advance(Duration::from_secs(120));
        let token = ada.value("refresh_token_cookie").to_owned();
        let csrf = ada.value("csrf_refresh_token").to_owned();
        let response = refresh(&app, &[&first, &token], &csrf);
        assert_eq!(response.status, 200, "{response:?}");
        ada.keep(&response);
    }
    // Alone, it is still accepted.
    let csrf = ada.value("csrf_refresh_token").to_owned();
    refresh(&app, &[&first], &csrf).refused(401, "refresh_token_reused", "Token has been revoked");
}

fn a_logout_ends_the_session_of_every_token_that_came_with_it(on: Backend) {
    let app = on.app().with_ada();
    for by_post in [true, false] {
        let (older, newer, other) = (app.browser(), app.browser(), app.browser());
        let cookies = both(&older, &newer);
        let request = match by_post {
            true => app
                .post("/logout")
                .header("X-CSRF-TOKEN", newer.value("csrf_access_token")),
            false => app.get("/logout"),
        };
        assert_eq!(request.cookie(&cookies).send().status, 200);
        for (browser, status) in [(older, 401), (newer, 401), (other, 200)] {
            assert_eq!(browser.clone().get("/protected").status, status);
            assert_eq!(browser.clone().refresh().status, status);
        }
    }
    let (older, newer) = (app.browser(), app.browser());
    let wrong = app.post("/logout").header("X-CSRF-TOKEN", "wrong");
    let wrong = wrong.cookie(&both(&older, &newer)).send();
    wrong.refused(
        401,
        "csrf_mismatch",
        "CSRF double submit tokens do not match",
    );
    assert_eq!(older.clone().get("/protected").status, 200);
}

/// Returns the domains and paths in which a response removes a cookie.
fn removed(response: &Response, name: &str) -> BTreeSet<String> {
    let removed = response.cookies().into_iter().filter(|cookie| {
        cookie.name == name && cookie.has("Expires=Thu, 01 Jan 1970 00:00:00 GMT")
    });
    let place = |attribute: &String| attribute.starts_with("Domain=").then(|| attribute.clone());
    removed
        .map(|cookie| {
            let domain = cookie.attributes.iter().find_map(place);
            let path = cookie.attributes.iter().find(|a| a.starts_with("Path="));
            format!("{} {}", domain.as_deref().unwrap_or("-"), path.unwrap())
        })
        .collect()
}

fn set_of<const N: usize>(places: [&str; N]) -> BTreeSet<String> {
    places.map(str::to_owned).into()
}

const HTTPS: (&str, &str) = ("PUBLIC_URL", "https://login.example.org");

fn whoever_presents_two_cookies_of_a_name_keeps_one(on: Backend) {
    let app = on.app_with(&[HTTPS]).with_ada();
    let (older, newer) = (app.browser(), app.browser());
    let cookies = both(&older, &newer);
    let csrf = newer.value("csrf_refresh_token");
    let twins = set_of([
        "Domain=login.example.org Path=/",
        "Domain=example.org Path=/",
        "- Path=/refresh",
    ]);
    let request = app.post("/refresh").cookie(&cookies);
    let refreshed = request.header("X-CSRF-TOKEN", csrf).send();
    assert_eq!(refreshed.status, 200);
    let mut kept = newer.clone();
    kept.keep(&refreshed);
    for name in NAMES {
        assert_eq!(removed(&refreshed, name), twins, "{name}");
        assert_ne!(kept.value(name), "", "what is set stands behind");
    }

    let twins = set_of([
        "- Path=/",
        "Domain=login.example.org Path=/",
        "Domain=example.org Path=/",
        "- Path=/logout",
    ]);
    let request = app.get("/logout").cookie(&cookies);
    let gone = request.send();
    for name in NAMES {
        assert_eq!(removed(&gone, name), twins, "{name}");
    }
}

fn a_reissue_removes_the_twins_of_what_it_sets(on: Backend) {
    let app = on.app_with(&[HTTPS]).with_ada();
    let (older, newer) = (app.browser(), app.browser());
    app.advance(Duration::from_secs(1800));
    let read = app.get("/protected").cookie(&both(&older, &newer)).send();
    let twins = set_of([
        "Domain=login.example.org Path=/",
        "Domain=example.org Path=/",
        "- Path=/protected",
    ]);
    for name in ["access_token_cookie", "csrf_access_token"] {
        assert_eq!(removed(&read, name), twins, "{name}");
    }
    assert!(removed(&read, "refresh_token_cookie").is_empty());
}

/// The path was narrowed, so a cookie sent to other routes is an old one.
fn a_cookie_that_comes_where_ours_does_not_goes(on: Backend) {
    let app = on
        .app_with(&[HTTPS, ("JWT_REFRESH_COOKIE_PATH", "/refresh")])
        .with_ada();
    let ada = app.browser();
    let old = format!("refresh_token_cookie={}", ada.value("refresh_token_cookie"));
    let csrf = ada.value("csrf_refresh_token");
    let out = app.post("/logout").header("X-CSRF-TOKEN", csrf);
    let out = out.cookie(&old).send();
    assert_eq!(out.status, 200);
    let twins = removed(&out, "refresh_token_cookie");
    for place in ["- Path=/", "- Path=/refresh"] {
        assert!(twins.contains(place), "{twins:?}");
    }
    assert_eq!(removed(&out, "access_token_cookie").len(), 1);
}

/// Browsers accept a `__Host-` cookie in one place only.
fn a_prefix_leaves_no_place_for_twins(on: Backend) {
    let app = on
        .app_with(&[HTTPS, ("JWT_COOKIE_PREFIX", "host")])
        .with_ada();
    let cookies = "__Host-access_token_cookie=a; __Host-access_token_cookie=b";
    let gone = app.post("/logout").cookie(cookies).send();
    assert_eq!((gone.status, gone.cookies().len()), (200, 4));
}

fn a_browser_with_one_cookie_of_each_name_is_sent_no_more_than_these(on: Backend) {
    let app = on.app_with(&[HTTPS]).with_ada();
    let mut ada = app.browser();
    assert_eq!(ada.refresh().cookies().len(), 4);
    app.advance(Duration::from_secs(1800));
    assert_eq!(ada.get("/protected").cookies().len(), 2);
    assert_eq!(ada.post("/logout").cookies().len(), 4);
}

/// The old cookie may have another domain, and would then precede the new one.
fn a_login_leaves_no_cookie_of_another_login_beside_its_own(on: Backend) {
    let app = on.app_with(&[HTTPS]).with_ada();
    let mut ada = app.browser();
    let login = json!({ "username": ADA.0, "password": ADA.1 });
    let again = ada.send(app.post("/login").json(login.clone()));
    for name in NAMES {
        let twins = [
            "Domain=login.example.org Path=/",
            "Domain=example.org Path=/",
        ];
        assert_eq!(removed(&again, name), set_of(twins), "{name}");
    }
    assert_eq!(ada.get("/protected").status, 200);
    assert_eq!(app.post("/login").json(login).send().cookies().len(), 5);
}

fn where_a_domain_is_set_the_cookie_of_the_host_alone_goes(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.browser();
    let shared = TestApp::start(
        &app.database().url(),
        &[HTTPS, ("JWT_COOKIE_DOMAIN", "example.org")],
        app.clock(),
    );
    let csrf = ada.value("csrf_refresh_token");
    let request: Request = shared.post("/refresh").header("X-CSRF-TOKEN", csrf);
    let refreshed = request.cookie(&ada.cookie_header()).send();
    assert_eq!(refreshed.status, 200);
    for name in NAMES {
        assert_eq!(removed(&refreshed, name), set_of(["- Path=/"]), "{name}");
    }
    let login = json!({ "username": ADA.0, "password": ADA.1 });
    assert_eq!(shared.post("/login").json(login).send().cookies().len(), 5);
}

/// The whole sequence: `JWT_COOKIE_DOMAIN` was removed on a live server, and the browser holds old
/// and new cookies.
fn after_a_change_of_the_domain_a_browser_logs_in_and_out(on: Backend) {
    let app = on
        .app_with(&[HTTPS, ("JWT_COOKIE_DOMAIN", "example.org")])
        .with_ada();
    let mut old = app.browser();
    let stale = old.clone();
    old.post("/logout");
    let now = TestApp::start(&app.database().url(), &[HTTPS], app.clock());
    let login = json!({ "username": ADA.0, "password": ADA.1 });
    let login = now
        .post("/login")
        .json(login)
        .cookie(&stale.cookie_header());
    let mut ada = Browser::new(&now);
    ada.keep(&login.send());
    let cookies = both(&stale, &ada);
    let read = now.get("/protected").cookie(&cookies).send();
    assert_eq!(read.status, 200, "{read:?}");
    // A page whose script reads the old values requests the current ones.
    let told = now.get("/csrf").cookie(&cookies).send().json();
    for name in ["csrf_access_token", "csrf_refresh_token"] {
        assert_eq!(told[name], ada.value(name), "{name}");
    }
    let csrf = ada.value("csrf_access_token");
    let write = now.request("DELETE", "/sessions").cookie(&cookies);
    assert_eq!(write.header("X-CSRF-TOKEN", csrf).send().status, 200);
    let csrf = ada.value("csrf_refresh_token");
    let refreshed = now.post("/refresh").cookie(&cookies);
    let refreshed = refreshed.header("X-CSRF-TOKEN", csrf).send();
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    let csrf = ada.value("csrf_access_token");
    let out = now.post("/logout").cookie(&cookies);
    let out = out.header("X-CSRF-TOKEN", csrf).send();
    assert_eq!(out.status, 200);
    let place = "Domain=example.org Path=/".to_owned();
    assert!(removed(&out, "access_token_cookie").contains(&place));
}

on_both_databases!(
    a_cookie_that_does_not_verify_hides_no_other,
    where_no_cookie_verifies_the_answer_is_about_the_one_that_came_closest,
    no_more_than_four_cookies_of_one_name_are_looked_at,
    of_two_that_verify_the_first_counts_or_the_one_whose_csrf_value_is_sent,
    the_csrf_value_has_to_be_the_claim_of_the_very_token_that_is_used,
    a_refresh_token_of_an_ended_session_hides_no_living_one,
    a_twin_of_an_older_generation_is_no_sign_of_theft,
    a_logout_ends_the_session_of_every_token_that_came_with_it,
    whoever_presents_two_cookies_of_a_name_keeps_one,
    a_reissue_removes_the_twins_of_what_it_sets,
    a_cookie_that_comes_where_ours_does_not_goes,
    a_prefix_leaves_no_place_for_twins,
    a_browser_with_one_cookie_of_each_name_is_sent_no_more_than_these,
    a_login_leaves_no_cookie_of_another_login_beside_its_own,
    where_a_domain_is_set_the_cookie_of_the_host_alone_goes,
    after_a_change_of_the_domain_a_browser_logs_in_and_out,
);
