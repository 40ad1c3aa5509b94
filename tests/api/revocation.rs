//! Tests that revocations by a command or another replica take effect within a second. They survive
//! a restart, and a failover to a standby that lacked them.

use std::time::Duration;

use serde_json::json;
use tokenpair::clock::Clock;
use tokenpair::session::{EndReason, SessionStore};
use tokenpair_store::{Changed, UserChange};

use crate::support::jwt::claims;
use crate::support::{ADA, Backend, Bearer, Database, START, TestApp, block_on, within};

/// Waits until the access token is rejected, for at most a second.
#[track_caller]
fn ends_within_a_second(bearer: &Bearer<'_>) {
    within(1, "the token ends", || {
        bearer.get("/protected").status != 200
    });
    bearer
        .get("/protected")
        .refused(401, "token_revoked", "Token has been revoked");
}

fn a_session_ended_by_a_command_ends_here(on: Backend) {
    let app = on.app().with_ada();
    let (ended, other) = (app.bearer(), app.bearer());
    let sid = claims(&ended.access)["sid"].as_str().unwrap().to_owned();
    let revoke = app.other_store();
    assert_eq!(
        block_on(revoke.revoke(&sid, EndReason::Admin, &app.context())).unwrap(),
        Ok(true)
    );
    ends_within_a_second(&ended);
    assert_eq!(other.get("/protected").status, 200);
}

fn a_disabled_user_has_no_token_left_anywhere(on: Backend) {
    let app = on.app().with_ada();
    let (one, other) = (app.bearer(), app.bearer());
    let id = claims(&one.access)["sub"].as_str().unwrap().to_owned();
    let disable = app.other_store();
    let changed = block_on(disable.change_user(&id, UserChange::Disable, &app.context()));
    assert!(matches!(changed.unwrap(), Changed::Done(_)));
    ends_within_a_second(&one);
    ends_within_a_second(&other);
}

fn other_roles_given_elsewhere_end_the_access_tokens_and_no_session(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    let id = claims(&ada.access)["sub"].as_str().unwrap().to_owned();
    let store = app.other_store();
    let change = UserChange::Roles(vec!["author".to_owned()]);
    let changed = block_on(store.change_user(&id, change, &app.context())).unwrap();
    assert!(matches!(changed, Changed::Done(_)));
    ends_within_a_second(&ada);
    let ada = ada.refreshed();
    assert_eq!(ada.get("/protected").status, 200);
    assert_eq!(claims(&ada.access)["roles"][0], "author");
}

fn after_a_new_password_a_new_login_works_and_the_old_tokens_do_not(on: Backend) {
    let app = on.app().with_ada();
    let old = app.bearer();
    let id = claims(&old.access)["sub"].as_str().unwrap().to_owned();
    let store = app.other_store();
    let same_hash = block_on(store.user_by_id(&id))
        .unwrap()
        .unwrap()
        .password_hash;
    let change = UserChange::Password {
        hash: same_hash,
        keep: None,
    };
    let changed = block_on(store.change_user(&id, change, &app.context())).unwrap();
    assert!(matches!(changed, Changed::Done(_)));
    ends_within_a_second(&old);
    assert_eq!(old.try_refresh().status, 401);
    assert_eq!(
        app.bearer().get("/protected").status,
        200,
        "its epoch is the new one"
    );
}

fn a_logout_reaches_another_replica_and_outlasts_a_restart(on: Backend) {
    let database = Database::create(on);
    let first = TestApp::start(&database.url(), &[], Clock::fixed(START)).with_ada();
    let second = TestApp::start(&database.url(), &[], first.clock());
    let ada = first.bearer();
    let there = |app: &TestApp| app.get("/protected").bearer(&ada.access).send().status;
    assert_eq!((there(&first), there(&second)), (200, 200));
    assert_eq!(first.post("/logout").bearer(&ada.access).send().status, 200);
    assert_eq!(there(&first), 401, "at once where it happened");
    within(1, "the other hears of it", || there(&second) == 401);
    let clock = first.clock();
    drop((first, second));
    let restarted = TestApp::start(&database.url(), &[], clock);
    assert_eq!(there(&restarted), 401);
}

fn a_token_from_when_lifetimes_were_longer_is_believed_for_no_longer_than_its_revocation(
    on: Backend,
) {
    let database = Database::create(on);
    let day = [("JWT_ACCESS_TOKEN_EXPIRES", "24h")];
    let clock = Clock::fixed(START);
    let first = TestApp::start(&database.url(), &day, clock.clone()).with_ada();
    let (ended, lasting) = (first.bearer().access, first.bearer().access);
    assert_eq!(first.post("/logout").bearer(&ended).send().status, 200);
    drop(first);
    let second = TestApp::start(&database.url(), &[], clock);
    let opens = |token: &str| second.get("/protected").bearer(token).send().status;
    assert_eq!((opens(&ended), opens(&lasting)), (401, 200));
    second.advance(Duration::from_secs(2 * 3600));
    assert_eq!((opens(&ended), opens(&lasting)), (401, 401));
}

/// Undoes committed changes, as a failover to a standby that never received them does.
fn lose(database: &Database, undo: &[&str]) {
    let mut transaction = database.begin();
    for statement in undo.iter().chain(&["DELETE FROM revocations", "COMMIT"]) {
        transaction.batch_execute(statement).unwrap();
    }
}

