//! Tests `/admin/events`, the audit trail.

use std::time::Duration;

use serde_json::{Value, json};

use crate::admin::{log_in, patch, register, with_root};
use crate::support::jwt::{claims, signed};
use crate::support::{Backend, Bearer, Browser, TestApp};

fn page(root: &Bearer<'_>, query: &str) -> Value {
    let response = root.get(&format!("/admin/events{query}"));
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

/// Returns all events of a user, the earliest first.
fn told(root: &Bearer<'_>, user_id: &str) -> Vec<Value> {
    let mut events = page(root, &format!("?user_id={user_id}"))["events"]
        .as_array()
        .unwrap()
        .clone();
    events.reverse();
    events
}

fn texts<'a>(events: &'a [Value], member: &str) -> Vec<&'a str> {
    let text = |event: &'a Value| event[member].as_str().unwrap_or("-");
    events.iter().map(text).collect()
}

fn try_to_log_in(app: &TestApp, name: &str, password: &str) -> u16 {
    let login = json!({ "username": name, "password": password });
    app.post("/login").json(login).send().status
}

fn a_login_and_a_logout_are_told_and_a_routine_refresh_is_not(on: Backend) {
    let (app, _) = with_root(on);
    let root = log_in(&app, "root");
    let id = register(&app, "ada");
    let mut ada = log_in(&app, "ada");
    let sid = claims(&ada.access)["sid"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        ada.refreshed();
        ada = ada.refreshed();
        app.advance(Duration::from_secs(68));
    }
    assert_eq!(app.post("/logout").bearer(&ada.access).send().status, 200);
    let events = told(&root, &id);
    assert_eq!(texts(&events, "kind"), ["user_created", "login", "logout"]);
    assert_eq!(texts(&events, "session_id"), ["-", &sid, &sid]);
    assert_eq!(texts(&events, "ip"), ["127.0.0.1"; 3]);
    assert_eq!(texts(&events, "detail"), ["ada", "-", "-"]);
    assert_eq!(
        texts(&events, "at"),
        [
            "2027-01-15T08:00:00Z",
            "2027-01-15T08:00:00Z",
            "2027-01-15T08:03:24Z"
        ]
    );
    assert_eq!(texts(&events, "actor_id"), ["-"; 3]);
    assert_eq!(events[0].as_object().unwrap().len(), 8);
}

fn a_refused_login_is_told_with_the_reason_that_the_client_is_not_told(on: Backend) {
    let (app, _) = with_root(on);
    let root = log_in(&app, "root");
    let id = register(&app, "ada");
    assert_eq!(try_to_log_in(&app, "ada", "a wrong password"), 401);
    patch(&app, &root, &id, json!({ "disabled": true }));
    assert_eq!(try_to_log_in(&app, "ada", "ada's password"), 401);
    assert_eq!(try_to_log_in(&app, "my-password-by-mistake", "ada"), 401);
    let page = page(&root, "?kind=login_failed");
    let events = page["events"].as_array().unwrap();
    assert_eq!(
        texts(events, "detail"),
        ["unknown user", "user disabled", "wrong password"]
    );
    assert_eq!(texts(events, "user_id"), ["-", &id, &id]);
    let all = page.to_string();
    assert!(
        !all.contains("mistake"),
        "people type passwords into the wrong field: {all}"
    );
}

fn a_lost_answer_and_a_copied_token_are_told_apart(on: Backend) {
    let (app, _) = with_root(on);
    let root = log_in(&app, "root");
    let id = register(&app, "ada");
    let first = log_in(&app, "ada");
    let unseen = first.refreshed();
    app.advance(Duration::from_secs(61));
    first.refreshed();
    let recovered = told(&root, &id);
    assert_eq!(
        texts(&recovered, "kind"),
        ["user_created", "login", "refresh_recovered"]
    );
    unseen
        .try_refresh()
        .refused(401, "refresh_token_reused", "Token has been revoked");
    let events = told(&root, &id);
    assert_eq!(
        texts(&events, "kind")[2..],
        ["refresh_recovered", "refresh_token_reused"]
    );
    assert_eq!(events[2]["session_id"], events[3]["session_id"]);
    assert_eq!(unseen.try_refresh().status, 401);
    assert_eq!(told(&root, &id).len(), 4, "ended once, told once");
}

fn a_token_from_a_commit_that_the_database_lost_is_told(on: Backend) {
    let (app, _) = with_root(on);
    let root = log_in(&app, "root");
    let id = register(&app, "ada");
    let mut ahead = claims(&log_in(&app, "ada").refresh);
    ahead.insert("gen".to_owned(), json!(4));
    let response = app.post("/refresh").bearer(&signed(&ahead)).send();
    assert_eq!(response.status, 200);
    let events = told(&root, &id);
    assert_eq!(
        texts(&events, "kind"),
        ["user_created", "login", "refresh_forward"]
    );
}

fn an_admin_s_acts_are_told_with_the_admin_s_name(on: Backend) {
    let (app, root_id) = with_root(on);
    let id = register(&app, "ada");
    let root = log_in(&app, "root");
    log_in(&app, "ada");
    for change in [
        json!({ "roles": ["author", "editor"] }),
        json!({ "disabled": true }),
        json!({ "disabled": false }),
    ] {
        assert_eq!(patch(&app, &root, &id, change).status, 200);
    }
    log_in(&app, "ada");
    let sessions = format!("/admin/users/{id}/sessions");
    let response = app.request("DELETE", &sessions).bearer(&root.access).send();
    assert_eq!(response.json()["ended"], 1);
    let mut events = told(&root, &id);
    events.retain(|event| event["actor_id"] == *root_id);
    assert_eq!(
        texts(&events, "kind"),
        [
            "roles_changed",
            "user_disabled",
            "user_enabled",
            "session_revoked"
        ]
    );
    assert_eq!(
        texts(&events, "detail"),
        ["author editor", "-", "-", "admin"]
    );
}

