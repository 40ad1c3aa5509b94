//! Tests the reissue middleware, condition by condition.

use std::time::Duration;

use serde_json::{Value, json};
use tokenpair::session::{EndReason, RequestContext, Session, SessionEnd, SessionStore};
use tokenpair_store::{EventKind, EventQuery};

use crate::support::jwt::{claims, signed};
use crate::support::{ADA, Backend, Browser, Response, START, TestApp, block_on};

/// After this time, a token of an hour has less than half an hour left.
const NEAR_ITS_END: Duration = Duration::from_secs(1800);

/// Past the rotation window.
const QUIET: Duration = Duration::from_secs(68);

/// The refresh cookie that a request carries beside the browser's access cookie.
fn get_with(app: &TestApp, browser: &Browser<'_>, refresh: &str) -> Response {
    let access = browser.value("access_token_cookie");
    let cookies = format!("access_token_cookie={access}; refresh_token_cookie={refresh}");
    app.get("/protected").cookie(&cookies).send()
}

fn sid(browser: &Browser<'_>) -> String {
    let claims = claims(browser.value("access_token_cookie"));
    claims["sid"].as_str().unwrap().to_owned()
}

fn session(app: &TestApp, sid: &str) -> Session {
    let record = block_on(app.other_store().load(sid));
    record.unwrap().unwrap().session
}

/// Asserts that the response sets no cookie, and that the session does not change.
#[track_caller]
fn no_successor(app: &TestApp, browser: &Browser<'_>, refresh: &str) {
    let before = session(app, &sid(browser));
    let response = get_with(app, browser, refresh);
    assert_eq!((response.status, response.cookies().len()), (200, 0));
    assert_eq!(session(app, &sid(browser)), before);
}

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
    // So long ago that the sync skips it: as if this replica had not read it yet.
    let long_ago = START - Duration::from_secs(86_400);
    let store = app.other_store();
    assert_eq!(
        block_on(store.revoke(&sid, EndReason::Admin, &RequestContext::at(long_ago))).unwrap(),
        Ok(true)
    );
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

fn an_access_cookie_alone_gets_none(on: Backend) {
    let app = on.app().with_ada();
    let browser = app.browser();
    let stolen = browser.value("access_token_cookie");
    app.advance(NEAR_ITS_END);
    let before = session(&app, &sid(&browser));
    let alone = app
        .get("/protected")
        .cookie(&format!("access_token_cookie={stolen}"))
        .send();
    assert_eq!((alone.status, alone.cookies().len()), (200, 0));
    // The refresh token counts only as a cookie.
    let elsewhere = app
        .get("/protected")
        .cookie(&format!("access_token_cookie={stolen}"))
        .bearer(browser.value("refresh_token_cookie"))
        .send();
    assert_eq!((elsewhere.status, elsewhere.cookies().len()), (200, 0));
    assert_eq!(session(&app, &sid(&browser)), before);
}

fn another_session_s_refresh_cookie_is_no_help(on: Backend) {
    let app = on.app().with_ada();
    let (browser, other) = (app.browser(), app.browser());
    app.advance(NEAR_ITS_END);
    no_successor(&app, &browser, other.value("refresh_token_cookie"));
    no_successor(&app, &browser, &app.bearer().refresh);
}

fn a_refresh_cookie_that_refresh_would_not_take_is_no_help(on: Backend) {
    let app = on.app().with_ada();
    let browser = app.browser();
    app.advance(NEAR_ITS_END);
    let good = browser.value("refresh_token_cookie");
    let with = |name: &str, value: Value| {
        let mut claims = claims(good);
        claims.insert(name.to_owned(), value);
        signed(&claims)
    };
    let without = |name: &str| {
        let mut claims = claims(good);
        claims.remove(name);
        signed(&claims)
    };
    let (head, signature) = good.rsplit_once('.').unwrap();
    let reversed: String = signature.chars().rev().collect();
    for bad in [
        "",
        "x.y.z",
        &format!("{head}.{reversed}"),
        browser.value("access_token_cookie"),
        &with("exp", json!(app.now().unix())),
        &with("nbf", json!(app.now().unix() + 60)),
        &with("type", json!("access")),
        &with("sub", json!("somebody else")),
        &with("gen", json!(0)),
        &with("gen", json!(2)),
        &without("gen"),
        &without("sid"),
    ] {
        no_successor(&app, &browser, bad);
    }
    assert_eq!(get_with(&app, &browser, good).cookies().len(), 2);
}

fn a_session_whose_tokens_were_given_in_a_body_is_never_reissued(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    app.advance(NEAR_ITS_END);
    let cookies = format!(
        "access_token_cookie={}; refresh_token_cookie={}",
        ada.access, ada.refresh
    );
    let response = app.get("/protected").cookie(&cookies).send();
    assert_eq!((response.status, response.cookies().len()), (200, 0));
    // Not after a refresh either, in any token location.
    let csrf = claims(&ada.refresh)["csrf"].as_str().unwrap().to_owned();
    let mut browser = Browser::new(&app);
    let refresh = app.post("/refresh").cookie(&cookies);
    let refreshed = browser.send(refresh.header("X-CSRF-TOKEN", csrf));
    assert_eq!((refreshed.status, refreshed.cookies().len()), (200, 4));
    app.advance(NEAR_ITS_END);
    let response = browser.get("/protected");
    assert_eq!((response.status, response.cookies().len()), (200, 0));
}

