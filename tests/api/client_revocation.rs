//! Tests `POST /revoke` (RFC 7009): a service ends the session of a token.

use std::time::Duration;

use serde_json::json;
use tokenpair_store::ClientPermission::{Introspect, Revoke};
use tokenpair_store::EventQuery;

use crate::authority::{overtaken, with_ada_and_grace};
use crate::introspection::Service;
use crate::support::jwt::{claims, signed};
use crate::support::{Backend, Bearer, Response, TestApp, block_on};

const DONE: &str = "The token is not active";

fn with_a_desk(on: Backend) -> (TestApp, Service) {
    let app = on.app().with_ada();
    let desk = Service::add(&app, "desk", &[Introspect, Revoke]);
    (app, desk)
}

fn revoke(app: &TestApp, service: &Service, token: &str) -> Response {
    service.post(app, "/revoke", &format!("token={token}"))
}

#[track_caller]
fn done(answer: &Response) {
    let said = (answer.status, answer.json());
    assert_eq!(said, (200, json!({ "msg": DONE })), "{answer:?}");
    assert!(answer.cookies().is_empty());
}

fn revocations(app: &TestApp) -> i64 {
    app.database()
        .numbers("SELECT count(*) AS n FROM revocations")[0]
}

fn either_token_ends_the_session_at_once_and_the_event_names_the_client(on: Backend) {
    let (app, desk) = with_a_desk(on);
    for kind in ["access", "refresh"] {
        let (ada, other) = (app.bearer(), app.bearer());
        let token = match kind {
            "access" => &ada.access,
            _ => &ada.refresh,
        };
        done(&revoke(&app, &desk, token));
        assert_eq!(ada.get("/protected").json()["code"], "token_revoked");
        assert_eq!(ada.try_refresh().json()["code"], "session_revoked");
        assert_eq!(other.get("/protected").status, 200, "another session");
        let query = EventQuery {
            kind: None,
            user_id: None,
            before: None,
            limit: 1,
        };
        let event = block_on(app.other_store().events(query)).unwrap().remove(0);
        assert_eq!(event.kind, "session_revoked");
        assert_eq!(event.detail.as_deref(), Some("client"));
        assert_eq!(event.actor_id.as_ref(), Some(&desk.id));
        assert_eq!(event.session_id.as_deref(), claims(token)["sid"].as_str());
        assert_eq!(event.user_id.as_deref(), claims(token)["sub"].as_str());
    }
}

fn a_token_that_is_unknown_or_has_ended_gets_the_same_response_and_nothing_is_written(on: Backend) {
    let (app, desk) = with_a_desk(on);
    let ada = app.bearer();
    done(&revoke(&app, &desk, &ada.access));
    let before = revocations(&app);
    let forged = format!("{}AAAA", &ada.access[..ada.access.len() - 4]);
    let mut unknown = claims(&ada.access);
    unknown.insert(
        "sid".to_owned(),
        json!("0199d0c6-0b3f-7d18-a7c4-9e5b1d2f6c08"),
    );
    for token in [
        &ada.access,
        &ada.refresh,
        &forged,
        "abc",
        "%00",
        &signed(&unknown),
    ] {
        done(&revoke(&app, &desk, token));
    }
    assert_eq!(revocations(&app), before);
}

/// Like a logout: the session may live longer than the token that names it.
fn an_expired_access_token_ends_its_session(on: Backend) {
    let (app, desk) = with_a_desk(on);
    let ada = app.bearer();
    app.advance(Duration::from_secs(2 * 3600));
    assert_eq!(ada.get("/protected").json()["code"], "token_expired");
    done(&revoke(&app, &desk, &ada.access));
    assert_eq!(ada.try_refresh().json()["code"], "session_revoked");
}

fn a_token_without_a_session_is_of_an_unsupported_type(on: Backend) {
    let (app, desk) = with_a_desk(on);
    let mut foreign = claims(&app.bearer().access);
    foreign.remove("sid");
    let answer = revoke(&app, &desk, &signed(&foreign));
    let msg = "A token without a session cannot be revoked";
    answer.refused(400, "unsupported_token_type", msg);
    assert_eq!(answer.json()["error"], "unsupported_token_type");
}

fn only_a_client_with_the_permission_revokes(on: Backend) {
    let app = on.app().with_ada();
    let billing = Service::add(&app, "billing", &[Introspect]);
    let ada: Bearer<'_> = app.bearer();
    let answer = revoke(&app, &billing, &ada.access);
    let msg = "This client lacks the permission revoke";
    answer.refused(403, "unauthorized_client", msg);
    assert_eq!(answer.json()["error"], "unauthorized_client");
    let wrong = Service {
        id: billing.id,
        secret: "tpc_wrong".to_owned(),
    };
    assert_eq!(
        revoke(&app, &wrong, &ada.access).json()["code"],
        "invalid_client"
    );
    assert_eq!(ada.get("/protected").status, 200);
    assert_eq!(revocations(&app), 0);
}

/// What changes between the check of the secret and the write counts.
fn a_client_whose_authority_has_gone_in_the_meantime_revokes_nothing(on: Backend) {
    for (change, status, code) in [
        ("DELETE FROM clients", 401, "invalid_client"),
        (
            "UPDATE clients SET secret = 'another'",
            401,
            "invalid_client",
        ),
        (
            "UPDATE clients SET permissions = 'introspect'",
            403,
            "unauthorized_client",
        ),
    ] {
        let app = with_ada_and_grace(on);
        let desk = Service::add(&app, "desk", &[Introspect, Revoke]);
        let ada = app.bearer();
        let before = revocations(&app);
        let late = overtaken(&app, change, || revoke(&app, &desk, &ada.access));
        assert_eq!(
            (late.status, &late.json()["code"]),
            (status, &json!(code)),
            "{change}"
        );
        assert_eq!(ada.get("/protected").status, 200);
        assert_eq!(revocations(&app), before, "{change}");
    }
}

fn a_client_that_rotates_its_secret_in_the_meantime_is_still_known(on: Backend) {
    let app = with_ada_and_grace(on);
    let desk = Service::add(&app, "desk", &[Introspect, Revoke]);
    let ada = app.bearer();
    let rotated = "UPDATE clients SET previous_secret = secret, secret = 'another'";
    done(&overtaken(&app, rotated, || {
        revoke(&app, &desk, &ada.access)
    }));
    assert_eq!(ada.get("/protected").json()["code"], "token_revoked");
}

fn of_many_revocations_at_once_one_writes(on: Backend) {
    let (app, desk) = with_a_desk(on);
    let ada = app.bearer();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| revoke(&app, &desk, &ada.refresh)))
            .collect();
        for thread in threads {
            done(&thread.join().unwrap());
        }
    });
    assert_eq!(revocations(&app), 1);
}

on_both_databases!(
    either_token_ends_the_session_at_once_and_the_event_names_the_client,
    a_token_that_is_unknown_or_has_ended_gets_the_same_response_and_nothing_is_written,
    an_expired_access_token_ends_its_session,
    a_token_without_a_session_is_of_an_unsupported_type,
    only_a_client_with_the_permission_revokes,
    a_client_whose_authority_has_gone_in_the_meantime_revokes_nothing,
    a_client_that_rotates_its_secret_in_the_meantime_is_still_known,
    of_many_revocations_at_once_one_writes,
);
