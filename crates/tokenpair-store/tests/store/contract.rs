//! Tests the contract of session stores on the store in memory, SQLite and PostgreSQL alike.

use std::sync::Arc;
use std::time::Duration;

use tokenpair::clock::Timestamp;
use tokenpair::session::{
    Authority, Delivery, Denied, End, EndReason, ManySessions, RequestContext, Revocation, Revoked,
    Rotation, RotationCase, RotationDecision, RotationRule, Session, SessionEnd, SessionPage,
    SessionQuery, Step,
};

use crate::database::Backend;
use crate::fixture::{Fixture, NOW, in_database, in_memory};

fn at(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn step(session: &Session, next: Rotation, now: Timestamp) -> Step {
    Step {
        id: session.id.clone(),
        expected: session.rotation,
        next,
        case: RotationCase::Rotate,
        context: RequestContext::at(now),
    }
}

fn second_generation(now: Timestamp) -> Rotation {
    Rotation {
        generation: 2,
        previous: Some(1),
        handed_at: Some(now),
        ..Rotation::first(now)
    }
}

fn revocation(id: &str, at: Timestamp) -> Revocation {
    Revocation {
        subject: Revoked::Session(id.to_owned()),
        at,
    }
}

async fn what_is_kept_is_what_is_loaded(on: Fixture) {
    let session = on.session("s").await;
    let record = on.store.load("s").await.unwrap().unwrap();
    assert_eq!(
        (record.session, record.subject),
        (session, on.subject.clone())
    );
    assert_eq!(on.store.load("t").await.unwrap(), None);
    assert_eq!(
        on.store.subject(&on.subject.id).await.unwrap(),
        Some(on.subject.clone())
    );
    assert_eq!(on.store.subject("nobody").await.unwrap(), None);
}

async fn a_step_from_what_the_row_holds_is_taken_and_moves_all_of_it(on: Fixture) {
    let session = on.session("s").await;
    let next = Rotation {
        confirmed_at: Some(at(7)),
        previous_barred: true,
        ..second_generation(at(5))
    };
    assert!(on.store.rotate(&step(&session, next, at(5))).await.unwrap());
    let moved = on.load("s").await;
    assert_eq!((moved.rotation, moved.last_used_at), (next, at(5)));
    // And back to `None`, which must be written too.
    assert!(
        on.store
            .rotate(&step(&moved, Rotation::first(at(9)), at(9)))
            .await
            .unwrap()
    );
    assert_eq!(on.load("s").await.rotation, Rotation::first(at(9)));
}

async fn a_step_from_anything_else_is_not_taken(on: Fixture) {
    let session = on.session("s").await;
    let next = second_generation(at(5));
    let was = session.rotation;
    for expected in [
        Rotation {
            generation: 2,
            ..was
        },
        Rotation {
            handed_at: Some(NOW),
            ..was
        },
        Rotation {
            confirmed_at: Some(NOW),
            ..was
        },
        Rotation {
            previous_barred: true,
            ..was
        },
    ] {
        let step = Step {
            expected,
            ..step(&session, next, at(5))
        };
        assert!(!on.store.rotate(&step).await.unwrap(), "{expected:?}");
    }
    let elsewhere = Step {
        id: "t".to_owned(),
        ..step(&session, next, at(5))
    };
    assert!(!on.store.rotate(&elsewhere).await.unwrap());
    assert_eq!(on.load("s").await, session);
}

const fn end(at: Timestamp, reason: EndReason) -> Option<SessionEnd> {
    Some(SessionEnd { at, reason })
}

/// Moves to the next generation of the stored rotation.
fn onward(case: RotationCase, now: Timestamp) -> RotationRule {
    RotationRule::new(RequestContext::at(now), move |record| {
        let was = record.session.rotation;
        let next = Rotation {
            generation: was.generation + 1,
            previous: Some(was.generation),
            ..was
        };
        RotationDecision::Grant {
            case,
            next: Some(next),
        }
    })
}

async fn a_rule_is_asked_of_what_is_kept_and_its_step_is_taken(on: Fixture) {
    let mut was = on.session("s").await;
    for case in [
        RotationCase::Rotate,
        RotationCase::LostResponse,
        RotationCase::LostCommit,
    ] {
        let rule = onward(case, at(5));
        let advanced = on.store.advance("s", rule).await.unwrap().unwrap();
        assert!(advanced.is_done());
        assert_eq!(advanced.record().session, was);
        assert_eq!(advanced.record().subject, on.subject);
        let decision = onward(case, at(5)).decide(advanced.record().clone());
        assert_eq!(advanced.decision(), decision.decision());
        let now = on.load("s").await;
        assert_eq!(now.rotation.generation, was.rotation.generation + 1);
        assert_eq!(now.last_used_at, at(5));
        was = now;
    }
    let refuse = RotationRule::new(RequestContext::at(at(6)), |_| RotationDecision::Reused);
    let refused = on.store.advance("s", refuse).await.unwrap().unwrap();
    assert!(refused.is_done());
    assert_eq!(refused.decision(), RotationDecision::Reused);
    for case in [RotationCase::Rotate, RotationCase::LostResponse] {
        let too_late = onward(case, at(1000));
        let not_taken = on.store.advance("s", too_late).await.unwrap().unwrap();
        assert!(!not_taken.is_done(), "{case:?}");
    }
    assert_eq!(on.load("s").await, was);
    let rule = onward(RotationCase::Rotate, at(6));
    assert_eq!(on.store.advance("t", rule).await.unwrap(), None);
}

async fn of_many_rules_at_once_each_is_asked_until_its_step_is_taken(on: Fixture) {
    on.session("s").await;
    let each = (0..16).map(|_| {
        let store = Arc::clone(&on.store);
        actix_web::rt::spawn(async move {
            let advance = || store.advance("s", onward(RotationCase::Rotate, at(5)));
            while !advance().await.unwrap().unwrap().is_done() {}
        })
    });
    for one in each.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    assert_eq!(on.load("s").await.rotation.generation, 17);
}

async fn nothing_moves_a_session_that_has_ended(on: Fixture) {
    let session = on.session("s").await;
    assert!(
        !on.store
            .rotate(&step(&session, second_generation(at(1000)), at(1000)))
            .await
            .unwrap(),
        "expired"
    );
    assert!(
        on.store
            .revoke("s", EndReason::Logout, &RequestContext::at(at(5)))
            .await
            .unwrap()
            .unwrap()
    );
    assert!(
        !on.store
            .rotate(&step(&session, second_generation(at(6)), at(6)))
            .await
            .unwrap(),
        "revoked"
    );
    let ended = on.load("s").await;
    assert_eq!(
        (ended.revoked, ended.rotation),
        (end(at(5), EndReason::Logout), session.rotation)
    );
}

/// A reissue leaves the rotation unchanged.
async fn a_step_to_what_the_row_holds_moves_the_last_use(on: Fixture) {
    let session = on.session("s").await;
    let step = Step {
        case: RotationCase::Reissue,
        ..step(&session, session.rotation, at(50))
    };
    assert!(on.store.rotate(&step).await.unwrap());
    let used = Session {
        last_used_at: at(50),
        ..session
    };
    assert_eq!(on.load("s").await, used);
}

async fn how_the_tokens_were_delivered_is_kept(on: Fixture) {
    for (id, delivery) in [("c", Delivery::Cookies), ("b", Delivery::Body)] {
        let session = Session {
            delivery,
            ..on.new_session(id)
        };
        assert!(on.store.create(&session).await.unwrap());
        assert_eq!(on.load(id).await, session);
    }
}

async fn a_session_is_revoked_once_and_recorded_once(on: Fixture) {
    on.session("s").await;
    assert!(
        on.store
            .revoke("s", EndReason::Reuse, &RequestContext::at(at(5)))
            .await
            .unwrap()
            .unwrap()
    );
    assert!(
        !on.store
            .revoke("s", EndReason::Logout, &RequestContext::at(at(6)))
            .await
            .unwrap()
            .unwrap()
    );
    assert!(
        !on.store
            .revoke("t", EndReason::Logout, &RequestContext::at(at(6)))
            .await
            .unwrap()
            .unwrap()
    );
    assert_eq!(on.load("s").await.revoked, end(at(5), EndReason::Reuse));
    let recorded = on.store.revocations_since(at(0)).await.unwrap();
    assert_eq!(recorded, [revocation("s", at(5))]);
}

fn query(on: &Fixture, offset: usize, limit: usize) -> SessionQuery {
    SessionQuery {
        user_id: on.subject.id.clone(),
        now: at(10),
        idle_since: NOW - Duration::from_secs(100),
        offset,
        limit,
    }
}

fn ids(page: &SessionPage) -> Vec<&str> {
    let ids = page.sessions.iter().map(|session| session.id.as_str());
    ids.collect()
}

async fn a_user_s_live_sessions_are_listed_in_pages_the_latest_first(on: Fixture) {
    for (id, when) in [("a", 1), ("b", 3), ("c", 2), ("d", 2), ("e", 9)] {
        let session = Session {
            created_at: at(when),
            ..on.new_session(id)
        };
        assert!(on.store.create(&session).await.unwrap());
    }
    for ended in [
        Session {
            expires_at: at(10),
            ..on.new_session("expired")
        },
        Session {
            last_used_at: NOW - Duration::from_secs(100),
            ..on.new_session("idle")
        },
    ] {
        assert!(on.store.create(&ended).await.unwrap());
    }
    on.store
        .revoke("e", EndReason::Logout, &RequestContext::at(at(5)))
        .await
        .unwrap()
        .unwrap();
    for (offset, limit, listed) in [
        (0, 9, &["b", "d", "c", "a"][..]),
        (0, 2, &["b", "d"]),
        (2, 1, &["c"]),
        (4, 2, &[]),
        (0, 0, &[]),
    ] {
        let page = on.store.list(&query(&on, offset, limit)).await.unwrap();
        assert_eq!((ids(&page).as_slice(), page.total), (listed, 4));
    }
    let nobody = SessionQuery {
        user_id: "nobody".to_owned(),
        ..query(&on, 0, 9)
    };
    let page = on.store.list(&nobody).await.unwrap();
    assert_eq!(page, SessionPage::default());
}

fn many(on: &Fixture) -> ManySessions {
    ManySessions {
        user_id: on.subject.id.clone(),
        keep: None,
        newest: None,
        idle_since: NOW - Duration::from_secs(100),
        tokens_since: NOW - Duration::from_secs(200),
        reason: EndReason::Revoked,
        context: RequestContext::at(at(5)),
    }
}

async fn all_of_a_user_s_sessions_but_one_are_revoked_and_recorded(on: Fixture) {
    for id in ["a", "b", "c", "d"] {
        on.session(id).await;
    }
    on.store
        .revoke("d", EndReason::Logout, &RequestContext::at(at(4)))
        .await
        .unwrap()
        .unwrap();
    let others = ManySessions {
        keep: Some("b".to_owned()),
        ..many(&on)
    };
    assert_eq!(on.store.revoke_many(&others).await.unwrap().unwrap(), 2);
    assert_eq!(on.load("a").await.revoked, end(at(5), EndReason::Revoked));
    assert_eq!(on.load("b").await.revoked, None);
    assert_eq!(on.load("d").await.revoked, end(at(4), EndReason::Logout));
    let recorded = on.store.revocations_since(at(5)).await.unwrap();
    assert!(recorded.len() == 2 && recorded.contains(&revocation("c", at(5))));
    assert_eq!(
        on.store.revoke_many(&others).await.unwrap().unwrap(),
        0,
        "done once"
    );
    let nobody = ManySessions {
        user_id: "nobody".to_owned(),
        ..many(&on)
    };
    assert_eq!(on.store.revoke_many(&nobody).await.unwrap().unwrap(), 0);
    assert_eq!(on.store.revoke_many(&many(&on)).await.unwrap().unwrap(), 1);
    assert!(on.load("b").await.revoked.is_some(), "none is kept");
}

async fn the_oldest_live_sessions_are_revoked_and_the_newest_and_one_more_go_on(on: Fixture) {
    for (id, when) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        let session = Session {
            created_at: at(when),
            ..on.new_session(id)
        };
        on.store.create(&session).await.unwrap();
    }
    let idle = Session {
        last_used_at: NOW - Duration::from_secs(100),
        ..on.new_session("idle")
    };
    on.store.create(&idle).await.unwrap();
    let oldest = ManySessions {
        keep: Some("a".to_owned()),
        newest: Some(1),
        reason: EndReason::Limit,
        ..many(&on)
    };
    assert_eq!(on.store.revoke_many(&oldest).await.unwrap().unwrap(), 2);
    for (id, is_active) in [
        ("a", true),
        ("b", false),
        ("c", false),
        ("d", true),
        ("idle", true),
    ] {
        assert_eq!(on.load(id).await.revoked.is_none(), is_active, "{id}");
    }
}

