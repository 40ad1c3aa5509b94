//! Tests that the common case as data, which a database executes in one statement, agrees with the
//! rule over a grid of rows, times and policies, up to the limits of both.

use std::time::Duration;

use tokenpair::clock::Timestamp;
use tokenpair::session::{
    Delivery, EndReason, QuietRotation, Rotation, RotationCase, RotationDecision, Session,
    SessionEnd, SessionPolicy, SessionRecord, SessionSecret, Subject, decide,
};

use crate::{GENERATION, NOW, first_row, time};

const USER: &str = "7";

/// The user's epoch. A session may be older, or newer if the user was read before a change of it.
const EPOCH: i64 = 5;

fn record(rotation: Rotation) -> SessionRecord {
    SessionRecord {
        session: Session {
            id: "s".to_owned(),
            user_id: USER.to_owned(),
            epoch: EPOCH,
            rotation,
            seed: SessionSecret::random(),
            remember: false,
            delivery: Delivery::Cookies,
            created_at: time(0),
            last_used_at: time(NOW),
            expires_at: time(NOW + 1),
            user_agent: None,
            ip: None,
            revoked: None,
        },
        subject: Subject {
            epoch: EPOCH,
            ..Subject::new(USER, "ada")
        },
    }
}

/// Returns times around `now` and around each of these durations before it, and the limits.
fn around(now: Timestamp, before: &[Duration]) -> Vec<Timestamp> {
    let mut times = vec![time(i64::MIN), time(i64::MAX)];
    for length in before.iter().chain([&Duration::ZERO]) {
        let at = (now - *length).unix();
        times.extend([at.saturating_sub(1), at, at.saturating_add(1)].map(time));
    }
    times.sort_unstable();
    times.dedup();
    times
}

fn rotations(now: Timestamp, policy: &SessionPolicy) -> Vec<Rotation> {
    let mut found = Vec::new();
    let times = around(now, &[policy.rotation_window]);
    let handed = times.iter().copied().map(Some).chain([None]);
    for handed_at in handed {
        for &rotated_at in &times {
            for previous in [None, Some(GENERATION - 1)] {
                for (previous_barred, confirmed_at) in [(false, None), (true, Some(now))] {
                    found.push(Rotation {
                        generation: GENERATION,
                        previous,
                        previous_barred,
                        rotated_at,
                        handed_at,
                        confirmed_at,
                    });
                }
            }
        }
    }
    found
}

type Change = Box<dyn Fn(&mut SessionRecord)>;

/// Returns changes of everything else that the rule reads: both times together, the rest one by one.
fn ends(now: Timestamp, policy: &SessionPolicy) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for last_used_at in around(now, &[policy.idle]) {
        for expires_at in around(now, &[]) {
            changes.push(Box::new(move |record| {
                record.session.last_used_at = last_used_at;
                record.session.expires_at = expires_at;
            }));
        }
    }
    changes.push(Box::new(move |record| {
        record.session.revoked = Some(SessionEnd {
            at: now,
            reason: EndReason::Replaced,
        });
    }));
    changes.push(Box::new(|record| record.subject.disabled = true));
    changes.push(Box::new(|record| record.session.epoch = EPOCH - 1));
    changes
}

fn policies() -> impl Iterator<Item = SessionPolicy> {
    let windows = [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_millis(59_500),
        Duration::from_secs(60),
    ];
    let idles = [
        Duration::ZERO,
        Duration::from_millis(1_999),
        Duration::from_secs(3_600),
        Duration::MAX,
    ];
    windows.into_iter().flat_map(move |rotation_window| {
        idles.into_iter().map(move |idle| SessionPolicy {
            rotation_window,
            idle,
            ..SessionPolicy::default()
        })
    })
}

/// The rule's answer, if it is the common case.
fn rotated(
    record: &SessionRecord,
    presented: i64,
    now: Timestamp,
    policy: &SessionPolicy,
) -> Option<RotationDecision> {
    let decision = decide(&record.row(), presented, now, policy);
    let common = matches!(
        decision,
        RotationDecision::Grant {
            case: RotationCase::Rotate,
            ..
        }
    );
    common.then_some(decision)
}

#[test]
fn the_common_case_as_data_is_the_rule_s_for_every_row_time_and_policy() {
    let (mut permitted, mut refused) = (0_u32, 0_u32);
    for now in [i64::MIN + 100_000, 0, NOW, i64::MAX - 1].map(time) {
        for policy in policies() {
            if now < time(0) && policy.idle == Duration::MAX {
                continue;
            }
            let mut check = |record: &SessionRecord, presented| {
                let quiet = QuietRotation::new(USER, presented, now, &policy).unwrap();
                let expected = rotated(record, presented, now, &policy);
                let found = quiet.permits(record).then(|| quiet.decision());
                assert_eq!(
                    found, expected,
                    "{presented} of {record:?} at {now} by {policy:?}"
                );
                *(if found.is_some() {
                    &mut permitted
                } else {
                    &mut refused
                }) += 1;
            };
            let mut was = record(first_row());
            was.session.last_used_at = now;
            was.session.expires_at = now + Duration::from_secs(1);
            for rotation in rotations(now, &policy) {
                was.session.rotation = rotation;
                for presented in [GENERATION - 1, GENERATION, GENERATION + 1] {
                    check(&was, presented);
                }
                for end in ends(now, &policy) {
                    let mut record = was.clone();
                    end(&mut record);
                    check(&record, GENERATION);
                }
            }
        }
    }
    assert!(
        permitted > 1_000 && refused > 100_000,
        "{permitted} of {refused}"
    );
}

#[test]
fn a_bound_that_no_time_can_hold_leaves_the_case_to_the_rule() {
    let with = |rotation_window, idle| SessionPolicy {
        rotation_window,
        idle,
        ..SessionPolicy::default()
    };
    let hour = Duration::from_secs(3_600);
    let new = |presented, now, policy| QuietRotation::new(USER, presented, time(now), &policy);
    assert!(new(1, i64::MAX - 1, with(hour, hour)).is_some());
    assert_eq!(new(1, i64::MAX, with(hour, hour)), None);
    assert_eq!(new(i64::MAX, NOW, with(hour, hour)), None);
    assert!(new(1, i64::MIN + 3_600, with(hour, hour)).is_some());
    assert_eq!(new(1, i64::MIN + 3_599, with(hour, Duration::ZERO)), None);
    assert_eq!(new(1, i64::MIN + 3_599, with(Duration::ZERO, hour)), None);
    assert_eq!(new(1, NOW, with(Duration::MAX, hour)), None);
    assert!(new(1, NOW, with(hour, Duration::MAX)).is_some());
}

#[test]
fn the_common_case_is_for_the_token_s_user_alone_and_for_users_read_after_their_sessions() {
    let policy = SessionPolicy::default();
    let quiet = QuietRotation::new(USER, GENERATION, time(NOW), &policy).unwrap();
    let with = |change: fn(&mut SessionRecord)| {
        let mut record = record(first_row());
        change(&mut record);
        quiet.permits(&record)
    };
    assert!(with(|_| {}));
    assert!(!with(|record| record.subject.id = "8".to_owned()));
    // The rule would rotate, and describe the user as it was before the change.
    assert!(!with(|record| record.session.epoch = EPOCH + 1));
}