fn what_users_do_with_their_accounts_is_told(on: Backend) {
    let (app, _) = with_root(on);
    let root = log_in(&app, "root");
    let id = register(&app, "ada");
    let (ada, other) = (log_in(&app, "ada"), log_in(&app, "ada"));
    let other_sid = claims(&other.access)["sid"].as_str().unwrap().to_owned();
    let send = |method: &str, path: &str, ada: &Bearer<'_>, body: Value| {
        let request = app.request(method, path).bearer(&ada.access).json(body);
        request.send()
    };
    let end = format!("/sessions/{other_sid}");
    assert_eq!(send("DELETE", &end, &ada, json!({})).status, 200);
    let change =
        |current: &str| json!({ "current_password": current, "new_password": "another one" });
    let path = "/account/password";
    assert_eq!(send("POST", path, &ada, change("a wrong one")).status, 403);
    assert_eq!(
        send("POST", path, &ada, change("ada's password")).status,
        200
    );
    let ada = Bearer::log_in(&app, ("ada", "another one"));
    let confirmed = json!({ "password": "another one" });
    assert_eq!(send("DELETE", "/account", &ada, confirmed).status, 200);
    let mut events = told(&root, &id);
    events.retain(|event| event["kind"] != "login");
    assert_eq!(
        texts(&events, "kind"),
        [
            "user_created",
            "session_revoked",
            "confirmation_failed",
            "password_changed",
            "user_deleted"
        ]
    );
    assert_eq!(
        texts(&events, "detail"),
        ["ada", "revoked", "wrong password", "-", "ada"]
    );
    assert_eq!(texts(&events, "session_id")[1], other_sid);
    assert_eq!(texts(&events, "actor_id")[1..], [id.as_str(); 4]);
}

fn a_session_that_ends_for_a_newer_one_is_told(on: Backend) {
    let app = on.app_with(&[("SESSION_LIMIT", "1")]);
    let (id, root_id) = (register(&app, "ada"), register(&app, "root"));
    crate::admin::promote(&app, &root_id);
    let first = claims(&log_in(&app, "ada").access)["sid"].clone();
    log_in(&app, "ada");
    let root = log_in(&app, "root");
    let event = page(&root, "?kind=session_revoked")["events"][0].clone();
    assert_eq!(
        (&event["user_id"], &event["session_id"], &event["detail"]),
        (&json!(id), &first, &json!("limit"))
    );
}

fn events_are_paged_and_pages_stay_whole_while_new_events_come(on: Backend) {
    let (app, _) = with_root(on);
    let root = log_in(&app, "root");
    for name in ["a", "b", "c", "d", "e"] {
        register(&app, name);
    }
    let query = "?kind=user_created&limit=2";
    let first = page(&root, query);
    register(&app, "f");
    let after = |page: &Value| format!("{query}&before={}", page["next"].as_str().unwrap());
    let second = page(&root, &after(&first));
    let third = page(&root, &after(&second));
    let names = |page: &Value| texts(page["events"].as_array().unwrap(), "detail").join("");
    assert_eq!(
        (names(&first), names(&second), names(&third)),
        ("ed".to_owned(), "cb".to_owned(), "aroot".to_owned())
    );
    assert_eq!(third["next"], Value::Null, "a full page may be the last");
    let no_limit = "The parameter limit has to be a whole number from 1 to 200";
    let no_kind = "The parameter kind has to be a kind of event";
    let nul = "The address holds a NUL character";
    for (wrong, code, msg) in [
        ("?limit=0", "invalid_parameter", no_limit),
        ("?limit=201", "invalid_parameter", no_limit),
        ("?kind=nonsense", "invalid_parameter", no_kind),
        ("?kind=", "invalid_parameter", no_kind),
        ("?user_id=%00", "bad_request", nul),
    ] {
        root.get(&format!("/admin/events{wrong}"))
            .refused(400, code, msg);
    }
}

fn the_trail_is_the_admins_and_holds_no_token(on: Backend) {
    let (app, _) = with_root(on);
    register(&app, "ada");
    let ada = json!({ "username": "ada", "password": "ada's password" });
    let mut browser = Browser::log_in(&app, ada);
    browser.refresh();
    browser
        .get("/admin/events")
        .refused(403, "admin_required", "Only admins may do this");
    assert_eq!(app.get("/admin/events").send().status, 401);
    let root = log_in(&app, "root");
    let all = page(&root, "")["events"].to_string();
    for secret in ["eyJ", "password\"", "ada's"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

on_both_databases!(
    a_login_and_a_logout_are_told_and_a_routine_refresh_is_not,
    a_refused_login_is_told_with_the_reason_that_the_client_is_not_told,
    a_lost_answer_and_a_copied_token_are_told_apart,
    a_token_from_a_commit_that_the_database_lost_is_told,
    an_admin_s_acts_are_told_with_the_admin_s_name,
    what_users_do_with_their_accounts_is_told,
    a_session_that_ends_for_a_newer_one_is_told,
    events_are_paged_and_pages_stay_whole_while_new_events_come,
    the_trail_is_the_admins_and_holds_no_token,
);