const ENDS_OF_SESSIONS: &str = "UPDATE sessions SET revoked_at = NULL, revoke_reason = NULL";

/// Starts two servers. Only the first knows the lost changes, because the second starts from the
/// database after the loss.
fn after_losing(database: &Database, first: &TestApp, undo: &[&str]) -> TestApp {
    lose(database, undo);
    TestApp::start(&database.url(), &[], first.clock())
}

/// Waits until a server rejects both tokens of a session.
fn refuses(app: &TestApp, ended: &Bearer<'_>) {
    within(5, "the access token is refused", || {
        app.get("/protected").bearer(&ended.access).send().status == 401
    });
    app.get("/protected").bearer(&ended.access).send().refused(
        401,
        "token_revoked",
        "Token has been revoked",
    );
    let refresh = app.post("/refresh").bearer(&ended.refresh).send();
    assert_eq!(refresh.status, 401, "{refresh:?}");
}

fn count(database: &Database, from: &str) -> i64 {
    database.numbers(&format!("SELECT count(*) AS n FROM {from}"))[0]
}

fn a_logout_that_the_database_lost_is_written_again_by_the_server_that_knows_it(on: Backend) {
    let database = Database::create(on);
    let first = TestApp::start(&database.url(), &[], Clock::fixed(START)).with_ada();
    let (ended, other) = (first.bearer(), first.bearer());
    let logout = first.post("/logout").bearer(&ended.access).send();
    assert_eq!(logout.status, 200);
    let second = after_losing(&database, &first, &[ENDS_OF_SESSIONS]);
    refuses(&second, &ended);
    refuses(&first, &ended);
    assert_eq!(other.get("/protected").status, 200);
    let refresh = second.post("/refresh").bearer(&other.refresh).send();
    assert_eq!(refresh.status, 200, "{refresh:?}");
    let restored = "audit_events WHERE kind = 'session_revoked' AND detail = 'restored'";
    assert_eq!(count(&database, restored), 1, "once");
}

fn a_lost_change_of_a_user_leaves_its_tokens_and_sessions_ended_and_new_ones_good(on: Backend) {
    let database = Database::create(on);
    let first = TestApp::start(&database.url(), &[], Clock::fixed(START)).with_ada();
    let ended = first.bearer();
    let new = json!({ "current_password": ADA.1, "new_password": "another horse battery" });
    let changed = first.post("/account/password").bearer(&ended.access);
    assert_eq!(changed.json(new).send().status, 200);
    let second = after_losing(
        &database,
        &first,
        &[
            "UPDATE users SET epoch = 0",
            "UPDATE sessions SET epoch = 0",
        ],
    );
    refuses(&second, &ended);
    assert_eq!(
        count(&database, "audit_events WHERE kind = 'change_lost'"),
        1
    );
    let login = json!({ "username": ADA.0, "password": "another horse battery", "tokens": "body" });
    let login = second.post("/login").json(login).send().json();
    for app in [&first, &second] {
        let access = login["access_token"].as_str().unwrap();
        assert_eq!(app.get("/protected").bearer(access).send().status, 200);
        let refresh = login["refresh_token"].as_str().unwrap();
        assert_eq!(app.post("/refresh").bearer(refresh).send().status, 200);
    }
}

fn an_account_whose_deletion_was_lost_is_disabled(on: Backend) {
    let database = Database::create(on);
    let first = TestApp::start(&database.url(), &[], Clock::fixed(START)).with_ada();
    let ended = first.bearer();
    database.execute("CREATE TABLE old_users AS SELECT * FROM users");
    database.execute("CREATE TABLE old_sessions AS SELECT * FROM sessions");
    let delete = first.request("DELETE", "/account").bearer(&ended.access);
    let deleted = delete.json(json!({ "password": ADA.1 })).send();
    assert_eq!(deleted.status, 200, "{deleted:?}");
    let second = after_losing(
        &database,
        &first,
        &[
            "INSERT INTO users SELECT * FROM old_users",
            "INSERT INTO sessions SELECT * FROM old_sessions",
        ],
    );
    refuses(&second, &ended);
    for app in [&first, &second] {
        let login = json!({ "username": ADA.0, "password": ADA.1 });
        let login = app.post("/login").json(login).send();
        login.refused(401, "bad_credentials", "Bad username or password");
    }
    let lost = "audit_events WHERE kind = 'change_lost' AND detail = 'deleted'";
    assert_eq!(count(&database, lost), 1);
}

on_both_databases!(
    a_logout_that_the_database_lost_is_written_again_by_the_server_that_knows_it,
    a_lost_change_of_a_user_leaves_its_tokens_and_sessions_ended_and_new_ones_good,
    an_account_whose_deletion_was_lost_is_disabled,
    a_session_ended_by_a_command_ends_here,
    a_disabled_user_has_no_token_left_anywhere,
    other_roles_given_elsewhere_end_the_access_tokens_and_no_session,
    after_a_new_password_a_new_login_works_and_the_old_tokens_do_not,
    a_logout_reaches_another_replica_and_outlasts_a_restart,
    a_token_from_when_lifetimes_were_longer_is_believed_for_no_longer_than_its_revocation,
);
