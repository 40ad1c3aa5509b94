//! Tests concurrent requests.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use tokenpair::session::{Session, SessionStore};

use crate::support::jwt::{claims, signed};
use crate::support::{Backend, Bearer, Response, TestApp, block_on};

/// Returns the results of `count` threads that begin together.
pub(crate) fn at_once(count: usize, request: impl Fn(usize) -> Response + Sync) -> Vec<Response> {
    let barrier = std::sync::Barrier::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| {
                let (barrier, request) = (&barrier, &request);
                scope.spawn(move || {
                    barrier.wait();
                    request(number)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

fn fifty_refreshes_with_one_token_give_one_successor(on: Backend) {
    let app = on.app_with(&[("SERVER_WORKERS", "2")]).with_ada();
    let mut ada = app.bearer();
    for generation in 2..=4 {
        let answers = at_once(50, |_| ada.try_refresh());
        assert!(
            answers.iter().all(|answer| answer.status == 200),
            "{answers:?}"
        );
        let successors: BTreeSet<String> = answers
            .iter()
            .map(|answer| answer.json()["refresh_token"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(successors.len(), 1);
        assert_eq!(claims(successors.first().unwrap())["gen"], generation);
        ada.refresh = successors.into_iter().next().unwrap();
        app.advance(Duration::from_secs(68));
    }
}

fn of_twenty_registrations_of_one_name_one_wins(on: Backend) {
    let app = on.app_with(&[("SERVER_WORKERS", "2")]);
    let spellings = ["grace", "Grace", "GRACE", "gRace"];
    let answers = at_once(20, |number| {
        let new = json!({ "username": spellings[number % 4], "password": "a password of hers" });
        // On a slow machine, some get a 503.
        let register = || app.post("/register").json(new.clone()).send();
        std::iter::repeat_with(register)
            .find(|answer| answer.status != 503)
            .unwrap()
    });
    let count = |status: u16| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert_eq!((count(201), count(409)), (1, 19), "{answers:?}");
    assert_eq!(block_on(app.other_store().users()).unwrap().len(), 1);
}

/// Logins without password hashing: inserts rows like Ada's login. Returns the tokens that such
/// logins would have returned.
fn many_logins(app: &TestApp, count: usize) -> Vec<Bearer<'_>> {
    let ada = app.bearer();
    let sid = claims(&ada.access)["sid"].as_str().unwrap().to_owned();
    let id = |number: usize| format!("{sid}-{number}");
    let store = app.other_store();
    block_on(async {
        let login = store.load(&sid).await.unwrap().unwrap().session;
        for id in (0..count).map(id) {
            let session = Session {
                id,
                ..login.clone()
            };
            assert!(store.create(&session).await.unwrap());
        }
    });
    let of_session = |token: &str, number: usize| {
        let mut claims = claims(token);
        claims.insert("sid".to_owned(), json!(id(number)));
        signed(&claims)
    };
    let one_more = |number: usize| {
        let mut bearer = ada.clone();
        bearer.access = of_session(&ada.access, number);
        bearer.refresh = of_session(&ada.refresh, number);
        bearer
    };
    (0..count).map(one_more).collect()
}

/// A refresh that loses the race to the logout is rejected. One that wins gets tokens that are
/// revoked once the logout has responded.
fn a_thousand_refreshes_that_race_a_logout_leave_no_token_alive(on: Backend) {
    let app = on.app_with(&[("SERVER_WORKERS", "2")]).with_ada();
    let (mut won, mut lost) = (0, 0);
    for ada in many_logins(&app, 1_000) {
        let answers = at_once(3, |number| match number {
            0 => app.post("/logout").bearer(&ada.access).send(),
            _ => ada.try_refresh(),
        });
        assert_eq!(answers[0].status, 200);
        for answer in &answers[1..] {
            if answer.status == 200 {
                won += 1;
                let granted = Bearer::of(&app, answer);
                let page = granted.get("/protected");
                page.refused(401, "token_revoked", "Token has been revoked");
                let refreshed = granted.try_refresh();
                refreshed.refused(401, "session_revoked", "Token has been revoked");
            } else {
                lost += 1;
                answer.refused(401, "session_revoked", "Token has been revoked");
            }
        }
    }
    assert!(won > 0 && lost > 0, "no race: {won} won and {lost} lost");
}

fn a_crowd_of_logins_is_answered_or_asked_to_come_back(on: Backend) {
    let settings = [
        ("SERVER_WORKERS", "2"),
        ("THROTTLE", "off"),
        ("PASSWORD_QUEUE", "1"),
        ("PASSWORD_BCRYPT_COST", "10"),
    ];
    let app = on.app_with(&settings).with_ada();
    let answers = at_once(120, |_| {
        app.post("/login")
            .json(json!({ "username": "ada", "password": "wrong" }))
            .send()
    });
    for answer in &answers {
        match answer.status {
            401 => {}
            503 => {
                answer.refused(503, "unavailable", "Temporarily unavailable");
                assert_eq!(answer.header("retry-after"), Some("1"));
            }
            _ => panic!("{answer:?}"),
        }
    }
    let any = |status| answers.iter().any(|answer| answer.status == status);
    assert!(any(401) && any(503), "{answers:?}");
}

on_both_databases!(
    fifty_refreshes_with_one_token_give_one_successor,
    of_twenty_registrations_of_one_name_one_wins,
    a_thousand_refreshes_that_race_a_logout_leave_no_token_alive,
    a_crowd_of_logins_is_answered_or_asked_to_come_back,
);