async fn a_session_is_only_kept_for_a_user_who_is_as_it_was_made_for(on: Fixture) {
    let behind = Session {
        epoch: -1,
        ..on.new_session("s")
    };
    let ahead = Session {
        epoch: 1,
        ..on.new_session("t")
    };
    let nobody_s = Session {
        user_id: "nobody".to_owned(),
        ..on.new_session("u")
    };
    for session in [behind, ahead, nobody_s] {
        assert!(!on.store.create(&session).await.unwrap());
        assert_eq!(on.store.load(&session.id).await.unwrap(), None);
    }
    assert_eq!(on.store.list(&query(&on, 0, 9)).await.unwrap().total, 0);
}

async fn a_session_in_place_of_others_ends_them_and_tells_which_it_ended(on: Fixture) {
    for id in ["a", "b", "c", "ended"] {
        on.session(id).await;
    }
    let logout = RequestContext::at(at(1));
    let ended = on.store.revoke("ended", EndReason::Logout, &logout).await;
    assert_eq!(ended.unwrap(), Ok(true));
    let replaced = ["c", "ended", "a", "no such session"].map(str::to_owned);
    let new = |id: &str, epoch| Session {
        epoch,
        created_at: at(5),
        ..on.new_session(id)
    };
    let refused = on.store.create_in_place_of(&new("s", 1), &replaced).await;
    assert_eq!(refused.unwrap(), None);
    assert_eq!(on.load("a").await.revoked, None);
    assert_eq!(on.store.load("s").await.unwrap(), None);

    let kept = on.store.create_in_place_of(&new("s", 0), &replaced).await;
    let mut revoked = kept.unwrap().unwrap();
    revoked.sort_unstable();
    assert_eq!(revoked, ["a", "c"]);
    for (id, expected) in [
        ("a", end(at(5), EndReason::Replaced)),
        ("b", None),
        ("c", end(at(5), EndReason::Replaced)),
        ("ended", end(at(1), EndReason::Logout)),
        ("s", None),
    ] {
        assert_eq!(on.load(id).await.revoked, expected, "{id}");
    }
    let mut recorded = on.store.revocations_since(at(5)).await.unwrap();
    recorded.sort_by_key(|revocation| format!("{:?}", revocation.subject));
    assert_eq!(recorded, [revocation("a", at(5)), revocation("c", at(5))]);

    let again = on.store.create_in_place_of(&new("t", 0), &replaced).await;
    assert_eq!(again.unwrap(), Some(Vec::new()));
}

