//! Tests `GET /sessions`, `DELETE /sessions/{id}` and `DELETE /sessions`.

use std::time::Duration;

use serde_json::{Value, json};
use tokenpair_store::{DieselStore, PurgePolicy, Purged};

use crate::support::jwt::claims;
use crate::support::{ADA, Backend, Bearer, Browser, START, TestApp, block_on};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

fn sid(bearer: &Bearer<'_>) -> String {
    claims(&bearer.access)["sid"].as_str().unwrap().to_owned()
}

fn listed(bearer: &Bearer<'_>) -> Vec<Value> {
    let response = bearer.get("/sessions");
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["sessions"].as_array().unwrap().clone()
}

fn end(app: &TestApp, bearer: &Bearer<'_>, path: &str) -> crate::support::Response {
    app.request("DELETE", path).bearer(&bearer.access).send()
}

fn everyone_sees_where_they_are_logged_in_and_nothing_secret(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = Browser::new(&app);
    let login = json!({ "username": ADA.0, "password": ADA.1 });
    browser.send(app.post("/login").header("User-Agent", FIREFOX).json(login));
    app.advance(Duration::from_secs(60));
    let program = app.bearer();
    let sessions = listed(&program);
    assert_eq!(sessions.len(), 2);
    assert_eq!(
        sessions[1],
        json!({
            "id": claims(browser.value("access_token_cookie"))["sid"],
            "device": "Firefox on Linux",
            "ip": "127.0.0.1",
            "created_at": "2027-01-15T08:00:00Z",
            "last_used_at": "2027-01-15T08:00:00Z",
            "expires_at": "2027-02-14T08:00:00Z",
            "current": false,
        })
    );
    assert_eq!(
        (&sessions[0]["current"], &sessions[0]["id"]),
        (&json!(true), &json!(sid(&program)))
    );
    let ours = browser.get("/sessions").json();
    assert_eq!(
        (
            &ours["sessions"][0]["current"],
            &ours["sessions"][1]["current"]
        ),
        (&json!(false), &json!(true))
    );
}

fn what_has_ended_is_not_listed(on: Backend) {
    let app = on.app().with_ada();
    let (_idle, ended) = (app.bearer(), app.bearer());
    app.post("/logout").bearer(&ended.access).send();
    app.advance(Duration::from_secs(30 * 86_400));
    let now = app.bearer();
    assert_eq!(listed(&now).len(), 1);
}

fn a_session_is_ended_from_another_at_once(on: Backend) {
    let app = on.app().with_ada();
    let (lost, own) = (app.bearer(), app.bearer());
    let response = end(&app, &own, &format!("/sessions/{}", sid(&lost)));
    assert_eq!(
        (response.status, response.json()),
        (200, json!({ "msg": "Session ended" }))
    );
    assert!(response.cookies().is_empty());
    lost.get("/protected")
        .refused(401, "token_revoked", "Token has been revoked");
    lost.try_refresh()
        .refused(401, "session_revoked", "Token has been revoked");
    assert_eq!(listed(&own).len(), 1);
    let again = end(&app, &own, &format!("/sessions/{}", sid(&lost)));
    again.refused(404, "session_not_found", "No such session");
}

fn one_s_own_session_ended_is_a_logout(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let own = claims(browser.value("access_token_cookie"))["sid"]
        .as_str()
        .unwrap()
        .to_owned();
    let csrf = browser.value("csrf_access_token").to_owned();
    let path = format!("/sessions/{own}");
    browser
        .send(app.request("DELETE", &path))
        .refused(401, "csrf_missing", "Missing CSRF token");
    let response = browser.send(app.request("DELETE", &path).header("X-CSRF-TOKEN", csrf));
    assert_eq!(response.status, 200);
    assert!(browser.token_names().is_empty());
}

fn other_people_s_sessions_are_not_there(on: Backend) {
    let app = on.app().with_ada();
    let grace = json!({ "username": "grace", "password": "a password of hers" });
    app.post("/register").json(grace).send();
    let (ada, grace) = (
        app.bearer(),
        Bearer::log_in(&app, ("grace", "a password of hers")),
    );
    assert_eq!(listed(&grace).len(), 1);
    for id in [sid(&ada), "nothing".to_owned(), "..".to_owned()] {
        let response = end(&app, &grace, &format!("/sessions/{id}"));
        assert_eq!(response.status, 404, "{id}");
    }
    end(&app, &grace, "/sessions");
    assert_eq!(ada.get("/protected").status, 200);
}

