//! Tests `/admin/users`.

use serde_json::{Value, json};
use tokenpair_store::{Changed, UserChange};

use crate::support::jwt::claims;
use crate::support::{Backend, Bearer, Browser, Response, TestApp, block_on};

pub(crate) fn register(app: &TestApp, name: &str) -> String {
    let user = json!({ "username": name, "password": format!("{name}'s password") });
    let response = app.post("/register").json(user).send();
    response.json()["id"].as_str().unwrap().to_owned()
}

pub(crate) fn log_in<'a>(app: &'a TestApp, name: &str) -> Bearer<'a> {
    Bearer::log_in(app, (name, &format!("{name}'s password")))
}

/// Creates an admin as the operator would, without the server.
pub(crate) fn promote(app: &TestApp, id: &str) {
    let change = UserChange::Roles(vec!["admin".to_owned()]);
    let changed = block_on(app.other_store().change_user(id, change, &app.context())).unwrap();
    assert!(matches!(changed, Changed::Done(_)));
}

pub(crate) fn with_root(on: Backend) -> (TestApp, String) {
    with_root_on(on.app())
}

/// Adds an admin to a new server.
pub(crate) fn with_root_on(app: TestApp) -> (TestApp, String) {
    let root = register(&app, "root");
    promote(&app, &root);
    (app, root)
}

pub(crate) fn patch(app: &TestApp, admin: &Bearer<'_>, id: &str, body: Value) -> Response {
    app.request("PATCH", &format!("/admin/users/{id}"))
        .bearer(&admin.access)
        .json(body)
        .send()
}

fn only_admins_are_let_in_and_the_database_says_who_is_one(on: Backend) {
    let (app, root_id) = with_root(on);
    let deputy_id = register(&app, "deputy");
    let (root, ada) = (log_in(&app, "root"), log_in(&app, "deputy"));
    ada.get("/admin/users")
        .refused(403, "admin_required", "Only admins may do this");
    assert_eq!(app.get("/admin/users").send().status, 401);
    assert_eq!(root.get("/admin/users").status, 200);
    // A token that still has the role admin is denied once the database has not.
    let mut forged = claims(&ada.access);
    forged.insert("roles".to_owned(), json!(["admin"]));
    let forged = crate::support::jwt::signed(&forged);
    let response = app.get("/admin/users").bearer(&forged).send();
    response.refused(403, "admin_required", "Only admins may do this");
    for (path, method) in [
        (format!("/admin/users/{root_id}"), "PATCH"),
        (format!("/admin/users/{deputy_id}/sessions"), "DELETE"),
    ] {
        let request = app
            .request(method, &path)
            .bearer(&ada.access)
            .json(json!({ "disabled": true }));
        request
            .send()
            .refused(403, "admin_required", "Only admins may do this");
    }
}

fn a_user_who_is_no_admin_learns_nothing_of_what_a_route_takes(on: Backend) {
    let (app, root_id) = with_root(on);
    register(&app, "ada");
    let ada = log_in(&app, "ada");
    for path in ["/admin/users?page=x", "/admin/events?limit=x"] {
        ada.get(path)
            .refused(403, "admin_required", "Only admins may do this");
    }
    for wrong in [json!({}), json!({ "disabled": "x" }), json!([])] {
        patch(&app, &ada, &root_id, wrong).refused(
            403,
            "admin_required",
            "Only admins may do this",
        );
    }
}

fn users_are_listed_by_name_searched_and_paged(on: Backend) {
    let (app, _) = with_root(on);
    for name in ["Zoe", "anna", "ANNABEL", "b_b", "bob"] {
        register(&app, name);
    }
    let root = log_in(&app, "root");
    let names = |query: &str| {
        let page = root.get(&format!("/admin/users{query}")).json();
        let users = page["users"].as_array().unwrap().clone();
        let names: Vec<String> = users
            .iter()
            .map(|user| user["username"].as_str().unwrap().to_owned())
            .collect();
        (names.join(" "), page["total"].as_i64().unwrap())
    };
    assert_eq!(names(""), ("anna ANNABEL b_b bob root Zoe".to_owned(), 6));
    assert_eq!(names("?search=ANNA"), ("anna ANNABEL".to_owned(), 2));
    assert_eq!(names("?search=_"), ("b_b".to_owned(), 1));
    assert_eq!(names("?search=%25"), (String::new(), 0));
    assert_eq!(names("?per_page=2&page=2"), ("b_b bob".to_owned(), 6));
    assert_eq!(names("?per_page=2&page=9"), (String::new(), 6));
    for (wrong, name, most) in [
        ("?page=0", "page", 1_000_000),
        ("?page=x", "page", 1_000_000),
        ("?page=", "page", 1_000_000),
        ("?per_page=201&page=0", "page", 1_000_000),
        ("?per_page=201", "per_page", 200),
    ] {
        let msg = format!("The parameter {name} has to be a whole number from 1 to {most}");
        root.get(&format!("/admin/users{wrong}"))
            .refused(400, "invalid_parameter", &msg);
    }
    let user = root.get("/admin/users?search=root").json()["users"][0].clone();
    assert_eq!(user["roles"], json!(["admin"]));
    assert_eq!(
        (user.as_object().unwrap().len(), &user["disabled_at"]),
        (5, &Value::Null)
    );
}

