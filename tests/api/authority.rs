//! Tests that a write checks again, in its transaction, everything that authorized the request.
//!
//! The interleavings are deterministic. A change that overtakes a request is made directly in the
//! database, in a transaction that stays open until the request wants to write. A request that
//! arrives late is held back by its last byte.

use std::sync::Barrier;
use std::time::Duration;

use serde_json::{Value, json};
use tokenpair::session::{EndReason, RequestContext, SessionStore};
use tokenpair_store::{Changed, UserChange};

use crate::admin::{log_in, patch, promote, register, with_root};
use crate::support::jwt::claims;
use crate::support::recorder::{all_sent, record};
use crate::support::{ADA, Backend, Bearer, Held, Request, Response, TestApp, block_on, within};

const NEW: &str = "the next one of hers";
const GONE: &str = "Token has been revoked";

fn change_password(app: &TestApp, access: &str, new: &str) -> Response {
    let body = json!({ "current_password": ADA.1, "new_password": new });
    app.post("/account/password")
        .bearer(access)
        .json(body)
        .send()
}

fn delete_account(app: &TestApp, access: &str, password: &str) -> Response {
    let body = json!({ "password": password });
    app.request("DELETE", "/account")
        .bearer(access)
        .json(body)
        .send()
}

fn login(app: &TestApp, (name, password): (&str, &str)) -> Response {
    let body = json!({ "username": name, "password": password, "tokens": "body" });
    app.post("/login").json(body).send()
}

fn sid(bearer: &Bearer<'_>) -> String {
    claims(&bearer.access)["sid"].as_str().unwrap().to_owned()
}

fn listed(bearer: &Bearer<'_>) -> Vec<Value> {
    let list = bearer.get("/sessions");
    assert_eq!(list.status, 200, "{list:?}");
    list.json()["sessions"].as_array().unwrap().clone()
}

fn one(app: &TestApp, query: &str) -> i64 {
    app.database().numbers(query)[0]
}

/// Returns everything that requests write, as numbers.
fn state(app: &TestApp) -> Vec<Vec<i64>> {
    [
        "SELECT epoch AS n FROM users ORDER BY id",
        "SELECT coalesce(disabled_at, 0) AS n FROM users ORDER BY id",
        "SELECT CAST(length(roles) AS BIGINT) AS n FROM users ORDER BY id",
        "SELECT coalesce(revoked_at, 0) AS n FROM sessions ORDER BY id",
        "SELECT count(*) AS n FROM revocations",
        "SELECT count(*) AS n FROM audit_events",
        "SELECT count(*) AS n FROM throttle",
    ]
    .map(|query| app.database().numbers(query))
    .into()
}

/// Starts a server with Ada, whose next password will be Grace's, and an admin.
pub(crate) fn with_ada_and_grace(on: Backend) -> TestApp {
    record();
    let app = on.app_with(&[("DATABASE_WAIT", "60s")]).with_ada();
    register(&app, "grace");
    promote(&app, &register(&app, "root"));
    // The purge at start writes too.
    within(30, "the purge at start", || {
        let purged = |sent: &String| sent.starts_with("DELETE FROM") && sent.contains("throttle");
        all_sent(&app).iter().any(purged)
    });
    app
}

const GRACES: &str = "grace's password";
const ADAS: &str = "(SELECT id FROM users WHERE username_key = 'ada')";

/// Returns the statements of `tokenpair user password ada`.
fn reset_by_the_operator() -> String {
    format!(
        "UPDATE users SET epoch = epoch + 1, password_hash = \
         (SELECT password_hash FROM users WHERE username_key = 'grace') WHERE username_key = 'ada'; \
         UPDATE sessions SET revoked_at = 1, revoke_reason = 'password' WHERE user_id = {ADAS};"
    )
}