async fn what_is_no_longer_authorized_is_not_done(on: Fixture) {
    for id in ["own", "ended", "other"] {
        on.session(id).await;
    }
    let authority = Authority {
        user_id: on.subject.id.clone(),
        sid: Some("own".to_owned()),
        epoch: Some(0),
        role: Some("author"),
    };
    let context = |authority: &Authority, seconds| RequestContext {
        authority: Some(authority.clone()),
        ..RequestContext::at(at(seconds))
    };
    let first = context(&authority, 5);
    let end = on.store.revoke("ended", EndReason::Logout, &first).await;
    assert_eq!(end.unwrap(), Ok(true));
    let of = |sid: &str| Authority {
        sid: Some(sid.to_owned()),
        ..authority.clone()
    };
    let epoch = Authority {
        epoch: Some(-1),
        ..authority.clone()
    };
    let role = Authority {
        role: Some("auth"),
        ..authority.clone()
    };
    let somebody = Authority {
        user_id: "nobody".to_owned(),
        ..authority.clone()
    };
    for (context, denied) in [
        (context(&of("ended"), 6), Denied::Ended(End::Revoked)),
        (context(&of("no session"), 6), Denied::Ended(End::Unknown)),
        (context(&somebody, 6), Denied::Ended(End::Unknown)),
        (context(&authority, 1000), Denied::Ended(End::Expired)),
        (context(&epoch, 6), Denied::TokenRevoked),
        (context(&role, 6), Denied::RoleMissing("auth")),
    ] {
        let one = on.store.revoke("other", EndReason::Revoked, &context);
        assert_eq!(one.await.unwrap(), Err(denied));
        let all = ManySessions {
            context,
            ..many(&on)
        };
        assert_eq!(on.store.revoke_many(&all).await.unwrap(), Err(denied));
    }
    assert_eq!(on.load("other").await.revoked, None);
    assert_eq!(on.store.revocations_since(at(6)).await.unwrap(), []);
    let all = ManySessions {
        keep: Some("own".to_owned()),
        context: context(&authority, 6),
        ..many(&on)
    };
    assert_eq!(on.store.revoke_many(&all).await.unwrap(), Ok(1));
}