fn all_others_are_ended_and_the_present_one_goes_on(on: Backend) {
    let app = on.app().with_ada();
    let (one, two, own) = (app.bearer(), app.bearer(), app.bearer());
    let response = end(&app, &own, "/sessions");
    assert_eq!(
        response.json(),
        json!({ "msg": "All other sessions ended", "ended": 2 })
    );
    for ended in [one, two] {
        ended
            .get("/protected")
            .refused(401, "token_revoked", "Token has been revoked");
    }
    assert_eq!(own.get("/protected").status, 200);
    assert_eq!(own.try_refresh().status, 200);
    assert_eq!(end(&app, &own, "/sessions").json()["ended"], 0);
}

fn a_strict_policy_takes_every_replaced_token_for_theft(on: Backend) {
    let app = on
        .app_with(&[("SESSION_REUSE_POLICY", "strict")])
        .with_ada();
    let first = app.bearer();
    let second = first.refreshed();
    first
        .try_refresh()
        .refused(401, "refresh_token_reused", "Token has been revoked");
    assert_eq!(second.try_refresh().status, 401);
}

fn past_the_limit_the_oldest_session_ends(on: Backend) {
    let app = on.app_with(&[("SESSION_LIMIT", "2")]).with_ada();
    let logins: Vec<Bearer<'_>> = (0..4)
        .map(|_| {
            app.advance(Duration::from_secs(1));
            app.bearer()
        })
        .collect();
    let open = |bearer: &Bearer<'_>| bearer.get("/protected").status == 200;
    assert_eq!(
        logins.iter().map(open).collect::<Vec<_>>(),
        [false, false, true, true]
    );
    assert_eq!(listed(&logins[3]).len(), 2);
}

fn what_is_long_over_is_purged_and_what_matters_is_kept(on: Backend) {
    let app = on.app().with_ada();
    let old = app.bearer();
    app.post("/logout").bearer(&old.access).send();
    let store = app.other_store();
    let keep = PurgePolicy::default();
    let purge = |store: &DieselStore| block_on(store.purge(app.now(), keep)).unwrap();
    let purged = |sessions, revocations, events, tallies| Purged {
        sessions,
        revocations,
        events,
        tallies,
    };
    assert_eq!(purge(&store), purged(0, 0, 0, 0));
    app.advance(Duration::from_secs(31 * 86_400));
    assert_eq!(
        purge(&store),
        purged(0, 1, 0, 1),
        "no token that it concerns is believed any more"
    );
    old.try_refresh()
        .refused(401, "refresh_token_expired", "Token has expired");
    app.advance(Duration::from_secs(60 * 86_400));
    let new = app.bearer();
    assert_eq!(
        purge(&store),
        purged(0, 0, 3, 0),
        "a week after its end a session is still known, but not who made it 90 days ago"
    );
    app.advance(Duration::from_secs(7 * 86_400));
    assert_eq!(purge(&store), purged(1, 0, 0, 0));
    assert_eq!(new.try_refresh().status, 200);
}

/// Inserts sessions of Ada, created and last used one second apart before the test began, as if she
/// had logged in that often.
pub(crate) fn add_sessions(app: &TestApp, count: u32) {
    app.database().execute(&format!(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) \
         INSERT INTO sessions (id, user_id, epoch, generation, previous_barred, rotated_at, seed, remember, created_at, \
         last_used_at, expires_at) \
         SELECT 's' || n, users.id, users.epoch, 1, FALSE, {start} - n, 'seed', FALSE, {start} - n, {start} - n, {start} + 7776000 \
         FROM numbers, users WHERE users.username_key = 'ada'",
        start = START.unix()
    ));
}

pub(crate) fn count(app: &TestApp, what: &str) -> i64 {
    let query = format!("SELECT count(*) AS n FROM {what}");
    app.database().numbers(&query)[0]
}

fn a_hundred_sessions_are_the_limit_unless_it_is_off(on: Backend) {
    for (limit, open) in [(None, 100), (Some(("SESSION_LIMIT", "off")), 101)] {
        let app = on.app_with(limit.as_slice()).with_ada();
        add_sessions(&app, 100);
        let ada = app.bearer();
        let page = ada.get("/sessions").json();
        assert_eq!(page["total"], open);
        assert_eq!(page["sessions"][0]["id"], sid(&ada));
        let ended = count(
            &app,
            "sessions WHERE revoke_reason = 'limit' AND id = 's100'",
        );
        assert_eq!(ended, 101 - open, "the oldest");
    }
}

