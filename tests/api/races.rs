//! Many at once.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::support::jwt::claims;
use crate::support::{Backend, Response};

/// What `count` threads get that begin together.
fn at_once(count: usize, request: impl Fn(usize) -> Response + Sync) -> Vec<Response> {
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
        app.post("/register").json(new).send()
    });
    let count = |status: u16| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert_eq!((count(201), count(409)), (1, 19), "{answers:?}");
    assert_eq!(
        crate::support::block_on(app.other_store().users())
            .unwrap()
            .len(),
        1
    );
}

fn a_refresh_that_races_a_logout_leaves_no_token_alive(on: Backend) {
    let app = on.app_with(&[("SERVER_WORKERS", "2")]).with_ada();
    for _ in 0..10 {
        let ada = app.bearer();
        let answers = at_once(8, |number| match number {
            0 => app.post("/logout").bearer(&ada.access).send(),
            _ => ada.try_refresh(),
        });
        assert_eq!(answers[0].status, 200);
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer.status, 200 | 401)),
            "{answers:?}"
        );
        for granted in answers.iter().skip(1).filter(|answer| answer.status == 200) {
            let token = |name: &str| granted.json()[name].as_str().unwrap().to_owned();
            assert_eq!(
                app.get("/protected")
                    .bearer(&token("access_token"))
                    .send()
                    .status,
                401
            );
            assert_eq!(
                app.post("/refresh")
                    .bearer(&token("refresh_token"))
                    .send()
                    .status,
                401
            );
        }
    }
}

fn a_crowd_of_logins_is_answered_or_asked_to_come_back(on: Backend) {
    let app = on.app_with(&[("SERVER_WORKERS", "2")]).with_ada();
    let answers = at_once(120, |_| {
        app.post("/login")
            .json(json!({ "username": "ada", "password": "wrong" }))
            .send()
    });
    for answer in &answers {
        match answer.status {
            401 => {}
            503 => assert!(answer.header("retry-after").is_some()),
            _ => panic!("{answer:?}"),
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 401));
}

on_both_databases!(
    fifty_refreshes_with_one_token_give_one_successor,
    of_twenty_registrations_of_one_name_one_wins,
    a_refresh_that_races_a_logout_leaves_no_token_alive,
    a_crowd_of_logins_is_answered_or_asked_to_come_back,
);