async fn revocations_are_read_from_an_instant_on(on: Fixture) {
    for (id, when) in [("a", 10), ("b", 20)] {
        on.session(id).await;
        on.store
            .revoke(id, EndReason::Admin, &RequestContext::at(at(when)))
            .await
            .unwrap()
            .unwrap();
    }
    let all = on.store.revocations_since(at(10)).await.unwrap();
    let [a, b] = [revocation("a", at(10)), revocation("b", at(20))];
    assert!(all.len() == 2 && all.contains(&a) && all.contains(&b));
    assert_eq!(on.store.revocations_since(at(11)).await.unwrap(), [b]);
}

async fn revocations_are_counted_by_the_second(on: Fixture) {
    for (id, when) in [("a", 10), ("b", 12), ("c", 12), ("d", 13)] {
        on.session(id).await;
        let context = RequestContext::at(at(when));
        let revoked = on.store.revoke(id, EndReason::Admin, &context).await;
        revoked.unwrap().unwrap();
    }
    let counted = on.store.counted_revocations().unwrap();
    let counts = counted.count_since(at(11)).await.unwrap();
    assert_eq!(counts, [(at(12), 2), (at(13), 1)].into());
    let mut found = counted.between(at(10)..=at(12)).await.unwrap();
    found.sort_by(|one, other| format!("{one:?}").cmp(&format!("{other:?}")));
    let expected = [("a", 10), ("b", 12), ("c", 12)];
    assert_eq!(found, expected.map(|(id, when)| revocation(id, at(when))));
}

