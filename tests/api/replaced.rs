//! Tests that a login ends the sessions whose cookies came with it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::admin::register;
use crate::page::navigation;
use crate::races::at_once;
use crate::sessions::count;
use crate::support::jwt::claims;
use crate::support::{ADA, Backend, Browser, Request, Response, TestApp};

const MINUTE: Duration = Duration::from_secs(60);
const ENDED: &str = "audit_events WHERE kind = 'session_revoked' AND detail = 'replaced'";
/// The password of the users that `register` makes.
const GRACE: (&str, &str) = ("grace", "grace's password");

fn login(app: &TestApp, (username, password): (&str, &str)) -> Request {
    let credentials = json!({ "username": username, "password": password });
    app.post("/login").json(credentials)
}

fn with_both(on: Backend) -> TestApp {
    let app = on.app().with_ada();
    register(&app, GRACE.0);
    app
}

fn user(browser: &Browser<'_>) -> Value {
    let response = browser.clone().get("/protected");
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["logged_in_as"].clone()
}

#[track_caller]
fn is_open(browser: &Browser<'_>) {
    assert_eq!(browser.clone().get("/protected").status, 200);
}

/// Asserts that no token of a browser as it was before a login is accepted any more, and that a
/// late response of its session would not remove the cookies of the new one.
#[track_caller]
fn is_replaced(before: &Browser<'_>) {
    let revoked = before.clone().get("/protected");
    revoked.refused(401, "token_revoked", "Token has been revoked");
    assert!(revoked.cookies().is_empty(), "{revoked:?}");
    is_superseded(before);
}

#[track_caller]
fn is_superseded(before: &Browser<'_>) {
    let late = before.clone().refresh();
    late.refused(401, "refresh_superseded", "Token has been revoked");
    assert!(late.cookies().is_empty(), "{late:?}");
}

/// Returns a login with these cookies of the browser alone.
fn with_cookies(app: &TestApp, browser: &Browser<'_>, names: &[&str]) -> Response {
    let cookies = names
        .iter()
        .map(|name| format!("{name}={}", browser.value(name)));
    let cookies = cookies.collect::<Vec<_>>().join("; ");
    login(app, ADA).cookie(&cookies).send()
}

fn the_session_of_the_browser_ends_whoever_s_it_was(on: Backend) {
    let app = with_both(on);
    let mut browser = app.browser();
    let elsewhere = app.browser();
    for (number, next) in [ADA, GRACE, ADA].into_iter().enumerate() {
        let before = browser.clone();
        let response = browser.send(login(&app, next));
        assert_eq!(response.status, 200, "{response:?}");
        is_replaced(&before);
        assert_eq!(user(&browser), next.0);
        assert_eq!(count(&app, ENDED), i64::try_from(number).unwrap() + 1);
        let sid = &claims(before.value("access_token_cookie"))["sid"];
        let sid = sid.as_str().unwrap();
        let told = format!(
            "{ENDED} AND session_id = '{sid}' AND ip = '127.0.0.1' AND actor_id IS NULL \
             AND user_id = (SELECT user_id FROM sessions WHERE id = '{sid}')"
        );
        assert_eq!(count(&app, &told), 1);
    }
    is_open(&elsewhere);
}

/// What is in flight at a login has arrived by then, so the browser holds dead cookies.
fn past_the_rotation_window_the_dead_cookies_are_removed(on: Backend) {
    let app = with_both(on);
    let mut browser = app.browser();
    let mut before = browser.clone();
    browser.send(login(&app, GRACE));
    app.advance(MINUTE - Duration::from_secs(1));
    is_superseded(&before);
    app.advance(Duration::from_secs(1));
    let late = before.refresh();
    late.refused(401, "session_revoked", "Token has been revoked");
    assert_eq!(before.token_names(), [""; 0], "{late:?}");
    is_open(&browser);
}