/// Commits `statements` after the request has read the database and before it writes. Returns the
/// response.
pub(crate) fn overtaken<T: Send>(
    app: &TestApp,
    statements: &str,
    request: impl FnOnce() -> T + Send,
) -> T {
    let mut other = app.database().begin();
    other.batch_execute(statements).unwrap();
    let begun = || {
        let begins = |statement: &&String| statement.starts_with("BEGIN");
        all_sent(app).iter().filter(begins).count()
    };
    let before = begun();
    std::thread::scope(|scope| {
        let request = scope.spawn(request);
        within(60, "the request writes, or waits to", || {
            let waits = match app.database().url().starts_with("sqlite") {
                true => begun() > before,
                false => {
                    one(
                        app,
                        "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
                    ) > 0
                }
            };
            waits || request.is_finished()
        });
        other.batch_execute("COMMIT").unwrap();
        request.join().unwrap()
    })
}

fn a_reset_wins_over_a_password_change_in_flight(on: Backend) {
    let app = with_ada_and_grace(on);
    let thief = app.bearer();
    let late = overtaken(&app, &reset_by_the_operator(), || {
        change_password(&app, &thief.access, NEW)
    });
    late.refused(401, "session_revoked", GONE);
    let status = |password| login(&app, (ADA.0, password)).status;
    assert_eq!(
        (status(NEW), status(ADA.1), status(GRACES)),
        (401, 401, 200)
    );
    let changes = "SELECT count(*) AS n FROM audit_events WHERE kind = 'password_changed'";
    assert_eq!(one(&app, changes), 0, "what was refused is no event");
}

/// Also in one session: the session continues, but its password is no longer that of the second
/// request.
fn the_first_of_two_password_changes_stands(on: Backend) {
    let app = with_ada_and_grace(on);
    let ada = app.bearer();
    let first = format!(
        "UPDATE users SET epoch = epoch + 1, password_hash = \
         (SELECT password_hash FROM users WHERE username_key = 'grace') WHERE username_key = 'ada'; \
         UPDATE sessions SET epoch = epoch + 1 WHERE user_id = {ADAS};"
    );
    let second = overtaken(&app, &first, || change_password(&app, &ada.access, NEW));
    second.refused(403, "wrong_password", "The password is wrong");
    let status = |password| login(&app, (ADA.0, password)).status;
    assert_eq!((status(NEW), status(GRACES)), (401, 200));

    for round in 0..5 {
        let (app, barrier) = (on.app().with_ada(), Barrier::new(2));
        let logins = [app.bearer(), app.bearer()];
        let answers = std::thread::scope(|scope| {
            let threads = [0, 1].map(|number| {
                let (app, barrier) = (&app, &barrier);
                // Alternately in one session and in two.
                let access = &logins[number * (round % 2)].access;
                scope.spawn(move || {
                    barrier.wait();
                    change_password(app, access, &format!("{NEW} {number}")).status
                })
            });
            threads.map(|thread| thread.join().unwrap())
        });
        let works = |number| login(&app, (ADA.0, &format!("{NEW} {number}"))).status == 200;
        match answers {
            [200, 401 | 403] => assert!(works(0) && !works(1)),
            [401 | 403, 200] => assert!(works(1) && !works(0)),
            _ => panic!("{answers:?}"),
        }
    }
}

fn an_account_is_not_deleted_once_its_password_has_changed(on: Backend) {
    let app = with_ada_and_grace(on);
    let ada = app.bearer();
    let deleted = overtaken(&app, &reset_by_the_operator(), || {
        delete_account(&app, &ada.access, ADA.1)
    });
    deleted.refused(401, "session_revoked", GONE);
    assert_eq!(login(&app, (ADA.0, GRACES)).status, 200);
}