async fn what_was_lost_is_recorded_again_once(on: Fixture) {
    for id in ["alive", "ended"] {
        on.session(id).await;
    }
    let logout = RequestContext::at(at(5));
    let ended = on.store.revoke("ended", EndReason::Logout, &logout).await;
    assert_eq!(ended.unwrap(), Ok(true));
    let user = |at| Revocation {
        subject: Revoked::User {
            id: on.subject.id.clone(),
            lowest_epoch: 3,
        },
        at,
    };
    let sessions = ["alive", "ended", "unknown"].map(|id| revocation(id, at(5)));
    let lost = Vec::from_iter(sessions.into_iter().chain([user(at(5))]));
    let now = RequestContext::at(at(9));
    let restored = on.store.restore(&lost, &now).await.unwrap();
    let [alive, unknown] = ["alive", "unknown"].map(|id| revocation(id, at(9)));
    assert_eq!(restored, [alive, unknown, user(at(9))]);
    let recorded = on.store.revocations_since(at(9)).await.unwrap();
    assert_eq!(recorded.len(), 3);
    assert!(restored.iter().all(|restored| recorded.contains(restored)));

    let alive = on.load("alive").await;
    assert_eq!(alive.revoked, end(at(9), EndReason::Restored));
    let ended = on.load("ended").await;
    assert_eq!(ended.revoked, end(at(5), EndReason::Logout));
    let subject = on.store.subject(&on.subject.id).await.unwrap().unwrap();
    assert_eq!((subject.epoch, subject.disabled), (3, false));
    let again = on
        .store
        .restore(&lost, &RequestContext::at(at(10)))
        .await
        .unwrap();
    assert_eq!(again, []);
    assert_eq!(on.store.revocations_since(at(10)).await.unwrap(), []);
}