/// The server rotates Ada's token before Grace's login, and the browser gets that response after
/// it.
fn a_response_that_arrives_late_brings_nobody_back(on: Backend) {
    let app = with_both(on);
    let mut browser = app.browser();
    app.advance(45 * MINUTE);
    let in_flight = browser.clone().refresh();
    let reissued = browser.clone().get("/protected");
    assert!(reissued.status == 200 && in_flight.status == 200);
    assert!(!reissued.cookies().is_empty());
    browser.send(login(&app, GRACE));

    let mut mixed = browser.clone();
    mixed.keep(&reissued);
    let mixed_up = mixed.get("/protected");
    mixed_up.refused(401, "token_revoked", "Token has been revoked");
    assert_eq!(mixed.refresh().status, 200);
    assert_eq!(user(&mixed), "grace", "her refresh token was left");

    browser.keep(&in_flight);
    is_replaced(&browser);
    assert_eq!(browser.send(login(&app, GRACE)).status, 200);
    assert_eq!(user(&browser), "grace");
}

fn any_one_of_the_cookies_names_the_session_even_an_expired_one(on: Backend) {
    let app = on.app().with_ada();
    for names in [
        ["access_token_cookie"].as_slice(),
        &["refresh_token_cookie"],
        &["refresh_token_cookie", "csrf_refresh_token"],
    ] {
        let before = app.browser();
        assert_eq!(with_cookies(&app, &before, names).status, 200);
        is_replaced(&before);
        let before = app.browser();
        app.advance(120 * MINUTE);
        assert_eq!(with_cookies(&app, &before, names).status, 200);
        is_superseded(&before);
    }
    // A CSRF cookie names none.
    let before = app.browser();
    with_cookies(&app, &before, &["csrf_access_token", "csrf_refresh_token"]);
    is_open(&before);
}

fn cookies_of_two_sessions_end_both(on: Backend) {
    let app = with_both(on);
    let (ada, mut grace) = (app.browser(), Browser::new(&app));
    grace.send(login(&app, GRACE));
    let cookies = format!(
        "access_token_cookie={}; refresh_token_cookie={}",
        ada.value("access_token_cookie"),
        grace.value("refresh_token_cookie")
    );
    assert_eq!(login(&app, ADA).cookie(&cookies).send().status, 200);
    is_replaced(&ada);
    is_replaced(&grace);
    assert_eq!(count(&app, ENDED), 2);
}

fn cookies_that_are_not_the_server_s_end_nothing_and_do_no_harm(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.browser();
    let token = ada.value("access_token_cookie");
    let (signed_part, signature) = token.rsplit_once('.').unwrap();
    let other = on
        .app_with(&[(
            "JWT_SECRET_KEY",
            "another secret, of another server: 64 bytes of it",
        )])
        .with_ada();
    let foreign = other.browser();
    let unsigned = format!("{signed_part}.");
    let turned = format!(
        "{signed_part}.{}",
        signature.chars().rev().collect::<String>()
    );
    for cookie in [
        foreign.value("access_token_cookie"),
        &unsigned,
        &turned,
        "x",
        "",
    ] {
        for name in ["access_token_cookie", "refresh_token_cookie"] {
            let cookie = format!("{name}={cookie}");
            let response = login(&app, ADA).cookie(&cookie).send();
            assert_eq!(response.status, 200, "{cookie}: {response:?}");
        }
    }
    is_open(&ada);
    assert_eq!(count(&app, ENDED), 0);
}

fn a_login_for_tokens_in_the_body_leaves_the_cookies_and_their_session(on: Backend) {
    let app = with_both(on);
    let browser = app.browser();
    for (username, password) in [ADA, GRACE] {
        let wanted = json!({ "username": username, "password": password, "tokens": "body" });
        let response = browser.clone().send(app.post("/login").json(wanted));
        assert_eq!(response.status, 200, "{response:?}");
        assert!(response.cookies().is_empty(), "{response:?}");
    }
    is_open(&browser);
    // Nor does a token in a header name a session that a login replaces.
    let program = app.bearer();
    login(&app, ADA).bearer(&program.access).send();
    assert_eq!(program.get("/protected").status, 200);
    assert_eq!(count(&app, ENDED), 0);
}