/// A rehash stores the same password under another hash, and does not change the password.
fn a_rehash_in_the_background_fails_no_request(on: Backend) {
    let app = with_ada_and_grace(on);
    let ada = app.bearer();
    let (old, anew) = (
        "(SELECT password_hash FROM users WHERE username_key = 'kept')",
        "UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE username_key = 'twin') \
         WHERE username_key = 'ada';",
    );
    for name in ["twin", "kept"] {
        let user = json!({ "username": name, "password": ADA.1 });
        assert_eq!(app.post("/register").json(user).send().status, 201);
    }
    let restore = format!("UPDATE users SET password_hash = {old} WHERE username_key = 'ada'");
    app.database().execute(&restore);
    assert_eq!(overtaken(&app, anew, || login(&app, ADA)).status, 200);
    app.database().execute(&restore);
    let changed = overtaken(&app, anew, || change_password(&app, &ada.access, ADA.1));
    assert_eq!(changed.status, 200, "{changed:?}");
    app.database().execute(&restore);
    let access = changed.json()["access_token"].as_str().unwrap().to_owned();
    let deleted = overtaken(&app, anew, || delete_account(&app, &access, ADA.1));
    assert_eq!(deleted.status, 200, "{deleted:?}");
}

fn a_login_fails_if_its_user_changes_meanwhile(on: Backend) {
    let app = with_ada_and_grace(on);
    let refused = |statements: &str, password: &str| {
        let sessions = "SELECT count(*) AS n FROM sessions WHERE revoked_at IS NULL";
        let failed = "SELECT count(*) AS n FROM audit_events \
                      WHERE kind = 'login_failed' AND detail = 'changed during login'";
        assert_eq!(
            login(&app, (ADA.0, password)).status,
            200,
            "it is the right one"
        );
        let before = (one(&app, sessions), one(&app, failed));
        let late = overtaken(&app, statements, || login(&app, (ADA.0, password)));
        late.refused(401, "bad_credentials", "Bad username or password");
        assert!(one(&app, sessions) <= before.0, "{statements}");
        assert_eq!(one(&app, failed), before.1 + 1, "{statements}");
    };
    refused(&reset_by_the_operator(), ADA.1);
    let ada = |change: &str| format!("UPDATE users SET {change} WHERE username_key = 'ada';");
    for disabled in ["disabled_at = 1", "disabled_at = 1, epoch = epoch + 1"] {
        refused(&ada(disabled), GRACES);
        app.database().execute(&ada("disabled_at = NULL"));
    }
    let gone = format!(
        "DELETE FROM sessions WHERE user_id = {ADAS}; DELETE FROM users WHERE username_key = 'ada';"
    );
    refused(&gone, GRACES);
}