async fn a_session_of_an_older_epoch_than_its_user_s_counts_as_revoked(on: Fixture) {
    let session = on.session("s").await;
    let row = on.store.load("s").await.unwrap().unwrap().row();
    assert!(!row.revoked);
    let mut record = on.store.load("s").await.unwrap().unwrap();
    record.subject.epoch = session.epoch + 1;
    assert!(record.row().revoked);
}

async fn of_many_steps_at_once_one_is_taken(on: Fixture) {
    let mut session = on.session("s").await;
    for round in 1..20 {
        let next = Rotation {
            generation: round + 1,
            ..session.rotation
        };
        let tries = (0..8).map(|_| {
            let (store, step) = (Arc::clone(&on.store), step(&session, next, at(1)));
            actix_web::rt::spawn(async move { store.rotate(&step).await.unwrap() })
        });
        let mut taken = 0;
        for attempt in tries.collect::<Vec<_>>() {
            taken += usize::from(attempt.await.unwrap());
        }
        assert_eq!(taken, 1);
        session.rotation = next;
    }
}

/// If a step and a revocation race, the revocation always holds, and no step comes after it.
async fn of_a_step_and_a_revocation_the_revocation_stands(on: Fixture) {
    for round in 0..20 {
        let id = format!("s{round}");
        let session = on.session(&id).await;
        let (store, first) = (
            Arc::clone(&on.store),
            step(&session, second_generation(at(1)), at(1)),
        );
        let rotate = actix_web::rt::spawn(async move { store.rotate(&first).await.unwrap() });
        let store = Arc::clone(&on.store);
        let revoke_id = id.clone();
        let revoke = actix_web::rt::spawn(async move {
            store
                .revoke(&revoke_id, EndReason::Logout, &RequestContext::at(at(1)))
                .await
                .unwrap()
                .unwrap()
        });
        let (_, revoked) = (rotate.await.unwrap(), revoke.await.unwrap());
        assert!(revoked);
        let ended = on.load(&id).await;
        assert!(ended.revoked.is_some());
        assert!(
            !on.store
                .rotate(&step(&ended, second_generation(at(2)), at(2)))
                .await
                .unwrap()
        );
    }
}

macro_rules! contract {
    ($($promise:ident),* $(,)?) => {
        mod memory {
            $(#[actix_web::test] async fn $promise() { super::$promise(super::in_memory().await).await; })*
        }
        mod sqlite {
            $(#[actix_web::test] async fn $promise() {
                super::$promise(super::in_database(super::Backend::Sqlite).await).await;
            })*
        }
        mod postgres {
            $(#[actix_web::test] async fn $promise() {
                super::$promise(super::in_database(super::Backend::Postgres).await).await;
            })*
        }
    };
}

contract!(
    what_is_kept_is_what_is_loaded,
    a_step_from_what_the_row_holds_is_taken_and_moves_all_of_it,
    a_step_from_anything_else_is_not_taken,
    a_rule_is_asked_of_what_is_kept_and_its_step_is_taken,
    of_many_rules_at_once_each_is_asked_until_its_step_is_taken,
    nothing_moves_a_session_that_has_ended,
    a_step_to_what_the_row_holds_moves_the_last_use,
    how_the_tokens_were_delivered_is_kept,
    a_session_is_revoked_once_and_recorded_once,
    a_user_s_live_sessions_are_listed_in_pages_the_latest_first,
    the_oldest_live_sessions_are_revoked_and_the_newest_and_one_more_go_on,
    all_of_a_user_s_sessions_but_one_are_revoked_and_recorded,
    a_session_is_only_kept_for_a_user_who_is_as_it_was_made_for,
    a_session_in_place_of_others_ends_them_and_tells_which_it_ended,
    what_is_no_longer_authorized_is_not_done,
    revocations_are_read_from_an_instant_on,
    revocations_are_counted_by_the_second,
    what_was_lost_is_recorded_again_once,
    a_session_of_an_older_epoch_than_its_user_s_counts_as_revoked,
    of_many_steps_at_once_one_is_taken,
    of_a_step_and_a_revocation_the_revocation_stands,
);