fn sessions_are_listed_in_pages_without_those_that_have_ended(on: Backend) {
    let app = on.app_with(&[("SESSION_LIMIT", "off")]).with_ada();
    add_sessions(&app, 2000);
    let ada = app.bearer();
    let ids = |page: &Value| -> Vec<String> {
        let sessions = page["sessions"].as_array().unwrap().iter();
        let ids = sessions.map(|session| session["id"].as_str().unwrap().to_owned());
        ids.collect()
    };
    let first = ada.get("/sessions").json();
    assert_eq!(
        (&first["page"], &first["per_page"], &first["total"]),
        (&json!(1), &json!(100), &json!(2001))
    );
    assert_eq!(ids(&first).len(), 100);
    assert_eq!(ids(&first)[..2], [sid(&ada), "s1".to_owned()]);
    let last = ada.get("/sessions?page=11&per_page=200").json();
    assert_eq!(ids(&last), ["s2000"]);
    assert_eq!(
        ids(&ada.get("/sessions?page=12&per_page=200").json()),
        [""; 0]
    );
    for wrong in ["per_page=201", "per_page=0", "page=0", "page=x"] {
        let refused = ada.get(&format!("/sessions?{wrong}"));
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (400, &json!("invalid_parameter")),
            "{wrong}"
        );
    }
    for (end, id) in [
        ("revoked_at = 1", "s1"),
        ("expires_at = 1", "s2"),
        ("last_used_at = 1", "s3"),
        ("epoch = -1", "s4"),
    ] {
        let end = format!("UPDATE sessions SET {end} WHERE id = '{id}'");
        app.database().execute(&end);
    }
    let left = ada.get("/sessions").json();
    assert_eq!(
        (&left["total"], &ids(&left)[1]),
        (&json!(1997), &"s5".to_owned())
    );
}

fn thousands_of_sessions_end_at_once_and_each_is_told(on: Backend) {
    let app = on.app_with(&[("SESSION_LIMIT", "off")]).with_ada();
    add_sessions(&app, 2000);
    // Their access tokens have expired.
    app.database()
        .execute("UPDATE sessions SET last_used_at = last_used_at - 8000 WHERE created_at % 2 = 0");
    let (lost, mut browser, own) = (app.bearer(), app.browser(), app.bearer());
    let response = end(&app, &own, "/sessions");
    assert_eq!(
        (response.status, &response.json()["ended"]),
        (200, &json!(2002))
    );
    lost.get("/protected")
        .refused(401, "token_revoked", "Token has been revoked");
    lost.try_refresh()
        .refused(401, "session_revoked", "Token has been revoked");
    browser
        .get("/protected")
        .refused(401, "token_revoked", "Token has been revoked");
    assert_eq!(own.get("/sessions").json()["total"], 1);
    assert_eq!(count(&app, "revocations"), 1002);
    let told =
        "audit_events WHERE kind = 'session_revoked' AND detail = 'revoked' AND actor_id = user_id";
    assert_eq!(count(&app, told), 2002);
    let sessions =
        "(SELECT DISTINCT session_id FROM audit_events WHERE kind = 'session_revoked') AS sessions";
    assert_eq!(count(&app, sessions), 2002);
}

fn a_login_past_the_limit_ends_however_many_there_are(on: Backend) {
    let app = on.app_with(&[("SESSION_LIMIT", "3")]).with_ada();
    add_sessions(&app, 2000);
    let ada = app.bearer();
    let page = ada.get("/sessions").json();
    assert_eq!(page["total"], 3);
    assert_eq!(page["sessions"][2]["id"], "s2");
    assert_eq!(count(&app, "audit_events WHERE detail = 'limit'"), 1998);
    app.bearer();
    assert_eq!(
        count(&app, "sessions"),
        1004,
        "a login leaves a thousand of those that had ended before it"
    );
}

on_both_databases!(
    a_hundred_sessions_are_the_limit_unless_it_is_off,
    sessions_are_listed_in_pages_without_those_that_have_ended,
    thousands_of_sessions_end_at_once_and_each_is_told,
    a_login_past_the_limit_ends_however_many_there_are,
    past_the_limit_the_oldest_session_ends,
    what_is_long_over_is_purged_and_what_matters_is_kept,
    everyone_sees_where_they_are_logged_in_and_nothing_secret,
    what_has_ended_is_not_listed,
    a_session_is_ended_from_another_at_once,
    one_s_own_session_ended_is_a_logout,
    other_people_s_sessions_are_not_there,
    all_others_are_ended_and_the_present_one_goes_on,
    a_strict_policy_takes_every_replaced_token_for_theft,
);
