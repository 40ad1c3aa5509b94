//! Tests `POST /refresh`: each case of the rotation of the recorded token.

use std::time::Duration;

use serde_json::json;
use tokenpair::session::{EndReason, Session, SessionEnd, SessionStore};
use tokenpair_store::{Changed, UserChange};

use crate::support::jwt::claims;
use crate::support::{ADA, Backend, Browser, START, TestApp, block_on};

/// The rotation window, and a time that is certainly past it.
const WINDOW: Duration = Duration::from_secs(60);
const QUIET: Duration = Duration::from_secs(68);

fn a_cookie_buys_new_cookies_and_a_script_sees_no_token(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let before = browser.clone();
    app.advance(Duration::from_secs(5));
    let response = browser.refresh();
    assert_eq!(response.status, 200);
    assert_eq!(
        response.json(),
        json!({
            "refresh": true,
            "expires_in": 3600,
            "refresh_expires_in": 2_592_000,
            "expires_at": START.unix() + 3605,
            "refresh_expires_at": START.unix() + 2_592_005,
        })
    );
    for name in ["access_token_cookie", "refresh_token_cookie"] {
        assert_ne!(browser.value(name), before.value(name), "{name}");
    }
    // A request built before the refresh must not fail after it.
    for name in ["csrf_access_token", "csrf_refresh_token"] {
        assert_eq!(browser.value(name), before.value(name), "{name}");
    }
    let access = claims(browser.value("access_token_cookie"));
    assert_eq!(
        (&access["fresh"], &access["username"]),
        (&json!(false), &json!("ada"))
    );
    assert_eq!(
        browser.get("/protected").json(),
        json!({ "logged_in_as": "ada" })
    );
}

fn a_header_buys_tokens_in_the_body_and_no_cookie(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    let response = ada.try_refresh();
    assert!(response.cookies().is_empty());
    let body = response.json();
    assert_eq!(
        (&body["refresh"], &body["token_type"]),
        (&json!(true), &json!("Bearer"))
    );
    assert_ne!(body["refresh_token"], ada.refresh);
    assert_eq!(ada.refreshed().get("/protected").status, 200);
}

fn a_cookie_needs_the_csrf_value_of_the_refresh_token(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let anothers = app.browser().value("csrf_refresh_token").to_owned();
    let right = browser.value("csrf_refresh_token").to_owned();
    browser
        .send(app.post("/refresh"))
        .refused(401, "csrf_missing", "Missing CSRF token");
    browser
        .send(app.post("/refresh").header("X-CSRF-TOKEN", ""))
        .refused(401, "csrf_missing", "Missing CSRF token");
    for wrong in [
        anothers,
        swapped_case(&right),
        format!("{right}x"),
        format!("{right}\u{a0}"),
        format!("{right}, {right}"),
        "ü".to_owned(),
        right[1..].to_owned(),
    ] {
        let response = browser.send(app.post("/refresh").header("X-CSRF-TOKEN", wrong));
        response.refused(
            401,
            "csrf_mismatch",
            "CSRF double submit tokens do not match",
        );
        assert!(response.cookies().is_empty(), "the cookies stay");
    }
    let twice = app
        .post("/refresh")
        .header("X-CSRF-TOKEN", right.as_str())
        .header("X-CSRF-TOKEN", right.as_str());
    browser.send(twice).refused(
        401,
        "csrf_mismatch",
        "CSRF double submit tokens do not match",
    );
    assert_eq!(browser.refresh().status, 200);
}

/// The libraries of pages repeat one cookie in one header: axios, Angular.
fn both_tokens_of_a_session_have_one_csrf_value_that_lasts(on: Backend) {
    let app = on.app().with_ada();
    let (mut browser, other) = (app.browser(), app.browser());
    let value = browser.value("csrf_refresh_token").to_owned();
    assert_ne!(value, other.value("csrf_refresh_token"));
    let is_one = |browser: &Browser<'_>| {
        for (token, cookie) in [
            ("access_token_cookie", "csrf_access_token"),
            ("refresh_token_cookie", "csrf_refresh_token"),
        ] {
            let claims = claims(browser.value(token));
            assert_eq!(
                (&claims["csrf"], browser.value(cookie)),
                (&json!(value), &*value)
            );
        }
    };
    is_one(&browser);
    let change = json!({ "current_password": ADA.1, "new_password": "amber kettle window" });
    for request in [
        app.post("/account/password").json(change),
        app.post("/refresh"),
    ] {
        app.advance(QUIET);
        let sent = browser.send(request.header("X-CSRF-TOKEN", &*value));
        assert_eq!(sent.status, 200, "{sent:?}");
        is_one(&browser);
    }
    app.advance(Duration::from_secs(1800));
    assert_eq!(browser.get("/protected").cookies().len(), 2, "a reissue");
    is_one(&browser);
    let own = app.request("DELETE", "/sessions");
    assert_eq!(
        browser.send(own.header("X-CSRF-TOKEN", &*value)).status,
        200
    );
    let out = app.post("/logout").header("X-CSRF-TOKEN", &*value);
    assert_eq!(browser.send(out).status, 200);
}