fn a_disabled_user_is_out_at_once_and_back_when_enabled(on: Backend) {
    let (app, _) = with_root(on);
    let id = register(&app, "ada");
    let (root, ada) = (log_in(&app, "root"), log_in(&app, "ada"));
    let response = patch(&app, &root, &id, json!({ "disabled": true }));
    assert_eq!(
        (response.status, &response.json()["disabled_at"]),
        (200, &json!("2027-01-15T08:00:00Z"))
    );
    ada.get("/protected")
        .refused(401, "token_revoked", "Token has been revoked");
    ada.try_refresh()
        .refused(401, "user_disabled", "Token has been revoked");
    let login = json!({ "username": "ada", "password": "ada's password" });
    assert_eq!(app.post("/login").json(login).send().status, 401);
    let response = patch(&app, &root, &id, json!({ "disabled": false }));
    assert_eq!(
        (response.status, &response.json()["disabled_at"]),
        (200, &Value::Null)
    );
    assert_eq!(log_in(&app, "ada").get("/protected").status, 200);
    assert_eq!(ada.try_refresh().status, 401, "what was ended stays ended");
}

fn other_roles_take_hold_at_once_and_a_refresh_carries_them(on: Backend) {
    let (app, _) = with_root(on);
    let id = register(&app, "ada");
    let (root, ada) = (log_in(&app, "root"), log_in(&app, "ada"));
    let response = patch(&app, &root, &id, json!({ "roles": ["author", "admin"] }));
    assert_eq!(response.json()["roles"], json!(["author", "admin"]));
    ada.get("/protected")
        .refused(401, "token_revoked", "Token has been revoked");
    let ada = ada.refreshed();
    assert_eq!(claims(&ada.access)["roles"], json!(["author", "admin"]));
    assert_eq!(ada.get("/admin/users").status, 200);
    let no_list = "has to be a list of at most 16 texts";
    let no_role = "is wrong: a role has 1 to 32 lower-case letters, digits, - and _";
    for (wrong, told) in [
        (json!("admin"), no_list),
        (json!([1]), no_list),
        (json!(vec!["x"; 17]), no_list),
        (json!(["Two Words"]), no_role),
        (json!([""]), no_role),
    ] {
        let msg = format!("The parameter roles {told}");
        patch(&app, &root, &id, json!({ "roles": wrong })).refused(400, "invalid_parameter", &msg);
    }
    patch(&app, &root, &id, json!({ "disabled": "on" })).refused(
        400,
        "invalid_parameter",
        "The parameter disabled has to be true or false",
    );
    patch(&app, &root, &id, json!({})).refused(
        400,
        "missing_parameter",
        "Missing disabled or roles parameter",
    );
}

fn a_session_that_goes_on_with_other_roles_can_still_be_logged_out(on: Backend) {
    let (app, _) = with_root(on);
    let id = register(&app, "ada");
    let root = log_in(&app, "root");
    for name in ["access_token_cookie", "refresh_token_cookie"] {
        let login = json!({ "username": "ada", "password": "ada's password" });
        let browser = Browser::log_in(&app, login);
        let mut copy = browser.clone();
        patch(
            &app,
            &root,
            &id,
            json!({ "roles": [name.split('_').next().unwrap()] }),
        );
        // One of the two cookies only, with its CSRF value.
        let csrf = format!("csrf_{}", name.trim_end_matches("_cookie"));
        let logout = app
            .post("/logout")
            .cookie(&format!("{name}={}", browser.value(name)))
            .header("X-CSRF-TOKEN", browser.value(&csrf));
        assert_eq!(logout.send().status, 200);
        copy.refresh()
            .refused(401, "session_revoked", "Token has been revoked");
    }
}

fn the_last_admin_cannot_lock_everyone_out(on: Backend) {
    let (app, root_id) = with_root(on);
    let root = log_in(&app, "root");
    for change in [
        json!({ "disabled": true }),
        json!({ "roles": [] }),
        json!({ "roles": ["administrator"] }),
    ] {
        let response = patch(&app, &root, &root_id, change);
        response.refused(409, "last_admin", "This user is the last admin");
    }
    let deputy = register(&app, "deputy");
    assert_eq!(
        patch(&app, &root, &deputy, json!({ "roles": ["admin"] })).status,
        200
    );
    assert_eq!(
        patch(&app, &root, &root_id, json!({ "roles": [] })).status,
        200
    );
    let root = root.refreshed();
    root.get("/admin/users")
        .refused(403, "admin_required", "Only admins may do this");
}

fn an_admin_ends_a_users_sessions(on: Backend) {
    let (app, _) = with_root(on);
    let id = register(&app, "ada");
    let (root, one, two) = (
        log_in(&app, "root"),
        log_in(&app, "ada"),
        log_in(&app, "ada"),
    );
    let response = app
        .request("DELETE", &format!("/admin/users/{id}/sessions"))
        .bearer(&root.access)
        .send();
    assert_eq!(
        response.json(),
        json!({ "msg": "Sessions ended", "ended": 2 })
    );
    for ended in [one, two] {
        ended
            .get("/protected")
            .refused(401, "token_revoked", "Token has been revoked");
        ended
            .try_refresh()
            .refused(401, "session_revoked", "Token has been revoked");
    }
    assert_eq!(root.get("/protected").status, 200);
    patch(&app, &root, "nobody", json!({ "disabled": true })).refused(
        404,
        "user_not_found",
        "No such user",
    );
}

on_both_databases!(
    only_admins_are_let_in_and_the_database_says_who_is_one,
    a_user_who_is_no_admin_learns_nothing_of_what_a_route_takes,
    users_are_listed_by_name_searched_and_paged,
    a_disabled_user_is_out_at_once_and_back_when_enabled,
    other_roles_take_hold_at_once_and_a_refresh_carries_them,
    a_session_that_goes_on_with_other_roles_can_still_be_logged_out,
    the_last_admin_cannot_lock_everyone_out,
    an_admin_ends_a_users_sessions,
);