fn a_role_change_revives_no_stale_session_and_none_is_listed(on: Backend) {
    let (app, _) = with_root(on);
    let id = register(&app, "ada");
    let root = log_in(&app, "root");
    let (stale, good) = (log_in(&app, "ada"), log_in(&app, "ada"));
    // A server before this rule left such a row, when the password changed during a login.
    let left = format!(
        "UPDATE users SET epoch = 1 WHERE id = '{id}'; \
         UPDATE sessions SET epoch = 1 WHERE id = '{}'",
        sid(&good)
    );
    left.split("; ")
        .for_each(|statement| app.database().execute(statement));
    let good = good.refreshed();
    let ids = |bearer: &Bearer<'_>| {
        let sessions = listed(bearer).into_iter();
        sessions
            .map(|session| session["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&good), [sid(&good)], "it can never be used");
    for roles in [json!(["author"]), json!([])] {
        assert_eq!(
            patch(&app, &root, &id, json!({ "roles": roles })).status,
            200
        );
        stale.try_refresh().refused(401, "session_revoked", GONE);
    }
    let good = good.refreshed();
    assert_eq!(ids(&good), [sid(&good)]);
    app.database().execute(&format!(
        "UPDATE users SET disabled_at = 1 WHERE id = '{id}'"
    ));
    assert_eq!(
        listed(&good),
        [json!(null); 0],
        "nor can any of a disabled user"
    );
}

/// Returns an admin's request to each route that writes. The last two are for admins only.
fn writes(app: &TestApp, admin: &Bearer<'_>, other: &str, ada: &str) -> Vec<(String, Request)> {
    let password = "root's password";
    let change = json!({ "current_password": password, "new_password": NEW });
    [
        ("POST", "/account/password".to_owned(), change),
        (
            "DELETE",
            "/account".to_owned(),
            json!({ "password": password }),
        ),
        ("DELETE", "/sessions".to_owned(), json!(null)),
        ("DELETE", format!("/sessions/{other}"), json!(null)),
        (
            "PATCH",
            format!("/admin/users/{ada}"),
            json!({ "disabled": true, "roles": ["x"] }),
        ),
        (
            "DELETE",
            format!("/admin/users/{ada}/sessions"),
            json!(null),
        ),
    ]
    .map(|(method, path, body)| {
        let request = app.request(method, &path).bearer(&admin.access);
        let request = match body {
            Value::Null => request,
            body => request.json(body),
        };
        (format!("{method} {path}"), request)
    })
    .into()
}

/// The guard does not learn of changes made directly in the database, so only the transaction can
/// deny.
fn no_route_writes_once_its_authority_is_gone(on: Backend) {
    let (app, root_id) = with_root(on);
    let ada = register(&app, "ada");
    promote(&app, &register(&app, "deputy"));
    let (_adas, other) = (log_in(&app, "ada"), sid(&log_in(&app, "root")));
    let root = log_in(&app, "root");
    let own = sid(&root);
    for lost in ways_to_lose_authority(&app, &root_id, &own) {
        app.database().execute(&lost.ended);
        let requests = writes(&app, &root, &other, &ada);
        all_are_refused(&app, requests, (401, lost.code));
        app.database().execute(&lost.restored);
    }
    // After a change of roles, the session continues, but this token is revoked.
    let user = |change: &str| format!("UPDATE users SET {change} WHERE id = '{root_id}'");
    app.database().execute(&user("epoch = 2"));
    let session = format!("UPDATE sessions SET epoch = 2 WHERE id = '{own}'");
    app.database().execute(&session);
    let requests = writes(&app, &root, &other, &ada);
    all_are_refused(&app, requests, (401, "token_revoked"));
    let root = root.refreshed();
    app.database().execute(&user("roles = 'author'"));
    let of_admins = writes(&app, &root, &other, &ada).split_off(4);
    all_are_refused(&app, of_admins, (403, "admin_required"));

    let root = log_in(&app, "deputy");
    let done = writes(&app, &root, &sid(&root), &ada).split_off(4);
    let done = done.into_iter().map(|(_, request)| request.send().status);
    let statuses: Vec<u16> = done.collect();
    assert_eq!(statuses, [200, 200], "with good reason all of it is done");
}

/// A statement that takes a request's authority, the one that gives it back, and the code between.
struct Lost {
    ended: String,
    restored: String,
    code: &'static str,
}

fn ways_to_lose_authority(app: &TestApp, user_id: &str, sid: &str) -> [Lost; 5] {
    let user = |change: &str| format!("UPDATE users SET {change} WHERE id = '{user_id}'");
    let session = |change: &str| format!("UPDATE sessions SET {change} WHERE id = '{sid}'");
    let end = format!("SELECT expires_at AS n FROM sessions WHERE id = '{sid}'");
    let (now, end) = (app.now().unix(), one(app, &end));
    let lost = |ended: String, restored: String, code| Lost {
        ended,
        restored,
        code,
    };
    [
        lost(
            session("revoked_at = 1"),
            session("revoked_at = NULL"),
            "session_revoked",
        ),
        lost(
            session("id = 'purged'"),
            format!("UPDATE sessions SET id = '{sid}' WHERE id = 'purged'"),
            "session_revoked",
        ),
        lost(
            session("epoch = 0"),
            session("epoch = 1"),
            "session_revoked",
        ),
        lost(
            session(&format!("expires_at = {now}")),
            session(&format!("expires_at = {end}")),
            "session_expired",
        ),
        lost(
            user("disabled_at = 1"),
            user("disabled_at = NULL"),
            "user_disabled",
        ),
    ]
}

/// Asserts that each request is refused with this status and code, and that none writes.
fn all_are_refused(app: &TestApp, requests: Vec<(String, Request)>, refusal: (u16, &str)) {
    let (status, code) = refusal;
    let before = state(app);
    for (route, request) in requests {
        let answer = request.send();
        assert_eq!(answer.json()["code"], code, "{route}: {answer:?}");
        match code {
            "admin_required" => assert_eq!(answer.status, status, "{route}"),
            "session_expired" => answer.refused(status, code, "Token has expired"),
            _ => answer.refused(status, code, GONE),
        }
    }
    assert_eq!(state(app), before, "{code}");
}

/// The last byte of a body arrives after the logout.
fn nothing_that_arrives_after_a_logout_takes_effect(on: Backend) {
    let (app, _) = with_root(on);
    let ada = register(&app, "ada");
    let password = "root's password";
    let patch = format!("/admin/users/{ada}");
    let routes = [
        ("PATCH", patch.as_str(), json!({ "disabled": true })),
        (
            "POST",
            "/account/password",
            json!({ "current_password": password, "new_password": NEW }),
        ),
        // A late request does not learn whether a password is right.
        (
            "POST",
            "/account/password",
            json!({ "current_password": "wrong", "new_password": NEW }),
        ),
        ("DELETE", "/account", json!({ "password": password })),
        ("DELETE", "/account", json!({ "password": "wrong" })),
    ];
    let store = app.other_store();
    for (method, path, body) in routes {
        let held = |bearer: &Bearer<'_>| Held::send(&app, method, path, &bearer.access, &body);
        let root = log_in(&app, "root");
        let late = held(&root);
        assert_eq!(app.post("/logout").bearer(&root.access).send().status, 200);
        let before = state(&app);
        let (status, answer) = late.finish();
        // The guard of admins asks the database, which may see the logout first.
        let asks_database = method == "PATCH";
        let code = answer["code"].as_str().unwrap();
        assert!(
            code == "token_revoked" || asks_database && code == "session_revoked",
            "{method} {path}: {answer}"
        );
        assert_eq!(status, 401, "{method} {path}: {answer}");
        assert_eq!(state(&app), before);

        // The logout happens on another server.
        let root = log_in(&app, "root");
        let late = held(&root);
        let context = RequestContext::at(app.now());
        assert_eq!(
            block_on(store.revoke(&sid(&root), EndReason::Logout, &context)).unwrap(),
            Ok(true)
        );
        let before = state(&app);
        let (status, answer) = late.finish();
        let code = answer["code"].as_str().unwrap();
        assert!(
            status == 401 && ["token_revoked", "session_revoked"].contains(&code),
            "{answer}"
        );
        assert_eq!(state(&app), before);
    }
}

fn nothing_that_arrives_after_the_token_has_expired_takes_effect(on: Backend) {
    let (app, _) = with_root(on);
    let patch = format!("/admin/users/{}", register(&app, "ada"));
    let (root, disable) = (log_in(&app, "root"), json!({ "disabled": true }));
    let late = Held::send(&app, "PATCH", &patch, &root.access, &disable);
    app.advance(Duration::from_secs(3600));
    let (status, answer) = late.finish();
    assert_eq!((status, &answer["code"]), (401, &json!("token_expired")));
    let disabled = "SELECT count(*) AS n FROM users WHERE disabled_at IS NOT NULL";
    assert_eq!(one(&app, disabled), 0);
}

fn a_patch_is_applied_whole_or_not_at_all(on: Backend) {
    let (app, root_id) = with_root(on);
    let ada = register(&app, "ada");
    let root = log_in(&app, "root");
    let before = state(&app);
    for both in [
        json!({ "roles": ["admin", "author"], "disabled": true }),
        json!({ "roles": ["author"], "disabled": false }),
        json!({ "roles": [], "disabled": true }),
    ] {
        let answer = patch(&app, &root, &root_id, both);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (409, &json!("last_admin"))
        );
        assert_eq!(state(&app), before);
    }
    let both = json!({ "roles": ["author"], "disabled": true });
    let answer = patch(&app, &root, &ada, both).json();
    assert_eq!(answer["roles"], json!(["author"]));
    assert_eq!(answer["disabled_at"], "2027-01-15T08:00:00Z");
    let epoch = format!("SELECT epoch AS n FROM users WHERE id = '{ada}'");
    assert_eq!(one(&app, &epoch), 1, "changed once");
    let told = |kind| {
        let of = format!("kind = '{kind}' AND user_id = '{ada}'");
        one(
            &app,
            &format!("SELECT count(*) AS n FROM audit_events WHERE {of}"),
        )
    };
    assert_eq!((told("roles_changed"), told("user_disabled")), (1, 1));
    let back = patch(&app, &root, &ada, json!({ "roles": [], "disabled": false })).json();
    assert_eq!(
        (&back["roles"], &back["disabled_at"]),
        (&json!([]), &json!(null))
    );
    assert_eq!((one(&app, &epoch), told("user_enabled")), (2, 1));
}

const ADMINS: &str =
    "SELECT count(*) AS n FROM users WHERE roles = 'admin' AND disabled_at IS NULL";

/// One of two admins is disabled meanwhile, so the other becomes the last admin.
fn an_admin_who_becomes_the_last_one_meanwhile_stays(on: Backend) {
    let disabled =
        "UPDATE users SET epoch = epoch + 1, disabled_at = 1 WHERE username_key = 'deputy';";
    let back = "UPDATE users SET disabled_at = NULL WHERE username_key = 'deputy'";
    let app = with_ada_and_grace(on);
    promote(&app, &register(&app, "deputy"));
    let root = log_in(&app, "root");
    let id = claims(&root.access)["sub"].as_str().unwrap().to_owned();
    for change in [json!({ "roles": [] }), json!({ "disabled": true })] {
        let late = overtaken(&app, disabled, || patch(&app, &root, &id, change.clone()));
        assert_eq!(
            (late.status, &late.json()["code"]),
            (409, &json!("last_admin"))
        );
        app.database().execute(back);
    }
    let late = overtaken(&app, disabled, || {
        delete_account(&app, &root.access, "root's password")
    });
    assert_eq!(
        (late.status, &late.json()["code"]),
        (409, &json!("last_admin"))
    );
    app.database().execute(back);
    let late = overtaken(&app, disabled, || {
        let context = RequestContext::of_operator(app.now());
        block_on(
            app.other_store()
                .change_user(&id, UserChange::Disable, &context),
        )
        .unwrap()
    });
    assert!(matches!(late, Changed::LastAdmin), "{late:?}");
    assert_eq!(one(&app, ADMINS), 1);
}

fn admins_who_remove_each_other_leave_one(on: Backend) {
    let (app, root_id) = with_root(on);
    let deputy_id = register(&app, "deputy");
    promote(&app, &deputy_id);
    let ids = [root_id, deputy_id];
    let names = ["root", "deputy"];
    for round in 0..12 {
        let logins = names.map(|name| log_in(&app, name));
        let barrier = Barrier::new(2);
        let answers = std::thread::scope(|scope| {
            let threads = [0, 1].map(|number| {
                let (app, barrier, own) = (&app, &barrier, &logins[number]);
                let (id, other) = (&ids[number], &ids[1 - number]);
                scope.spawn(move || {
                    barrier.wait();
                    let answer = match round % 4 {
                        0 => patch(app, own, other, json!({ "disabled": true })),
                        1 => patch(app, own, other, json!({ "roles": [], "disabled": false })),
                        2 => patch(app, own, id, json!({ "roles": [] })),
                        // One admin disables the other, who disables itself.
                        _ => patch(
                            app,
                            own,
                            &ids_of(number, id, other),
                            json!({ "disabled": true }),
                        ),
                    };
                    answer.status
                })
            });
            threads.map(|thread| thread.join().unwrap())
        });
        assert!(answers.iter().all(|status| *status < 500), "{answers:?}");
        assert_eq!(one(&app, ADMINS), 1, "round {round}: {answers:?}");
        app.database()
            .execute("UPDATE users SET roles = 'admin', disabled_at = NULL");
    }
}

/// Returns the id of the second admin, for either of the two.
fn ids_of(number: usize, own: &str, other: &str) -> String {
    match number {
        0 => other.to_owned(),
        _ => own.to_owned(),
    }
}

/// A deadlock would be a 503.
fn concurrent_writes_never_deadlock(on: Backend) {
    let (app, root_id) = with_root(on);
    let deputy_id = register(&app, "deputy");
    promote(&app, &deputy_id);
    for _ in 0..4 {
        let logins: Vec<_> = (0..3)
            .flat_map(|_| [log_in(&app, "root"), log_in(&app, "deputy")])
            .collect();
        let barrier = Barrier::new(logins.len());
        std::thread::scope(|scope| {
            for (number, own) in logins.iter().enumerate() {
                let (app, barrier) = (&app, &barrier);
                let other = [&deputy_id, &root_id][number % 2];
                let path = match number / 2 {
                    0 => "/sessions".to_owned(),
                    1 => format!("/admin/users/{other}/sessions"),
                    _ => format!("/sessions/{}", sid(&logins[number % 2])),
                };
                scope.spawn(move || {
                    barrier.wait();
                    let answer = app.request("DELETE", &path).bearer(&own.access).send();
                    assert!([200, 401, 404].contains(&answer.status), "{answer:?}");
                });
            }
        });
    }
}

/// A token of another server has no session, but its user may be known here.
fn a_foreign_token_writes_while_its_user_may(on: Backend) {
    let app = on.app_with(&[("JWT_ACCEPT_FOREIGN", "true")]).with_ada();
    let ada = app.bearer();
    let mut foreign = claims(&ada.access);
    for claim in ["sid", "epoch", "roles", "username"] {
        foreign.remove(claim);
    }
    let foreign = crate::support::jwt::signed(&foreign);
    let end = || app.request("DELETE", "/sessions").bearer(&foreign).send();
    app.database().execute("UPDATE users SET disabled_at = 1");
    end().refused(401, "user_disabled", GONE);
    assert_eq!(delete_account(&app, &foreign, ADA.1).status, 401);
    app.database()
        .execute("UPDATE users SET disabled_at = NULL");
    assert_eq!(end().json()["ended"], 1);
    assert_eq!(delete_account(&app, &foreign, "wrong").status, 403);
    assert_eq!(delete_account(&app, &foreign, ADA.1).status, 200);
}

on_both_databases!(
    a_reset_wins_over_a_password_change_in_flight,
    the_first_of_two_password_changes_stands,
    an_account_is_not_deleted_once_its_password_has_changed,
    a_rehash_in_the_background_fails_no_request,
    a_login_fails_if_its_user_changes_meanwhile,
    a_role_change_revives_no_stale_session_and_none_is_listed,
    no_route_writes_once_its_authority_is_gone,
    nothing_that_arrives_after_a_logout_takes_effect,
    nothing_that_arrives_after_the_token_has_expired_takes_effect,
    a_patch_is_applied_whole_or_not_at_all,
    an_admin_who_becomes_the_last_one_meanwhile_stays,
    admins_who_remove_each_other_leave_one,
    concurrent_writes_never_deadlock,
    a_foreign_token_writes_while_its_user_may,
);