fn swapped_case(text: &str) -> String {
    let swap = |letter: char| match letter.is_ascii_lowercase() {
        true => letter.to_ascii_uppercase(),
        false => letter.to_ascii_lowercase(),
    };
    text.chars().map(swap).collect()
}

fn a_hint_says_which_cookie_goes_into_which_header(on: Backend) {
    let app = on.app().with_ada();
    let hint = app.browser().send(app.post("/refresh")).json()["hint"].clone();
    assert_eq!(
        hint,
        "Send the value of the cookie csrf_refresh_token in the header X-CSRF-TOKEN: the token came in the cookie refresh_token_cookie."
    );
}

/// Postman sends the cookies of its jar beside the token that a user puts into the header.
fn a_hint_says_that_cookies_hide_the_token_in_the_header(on: Backend) {
    const HIDDEN: &str = "The token in the Authorization header was not used, because cookies are looked at first. To use it, \
                          clear the cookie jar or send the request without cookies.";
    let app = on.app().with_ada();
    let (program, mut browser) = (app.bearer(), app.browser());
    let requests = |app: &TestApp| {
        [
            app.post("/refresh").bearer(&program.refresh),
            app.request("DELETE", "/sessions").bearer(&program.access),
        ]
    };
    for request in requests(&app) {
        let refused = browser.send(request);
        refused.refused(401, "csrf_missing", "Missing CSRF token");
        let hint = refused.json()["hint"].as_str().unwrap().to_owned();
        assert!(hint.ends_with(HIDDEN), "{hint}");
    }
    for request in requests(&app) {
        let mismatch = browser.send(request.header("X-CSRF-TOKEN", "wrong"));
        let hint = mismatch.json()["hint"].as_str().unwrap().to_owned();
        assert!(hint.ends_with(HIDDEN), "{hint}");
    }
    for request in requests(&app) {
        assert_eq!(request.send().status, 200, "without cookies it is used");
    }
    let basic = app.post("/refresh").header("Authorization", "Basic YTpi");
    let hint = browser.send(basic).json()["hint"].to_string();
    assert!(!hint.contains("Authorization"), "it holds no token: {hint}");
}

/// Where headers are looked at first, nothing is hidden.
fn a_header_that_is_looked_at_first_needs_no_csrf_token(on: Backend) {
    let app = on.app_with(&[("JWT_TOKEN_LOCATION", "headers,cookies")]);
    let app = app.with_ada();
    let (program, mut browser) = (app.bearer(), app.browser());
    let both = app.post("/refresh").bearer(&program.refresh);
    assert_eq!(browser.send(both).status, 200);
    let hint = browser.send(app.post("/refresh")).json()["hint"].to_string();
    assert!(hint.contains("came in the cookie"), "{hint}");
    assert!(!hint.contains("Authorization"), "{hint}");
}

fn a_junk_header_does_not_switch_csrf_off(on: Backend) {
    let app = on.app().with_ada();
    let response = app
        .browser()
        .send(app.post("/refresh").header("Authorization", "Basic YTpi"));
    response.refused(401, "csrf_missing", "Missing CSRF token");
}

fn an_access_token_buys_nothing(on: Backend) {
    let app = on.app().with_ada();
    let response = app.post("/refresh").bearer(&app.bearer().access).send();
    response.refused(422, "wrong_token_type", "Only refresh tokens are allowed");
    let none = app.post("/refresh").send();
    let msg = "Missing JWT in cookies or headers (Missing cookie \"refresh_token_cookie\"; Missing Authorization Header)";
    none.refused(401, "missing_token", msg);
}

