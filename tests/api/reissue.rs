//! The reissue middleware, condition by condition.

use std::time::Duration;

use serde_json::json;
use tokenpair::session::{Act, EndReason, SessionStore};

use crate::support::jwt::claims;
use crate::support::{ADA, Backend, Browser, START, block_on};

/// An hour's token has less than half an hour to live.
const NEAR_ITS_END: Duration = Duration::from_secs(1800);

fn a_cookie_near_its_end_gets_a_successor_after_the_response(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let before = browser.clone();
    app.advance(NEAR_ITS_END);
    let response = browser.get("/protected");
    assert_eq!(
        (response.status, response.json()),
        (200, json!({ "logged_in_as": "ada" }))
    );
    assert_eq!(
        response.cookie_names(),
        ["access_token_cookie", "csrf_access_token"]
    );
    let (old, new) = (
        claims(before.value("access_token_cookie")),
        claims(browser.value("access_token_cookie")),
    );
    assert_eq!(new["exp"], START.unix() + 1800 + 3600);
    assert_eq!(
        (&old["fresh"], &new["fresh"]),
        (&json!(true), &json!(false)),
        "a reissue never makes a token fresh"
    );
    assert_ne!(old["jti"], new["jti"]);
    for same in ["sid", "sub", "csrf", "username"] {
        assert_eq!(old[same], new[same], "{same}");
    }
    assert_eq!(
        before.value("csrf_access_token"),
        browser.value("csrf_access_token")
    );
    assert_eq!(
        browser.get("/protected").cookies().len(),
        0,
        "the successor is young"
    );
}

fn whoever_is_at_work_is_never_logged_out(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    for _ in 0..48 {
        app.advance(Duration::from_secs(1800));
        assert_eq!(browser.get("/protected").status, 200);
    }
}

fn a_young_token_gets_none(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    app.advance(NEAR_ITS_END - Duration::from_secs(1));
    assert_eq!(browser.get("/protected").cookies().len(), 0);
}

fn a_token_in_a_header_gets_none(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    app.advance(NEAR_ITS_END);
    let response = ada.get("/protected");
    assert_eq!((response.status, response.cookies().len()), (200, 0));
}

fn a_route_that_asks_for_no_token_gives_none(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    app.advance(NEAR_ITS_END);
    assert_eq!(browser.get("/health/live").cookies().len(), 0);
    assert_eq!(browser.get("/nowhere").cookies().len(), 0);
}

fn a_logout_stays_one(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    app.advance(NEAR_ITS_END);
    let response = browser.post("/logout");
    assert_eq!(
        response.cookies().len(),
        4,
        "the four removals and nothing after them"
    );
    assert!(browser.token_names().is_empty());
}

fn a_login_or_refresh_is_not_overwritten(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    app.advance(NEAR_ITS_END);
    assert_eq!(browser.refresh().cookies().len(), 4);
    app.advance(NEAR_ITS_END);
    let login = app
        .post("/login")
        .json(json!({ "username": ADA.0, "password": ADA.1 }));
    assert_eq!(browser.send(login).cookies().len(), 5, "and no reissue");
}

fn a_session_that_was_ended_elsewhere_gets_none(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let sid = claims(browser.value("access_token_cookie"))["sid"]
        .as_str()
        .unwrap()
        .to_owned();
    app.advance(NEAR_ITS_END);
    // So long ago that it is not read again: as if this replica had not heard of it yet.
    let long_ago = START - Duration::from_secs(86_400);
    let store = app.other_store();
    assert!(block_on(store.revoke(&sid, EndReason::Admin, &Act::at(long_ago))).unwrap());
    let response = browser.get("/protected");
    assert_eq!((response.status, response.cookies().len()), (200, 0));
}

fn a_successor_never_outlives_the_session(on: Backend) {
    let app = on.app_with(&[("SESSION_MAX_AGE", "70m")]).with_ada();
    let mut browser = app.browser();
    app.advance(NEAR_ITS_END);
    browser.get("/protected");
    assert_eq!(
        claims(browser.value("access_token_cookie"))["exp"],
        START.unix() + 70 * 60
    );
    app.advance(Duration::from_secs(30 * 60));
    let near = browser.get("/protected");
    assert_eq!(
        (near.status, near.cookies().len()),
        (200, 0),
        "another would end no later"
    );
    app.advance(Duration::from_secs(10 * 60));
    browser
        .get("/protected")
        .refused(401, "token_expired", "Token has expired");
}

fn a_remembered_login_stays_remembered(on: Backend) {
    let app = on.app().with_ada();
    let login = json!({ "username": ADA.0, "password": ADA.1, "remember": true });
    let mut browser = Browser::log_in(&app, login);
    app.advance(NEAR_ITS_END);
    assert!(
        browser
            .get("/protected")
            .cookie("access_token_cookie")
            .has("Max-Age=3600")
    );
}

fn a_reissue_counts_as_use_of_the_session(on: Backend) {
    let app = on
        .app_with(&[
            ("JWT_REFRESH_TOKEN_EXPIRES", "2h"),
            ("JWT_REISSUE_WITHIN", "30m"),
        ])
        .with_ada();
    let mut browser = app.browser();
    let store = app.other_store();
    let sid = claims(browser.value("access_token_cookie"))["sid"]
        .as_str()
        .unwrap()
        .to_owned();
    app.advance(NEAR_ITS_END);
    browser.get("/protected");
    let record = block_on(store.load(&sid)).unwrap().unwrap();
    assert_eq!(record.session.last_used_at, app.now());
}

fn the_window_can_be_closed(on: Backend) {
    let app = on
        .app_with(&[("JWT_REISSUE_WITHIN", "0"), ("JWT_DECODE_LEEWAY", "1m")])
        .with_ada();
    let mut browser = app.browser();
    app.advance(Duration::from_secs(3610));
    assert_eq!(browser.get("/protected").cookies().len(), 0);
}

on_both_databases!(
    a_cookie_near_its_end_gets_a_successor_after_the_response,
    whoever_is_at_work_is_never_logged_out,
    a_young_token_gets_none,
    a_token_in_a_header_gets_none,
    a_route_that_asks_for_no_token_gives_none,
    a_logout_stays_one,
    a_login_or_refresh_is_not_overwritten,
    a_session_that_was_ended_elsewhere_gets_none,
    a_successor_never_outlives_the_session,
    a_remembered_login_stays_remembered,
    a_reissue_counts_as_use_of_the_session,
    the_window_can_be_closed,
);