/// The thief has both cookies and never refreshes.
fn a_copy_from_before_two_refreshes_ends_the_session(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let thief = browser.clone();
    app.advance(NEAR_ITS_END - 2 * QUIET);
    assert_eq!(browser.refresh().cookies().len(), 4);
    app.advance(QUIET);
    assert_eq!(browser.refresh().cookies().len(), 4);
    app.advance(QUIET);
    let stolen = thief.value("refresh_token_cookie");
    let response = get_with(&app, &thief, stolen);
    assert_eq!(
        response.status, 200,
        "the request was authorized: {response:?}"
    );
    let mut jar = thief.clone();
    jar.keep(&response);
    assert!(
        jar.token_names().is_empty(),
        "all four are removed: {response:?}"
    );
    assert_eq!(
        session(&app, &sid(&thief)).revoked,
        Some(SessionEnd {
            at: app.now(),
            reason: EndReason::Reuse
        })
    );
    for mut holder in [thief, browser] {
        let refused = holder.get("/protected");
        refused.refused(401, "token_revoked", "Token has been revoked");
        let refused = holder.refresh();
        refused.refused(401, "session_revoked", "Token has been revoked");
    }
    let events = block_on(app.other_store().events(EventQuery {
        kind: Some(EventKind::RefreshTokenReused),
        user_id: None,
        before: None,
        limit: 10,
    }));
    let events = events.unwrap();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].actor_id, None, "nobody meant to: {events:?}");
}

/// The victim refreshes once. From then on, its reissues show that its new token has arrived.
fn a_copy_ends_the_session_once_the_new_token_came_back_with_a_reissue(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    app.advance(NEAR_ITS_END);
    let mut thief = browser.clone();
    assert_eq!(thief.get("/protected").cookies().len(), 2, "of one another");
    assert_eq!(browser.refresh().cookies().len(), 4);
    app.advance(NEAR_ITS_END);
    assert_eq!(
        thief.get("/protected").cookies().len(),
        2,
        "the new token has not been seen: it may be lost"
    );
    assert_eq!(browser.get("/protected").cookies().len(), 2);
    app.advance(NEAR_ITS_END);
    assert_eq!(thief.get("/protected").cookies().len(), 4);
    assert!(thief.token_names().is_empty(), "{:?}", thief.names());
    browser
        .get("/protected")
        .refused(401, "token_revoked", "Token has been revoked");
}

/// A tab that does not know of another tab's refresh sends the previous token.
fn a_tab_with_the_token_before_gets_one_as_long_as_a_refresh_would(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let before = browser.clone();
    app.advance(NEAR_ITS_END);
    assert_eq!(browser.refresh().cookies().len(), 4);
    let stale = before.value("refresh_token_cookie");
    assert_eq!(get_with(&app, &before, stale).cookies().len(), 2);
    // The response to the refresh was lost, so no client has the new token.
    app.advance(QUIET);
    let generation = session(&app, &sid(&before)).rotation;
    assert_eq!(get_with(&app, &before, stale).cookies().len(), 2);
    assert_eq!(
        session(&app, &sid(&before)).rotation,
        generation,
        "a reissue rotates nothing"
    );
    let mut before = before;
    assert_eq!(before.refresh().status, 200, "and the session is healed");
}

fn a_token_that_a_change_of_password_ended_gets_none_and_ends_nothing(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let before = browser.value("refresh_token_cookie").to_owned();
    let csrf = browser.value("csrf_access_token").to_owned();
    let change = json!({ "current_password": ADA.1, "new_password": "another long password" });
    let change = app.post("/account/password").json(change);
    let changed = browser.send(change.header("X-CSRF-TOKEN", csrf));
    assert_eq!(changed.status, 200, "{changed:?}");
    app.advance(NEAR_ITS_END);
    no_successor(&app, &browser, &before);
    assert_eq!(browser.get("/protected").cookies().len(), 2);
}

fn reissues_and_refreshes_at_once_leave_the_session_alive(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    for _ in 0..5 {
        app.advance(NEAR_ITS_END);
        let jar = browser.clone();
        let answers = crate::races::at_once(16, |number| match number % 4 {
            0 => jar.refresh_at(app.address()).send(),
            _ => jar.fill(app.get("/protected")).send(),
        });
        for answer in &answers {
            assert_eq!(answer.status, 200, "{answer:?}");
            let set = answer.cookies().len();
            assert!(set == 2 || set == 4, "{answer:?}");
        }
        let refreshed = answers.iter().find(|answer| answer.cookies().len() == 4);
        browser.keep(refreshed.expect("one of the refreshes rotated"));
    }
    assert_eq!(session(&app, &sid(&browser)).rotation.generation, 6);
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
    an_access_cookie_alone_gets_none,
    another_session_s_refresh_cookie_is_no_help,
    a_refresh_cookie_that_refresh_would_not_take_is_no_help,
    a_session_whose_tokens_were_given_in_a_body_is_never_reissued,
    a_copy_from_before_two_refreshes_ends_the_session,
    a_copy_ends_the_session_once_the_new_token_came_back_with_a_reissue,
    a_tab_with_the_token_before_gets_one_as_long_as_a_refresh_would,
    a_token_that_a_change_of_password_ended_gets_none_and_ends_nothing,
    reissues_and_refreshes_at_once_leave_the_session_alive,
    the_window_can_be_closed,
);