fn rotate_each_use_past_the_window_makes_a_new_generation(on: Backend) {
    let app = on.app().with_ada();
    let mut ada = app.bearer();
    for generation in 1..=4 {
        assert_eq!(claims(&ada.refresh)["gen"], generation);
        ada = ada.refreshed();
        app.advance(QUIET);
    }
}

fn again_within_the_window_the_current_token_stays(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    browser.refresh();
    let current = browser.value("refresh_token_cookie").to_owned();
    let response = browser.refresh();
    assert_eq!(
        response.cookie_names(),
        ["access_token_cookie", "csrf_access_token"]
    );
    assert_eq!(browser.value("refresh_token_cookie"), current);
    app.advance(WINDOW);
    browser.refresh();
    assert_ne!(browser.value("refresh_token_cookie"), current);
}

fn same_a_repeated_token_gets_the_same_successor_to_the_letter(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    let successor = ada.refreshed();
    app.advance(Duration::from_secs(20));
    let late = ada.refreshed();
    assert_eq!(late.refresh, successor.refresh);
    assert_ne!(late.access, successor.access);
    // Late in the window it was returned again, so it is the current token for another window.
    app.advance(Duration::from_secs(45));
    assert_eq!(ada.refreshed().refresh, successor.refresh);
}

fn theft_a_replaced_token_after_its_successor_was_used_ends_the_session(on: Backend) {
    let app = on.app().with_ada();
    let thief = app.bearer();
    let victim = thief.refreshed();
    app.advance(QUIET);
    let victim = victim.refreshed();
    let response = thief.try_refresh();
    response.refused(401, "refresh_token_reused", "Token has been revoked");
    // The revocation was kept although the response was an error: no client can continue.
    victim
        .try_refresh()
        .refused(401, "session_revoked", "Token has been revoked");
    victim
        .get("/protected")
        .refused(401, "token_revoked", "Token has been revoked");
}

fn theft_the_token_before_once_its_successor_has_long_been_in_use(on: Backend) {
    let app = on.app().with_ada();
    let thief = app.bearer();
    let victim = thief.refreshed();
    victim.refreshed();
    app.advance(WINDOW / 2 - Duration::from_secs(1));
    assert_eq!(
        thief.try_refresh().status,
        200,
        "a late answer may still be on its way"
    );
    app.advance(Duration::from_secs(1));
    thief
        .try_refresh()
        .refused(401, "refresh_token_reused", "Token has been revoked");
}

fn theft_is_written_down_as_what_it_was(on: Backend) {
    let app = on.app().with_ada();
    let thief = app.bearer();
    let victim = thief.refreshed();
    app.advance(QUIET);
    victim.refreshed();
    thief.try_refresh();
    let sid = claims(&thief.access)["sid"].as_str().unwrap().to_owned();
    let row = block_on(app.other_store().load(&sid)).unwrap().unwrap();
    assert_eq!(
        row.session.revoked,
        Some(SessionEnd {
            at: app.now(),
            reason: EndReason::Reuse
        })
    );
}

fn the_csrf_header_of_each_token_has_its_own_name(on: Backend) {
    let names = [
        ("JWT_ACCESS_CSRF_HEADER_NAME", "X-Access"),
        ("JWT_REFRESH_CSRF_HEADER_NAME", "X-Refresh"),
    ];
    let app = on.app_with(&names).with_ada();
    let mut browser = app.browser();
    let csrf = browser.value("csrf_refresh_token").to_owned();
    let wrong = browser.send(app.post("/refresh").header("X-Access", csrf.as_str()));
    wrong.refused(401, "csrf_missing", "Missing CSRF token");
    assert_eq!(
        browser
            .send(app.post("/refresh").header("X-Refresh", csrf))
            .status,
        200
    );
}

fn csrf_protection_can_be_turned_off_and_a_token_without_the_claim_passes_no_other_way(
    on: Backend,
) {
    let open = on
        .app_with(&[("JWT_COOKIE_CSRF_PROTECT", "false")])
        .with_ada();
    let mut browser = open.browser();
    assert_eq!(
        browser.token_names(),
        ["access_token_cookie", "refresh_token_cookie"]
    );
    assert_eq!(browser.send(open.post("/refresh")).status, 200);
    let app = on.app().with_ada();
    let mut bare = claims(&app.bearer().refresh);
    bare.remove("csrf");
    let cookie = format!(
        "refresh_token_cookie={}",
        crate::support::jwt::signed(&bare)
    );
    let response = app
        .post("/refresh")
        .cookie(&cookie)
        .header("X-CSRF-TOKEN", "anything")
        .send();
    response.refused(422, "invalid_token", "Missing claim: csrf");
}

