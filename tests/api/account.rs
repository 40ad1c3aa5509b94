//! Tests `POST /account/password` and `DELETE /account`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::jwt::{claims, signed};
use crate::support::{ADA, Backend, Bearer, Response, TestApp};

const NEW: &str = "a better one for her";

fn change(app: &TestApp, bearer: &Bearer<'_>, current: &str, new: &str) -> Response {
    let body = json!({ "current_password": current, "new_password": new });
    app.post("/account/password")
        .bearer(&bearer.access)
        .json(body)
        .send()
}

fn login(app: &TestApp, password: &str) -> u16 {
    app.post("/login")
        .json(json!({ "username": ADA.0, "password": password }))
        .send()
        .status
}

fn token(response: &Response, name: &str) -> String {
    response.json()[name].as_str().unwrap().to_owned()
}

fn a_new_password_ends_all_other_sessions_and_gives_this_one_a_new_pair(on: Backend) {
    let app = on.app().with_ada();
    let (other, own) = (app.bearer(), app.bearer());
    let response = change(&app, &own, ADA.1, NEW);
    assert_eq!(
        (response.status, &response.json()["msg"]),
        (200, &json!("Password changed"))
    );
    let changed = response.json();
    let ends = ["expires_at", "refresh_expires_at"].map(|name| changed[name].as_i64());
    let now = app.now().unix();
    assert_eq!(ends, [Some(now + 3600), Some(now + 2_592_000)]);
    other
        .get("/protected")
        .refused(401, "token_revoked", "Token has been revoked");
    other
        .try_refresh()
        .refused(401, "session_revoked", "Token has been revoked");
    own.get("/protected")
        .refused(401, "token_revoked", "Token has been revoked");
    let (access, refresh) = (
        token(&response, "access_token"),
        token(&response, "refresh_token"),
    );
    assert_eq!(claims(&access)["fresh"], json!(true));
    assert_eq!(claims(&access)["sid"], claims(&own.access)["sid"]);
    assert_eq!(app.get("/protected").bearer(&access).send().status, 200);
    assert_eq!((login(&app, ADA.1), login(&app, NEW)), (401, 200));
    assert_eq!(app.post("/refresh").bearer(&refresh).send().status, 200);
}

fn this_session_s_older_token_buys_nothing_and_raises_no_alarm(on: Backend) {
    let app = on.app().with_ada();
    let own = app.bearer();
    let response = change(&app, &own, ADA.1, NEW);
    for _ in 0..2 {
        let late = own.try_refresh();
        late.refused(401, "refresh_superseded", "Token has been revoked");
        assert!(late.cookies().is_empty());
        app.advance(Duration::from_secs(68));
    }
    let refresh = token(&response, "refresh_token");
    assert_eq!(
        app.post("/refresh").bearer(&refresh).send().status,
        200,
        "nothing was revoked"
    );
}

fn a_browser_gets_new_cookies_and_goes_on(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let before = browser.clone();
    let csrf = browser.value("csrf_access_token").to_owned();
    let body = json!({ "current_password": ADA.1, "new_password": NEW });
    let without = browser.send(app.post("/account/password").json(body.clone()));
    without.refused(401, "csrf_missing", "Missing CSRF token");
    let changed = browser.send(
        app.post("/account/password")
            .header("X-CSRF-TOKEN", csrf)
            .json(body),
    );
    assert_eq!((changed.status, changed.cookies().len()), (200, 4));
    assert!(changed.json().get("access_token").is_none());
    let mut late_tab = before;
    let late = late_tab.refresh();
    late.refused(401, "refresh_superseded", "Token has been revoked");
    assert!(late.cookies().is_empty(), "the newer cookies stay");
    assert_eq!(browser.get("/protected").status, 200);
    assert_eq!(browser.refresh().status, 200);
}

fn the_present_password_has_to_be_given(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    change(&app, &ada, "wrong", NEW).refused(403, "wrong_password", "The password is wrong");
    change(&app, &ada, ADA.1, "short").refused(
        400,
        "password_too_short",
        "A password has at least 8 characters",
    );
    let missing = app
        .post("/account/password")
        .bearer(&ada.access)
        .json(json!({ "new_password": NEW }))
        .send();
    missing.refused(
        400,
        "missing_parameter",
        "Missing current_password parameter",
    );
    assert_eq!(ada.get("/protected").status, 200);
    assert_eq!(login(&app, ADA.1), 200);
}

fn what_is_sensitive_asks_for_a_fresh_token(on: Backend) {
    let app = on.app().with_ada();
    let stale = app.bearer().refreshed();
    change(&app, &stale, ADA.1, NEW).refused(401, "fresh_token_required", "Fresh token required");
    let delete = app
        .request("DELETE", "/account")
        .bearer(&stale.access)
        .json(json!({ "password": ADA.1 }));
    delete
        .send()
        .refused(401, "fresh_token_required", "Fresh token required");
}

fn delete(app: &TestApp, access: &str, body: Value) -> Response {
    app.request("DELETE", "/account")
        .bearer(access)
        .json(body)
        .send()
}

fn a_deleted_account_is_gone_with_all_its_tokens(on: Backend) {
    let app = on.app().with_ada();
    let (own, other) = (app.bearer(), app.bearer());
    delete(&app, &own.access, json!({ "password": "wrong" })).refused(
        403,
        "wrong_password",
        "The password is wrong",
    );
    let response = delete(&app, &own.access, json!({ "password": ADA.1 }));
    assert_eq!(
        (response.status, response.json()),
        (200, json!({ "msg": "Account deleted" }))
    );
    assert_eq!(response.cookies().len(), 4);
    for bearer in [&own, &other] {
        bearer
            .get("/protected")
            .refused(401, "token_revoked", "Token has been revoked");
        bearer
            .try_refresh()
            .refused(401, "session_revoked", "Token has been revoked");
    }
    assert_eq!(login(&app, ADA.1), 401);
    // The name is free, and its new owner is another user.
    let ada = json!({ "username": ADA.0, "password": ADA.1 });
    assert_eq!(app.post("/register").json(ada).send().status, 201);
    let new = app.bearer();
    assert_ne!(claims(&new.access)["sub"], claims(&own.access)["sub"]);
    assert_eq!(new.get("/protected").status, 200);
    let mut forged = claims(&own.access);
    forged.insert("epoch".to_owned(), json!(1_000_000));
    assert_eq!(
        app.get("/protected").bearer(&signed(&forged)).send().status,
        401
    );
}

on_both_databases!(
    a_new_password_ends_all_other_sessions_and_gives_this_one_a_new_pair,
    this_session_s_older_token_buys_nothing_and_raises_no_alarm,
    a_browser_gets_new_cookies_and_goes_on,
    the_present_password_has_to_be_given,
    what_is_sensitive_asks_for_a_fresh_token,
    a_deleted_account_is_gone_with_all_its_tokens,
);