fn a_login_that_fails_ends_nothing(on: Backend) {
    let app = on.app_with(&[("THROTTLE_ACCOUNT", "3/15m")]).with_ada();
    let grace = register(&app, GRACE.0);
    let browser = app.browser();
    let attempts = [
        (401, login(&app, (ADA.0, "not hers"))),
        (401, login(&app, ("nobody", ADA.1))),
        (400, app.post("/login").json(json!({ "username": "ada" }))),
        (
            400,
            app.post("/login")
                .json(json!({ "username": "ada", "password": ADA.1, "tokens": "x" })),
        ),
        (403, login(&app, ADA).header("Sec-Fetch-Site", "cross-site")),
        (
            403,
            login(&app, ADA).header("Origin", "https://evil.example"),
        ),
    ];
    for (status, attempt) in attempts {
        let response = browser.clone().send(attempt);
        assert_eq!(response.status, status, "{response:?}");
        assert!(response.cookies().is_empty(), "{response:?}");
    }
    app.database().execute(&format!(
        "UPDATE users SET disabled_at = 1 WHERE id = '{grace}'"
    ));
    assert_eq!(browser.clone().send(login(&app, GRACE)).status, 401);
    let wrong = || {
        browser
            .clone()
            .send(login(&app, (ADA.0, "not hers")))
            .status
    };
    assert!((0..4).any(|_| wrong() == 429));
    assert_eq!(browser.clone().send(login(&app, ADA)).status, 429);
    is_open(&browser);
    assert_eq!(count(&app, ENDED), 0);
}

fn the_session_that_is_replaced_does_not_count_for_the_limit(on: Backend) {
    let app = on.app_with(&[("SESSION_LIMIT", "2")]).with_ada();
    let elsewhere = app.browser();
    app.advance(MINUTE);
    let mut browser = app.browser();
    for _ in 0..3 {
        browser.send(login(&app, ADA));
        is_open(&browser);
    }
    is_open(&elsewhere);
}

fn the_page_s_forms_for_a_login_and_a_new_account_end_it_too(on: Backend) {
    let app = with_both(on);
    let mut browser = app.browser();
    for (path, name) in [("/login", GRACE.0), ("/page/register", "jean")] {
        let before = browser.clone();
        let fields = format!("username={name}&password=grace%27s+password");
        let response = browser.send(navigation(app.post(path)).form(&fields));
        assert_eq!(response.status, 303, "{response:?}");
        is_replaced(&before);
        assert_eq!(user(&browser), name);
    }
}

/// Logins of two users in each other's browsers, while both log out everywhere: nobody waits for
/// anybody else's rows, and no request fails.
fn logins_that_replace_each_other_at_once_all_succeed(on: Backend) {
    let app = on.app_with(&[("SERVER_WORKERS", "2")]).with_ada();
    register(&app, GRACE.0);
    for _ in 0..3 {
        let ada = app.browser();
        let mut grace = Browser::new(&app);
        grace.send(login(&app, GRACE));
        let both = format!("{}; {}", ada.cookie_header(), grace.cookie_header());
        let answers = at_once(12, |number| {
            let user = [ADA, GRACE][number % 2];
            match number {
                0..8 => login(&app, user).cookie(&both).send(),
                8 | 9 => ada.clone().post("/logout"),
                _ => {
                    let csrf = grace.value("csrf_access_token").to_owned();
                    let end = app
                        .request("DELETE", "/sessions")
                        .header("X-CSRF-TOKEN", csrf);
                    grace.clone().send(end)
                }
            }
        });
        for (number, answer) in answers.iter().enumerate() {
            let expected: &[u16] = if number < 10 { &[200] } else { &[200, 401] };
            assert!(expected.contains(&answer.status), "{number}: {answer:?}");
        }
        for ended in [&ada, &grace] {
            let refused = ended.clone().get("/protected");
            refused.refused(401, "token_revoked", "Token has been revoked");
        }
    }
}

on_both_databases!(
    the_session_of_the_browser_ends_whoever_s_it_was,
    past_the_rotation_window_the_dead_cookies_are_removed,
    a_response_that_arrives_late_brings_nobody_back,
    any_one_of_the_cookies_names_the_session_even_an_expired_one,
    cookies_of_two_sessions_end_both,
    cookies_that_are_not_the_server_s_end_nothing_and_do_no_harm,
    a_login_for_tokens_in_the_body_leaves_the_cookies_and_their_session,
    a_login_that_fails_ends_nothing,
    the_session_that_is_replaced_does_not_count_for_the_limit,
    the_page_s_forms_for_a_login_and_a_new_account_end_it_too,
    logins_that_replace_each_other_at_once_all_succeed,
);