fn theft_ends_one_session_and_no_other(on: Backend) {
    let app = on.app().with_ada();
    let (other, thief) = (app.bearer(), app.bearer());
    let victim = thief.refreshed();
    app.advance(QUIET);
    victim.refreshed();
    thief
        .try_refresh()
        .refused(401, "refresh_token_reused", "Token has been revoked");
    assert_eq!(other.get("/protected").status, 200);
    assert_eq!(other.try_refresh().status, 200);
}

fn theft_by_cookie_clears_the_cookies(on: Backend) {
    let app = on.app().with_ada();
    let mut thief = app.browser();
    let mut victim = thief.clone();
    victim.refresh();
    app.advance(QUIET);
    victim.refresh();
    let response = thief.refresh();
    response.refused(401, "refresh_token_reused", "Token has been revoked");
    assert!(thief.token_names().is_empty());
}

fn recover_a_lost_answer_costs_nobody_a_login(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    let lost = ada.refreshed();
    // Noticed only when the access token ends.
    app.advance(Duration::from_secs(3600));
    let recovered = ada.refreshed();
    assert_eq!(claims(&recovered.refresh)["gen"], 3);
    assert_ne!(recovered.refresh, lost.refresh);
    app.advance(QUIET);
    assert_eq!(recovered.try_refresh().status, 200);
    // The successor that never arrived is now an orphan.
    lost.try_refresh()
        .refused(401, "refresh_token_reused", "Token has been revoked");
}

fn future_a_generation_that_the_database_lost_goes_forward(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    let mut ahead = claims(&ada.refresh);
    ahead.insert("gen".to_owned(), json!(5));
    let response = app
        .post("/refresh")
        .bearer(&crate::support::jwt::signed(&ahead))
        .send();
    assert_eq!(response.status, 200);
    assert_eq!(
        claims(response.json()["refresh_token"].as_str().unwrap())["gen"],
        5
    );
    ahead.insert("gen".to_owned(), json!(500));
    let response = app
        .post("/refresh")
        .bearer(&crate::support::jwt::signed(&ahead))
        .send();
    response.refused(401, "refresh_superseded", "Token has been revoked");
    assert_eq!(ada.get("/protected").status, 200, "nothing was revoked");
}

fn ended_an_unused_session_ends_and_a_used_one_goes_on(on: Backend) {
    let app = on.app().with_ada();
    let (idle, used) = (app.bearer(), app.bearer());
    app.advance(Duration::from_secs(29 * 86_400));
    let used = used.refreshed();
    app.advance(Duration::from_secs(86_400));
    idle.try_refresh()
        .refused(401, "refresh_token_expired", "Token has expired");
    assert_eq!(used.try_refresh().status, 200);
}

fn ended_no_use_moves_the_absolute_end(on: Backend) {
    let app = on
        .app_with(&[
            ("SESSION_MAX_AGE", "3d"),
            ("JWT_REFRESH_TOKEN_EXPIRES", "2d"),
        ])
        .with_ada();
    let mut ada = app.bearer();
    for _ in 0..2 {
        app.advance(Duration::from_secs(86_400));
        ada = ada.refreshed();
    }
    assert_eq!(claims(&ada.refresh)["exp"], START.unix() + 3 * 86_400);
    app.advance(Duration::from_secs(86_400 - 100));
    ada = ada.refreshed();
    assert_eq!(
        claims(&ada.access)["exp"],
        START.unix() + 3 * 86_400,
        "no token outlives its session"
    );
    app.advance(Duration::from_secs(100));
    assert_eq!(ada.try_refresh().status, 401);
    assert_eq!(ada.get("/protected").status, 401);
}

fn ended_the_row_has_the_last_word_whatever_the_token_says(on: Backend) {
    let app = on.app().with_ada();
    let mut lasting = claims(&app.bearer().refresh);
    lasting.insert("exp".to_owned(), json!(START.unix() + 400 * 86_400));
    let lasting = crate::support::jwt::signed(&lasting);
    app.advance(Duration::from_secs(30 * 86_400));
    let response = app.post("/refresh").bearer(&lasting).send();
    response.refused(401, "session_expired", "Token has expired");
}

fn ended_a_disabled_user_is_told_so_and_can_come_back_by_logging_in(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    let store = app.other_store();
    let id = claims(&ada.access)["sub"].as_str().unwrap().to_owned();
    let context = app.context();
    let disable = store.change_user(&id, UserChange::Disable, &context);
    assert!(matches!(block_on(disable).unwrap(), Changed::Done(_)));
    ada.try_refresh()
        .refused(401, "user_disabled", "Token has been revoked");
    let login = || {
        app.post("/login")
            .json(json!({ "username": ADA.0, "password": ADA.1 }))
            .send()
    };
    login().refused(401, "bad_credentials", "Bad username or password");
    let enabled = block_on(store.change_user(&id, UserChange::Enable, &app.context()));
    assert!(matches!(enabled.unwrap(), Changed::Done(_)));
    assert_eq!(login().status, 200);
    assert_eq!(ada.try_refresh().status, 401, "what was ended stays ended");
}

fn ended_a_login_that_was_under_way_while_the_password_changed(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    let store = app.other_store();
    let said = claims(&ada.refresh);
    let (id, sid) = (said["sub"].as_str().unwrap(), said["sid"].as_str().unwrap());
    let before = block_on(store.load(sid)).unwrap().unwrap().session;
    let hash = block_on(store.user_by_id(id))
        .unwrap()
        .unwrap()
        .password_hash;
    let change = UserChange::Password { hash, keep: None };
    let changed = block_on(store.change_user(id, change, &app.context())).unwrap();
    assert!(matches!(changed, Changed::Done(_)));
    // The password was verified before the change, and the session would survive it.
    let late = Session {
        id: "late".to_owned(),
        ..before
    };
    assert!(!block_on(store.create(&late)).unwrap());
    let mut token = said.clone();
    token.insert("sid".to_owned(), json!("late"));
    let response = app
        .post("/refresh")
        .bearer(&crate::support::jwt::signed(&token))
        .send();
    response.refused(401, "session_revoked", "Token has been revoked");
}

fn a_token_with_another_users_id_is_not_the_session_s(on: Backend) {
    let app = on.app().with_ada();
    let mut forged = claims(&app.bearer().refresh);
    forged.insert("sub".to_owned(), json!("someone else"));
    let response = app
        .post("/refresh")
        .bearer(&crate::support::jwt::signed(&forged))
        .send();
    response.refused(401, "session_revoked", "Token has been revoked");
}

on_both_databases!(
    a_cookie_buys_new_cookies_and_a_script_sees_no_token,
    a_header_buys_tokens_in_the_body_and_no_cookie,
    a_cookie_needs_the_csrf_value_of_the_refresh_token,
    both_tokens_of_a_session_have_one_csrf_value_that_lasts,
    a_hint_says_which_cookie_goes_into_which_header,
    a_hint_says_that_cookies_hide_the_token_in_the_header,
    a_header_that_is_looked_at_first_needs_no_csrf_token,
    a_junk_header_does_not_switch_csrf_off,
    an_access_token_buys_nothing,
    rotate_each_use_past_the_window_makes_a_new_generation,
    again_within_the_window_the_current_token_stays,
    same_a_repeated_token_gets_the_same_successor_to_the_letter,
    theft_a_replaced_token_after_its_successor_was_used_ends_the_session,
    theft_the_token_before_once_its_successor_has_long_been_in_use,
    theft_is_written_down_as_what_it_was,
    the_csrf_header_of_each_token_has_its_own_name,
    csrf_protection_can_be_turned_off_and_a_token_without_the_claim_passes_no_other_way,
    theft_ends_one_session_and_no_other,
    theft_by_cookie_clears_the_cookies,
    recover_a_lost_answer_costs_nobody_a_login,
    future_a_generation_that_the_database_lost_goes_forward,
    ended_an_unused_session_ends_and_a_used_one_goes_on,
    ended_no_use_moves_the_absolute_end,
    ended_the_row_has_the_last_word_whatever_the_token_says,
    ended_a_disabled_user_is_told_so_and_can_come_back_by_logging_in,
    ended_a_login_that_was_under_way_while_the_password_changed,
    a_token_with_another_users_id_is_not_the_session_s,
);
