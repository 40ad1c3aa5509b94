//! Tests the bounds of the rule, to the second: a window of 80 s, its half and its eighth.

use tokenpair::clock::Timestamp;
use tokenpair::session::{
    End, ReissueDecision, ReusePolicy, Rotation, RotationCase, RotationDecision, Row,
    SessionPolicy, decide, decide_reissue,
};

use crate::{GENERATION, NOW, first_row, living, policy, time};

#[derive(Clone, Copy)]
struct At {
    handed: Option<i64>,
    confirmed: Option<i64>,
}

/// Returns the decision about a token `behind` generations back, `handed` and `confirmed` this many
/// seconds ago.
fn said(behind: i64, at: At) -> RotationDecision {
    let rotation = Rotation {
        previous: Some(GENERATION - 1),
        handed_at: at.handed.map(|ago| time(NOW - ago)),
        confirmed_at: at.confirmed.map(|ago| time(NOW - ago)),
        ..first_row()
    };
    decide(
        &living(rotation),
        GENERATION - behind,
        time(NOW),
        &policy(80),
    )
}

fn case(decision: RotationDecision) -> (Option<RotationCase>, bool) {
    match decision {
        RotationDecision::Grant { case, next } => (Some(case), next.is_some()),
        _ => (None, false),
    }
}

#[test]
fn every_bound_of_the_rule_stands_to_the_second() {
    let at = |handed, confirmed| At {
        handed: Some(handed),
        confirmed,
    };
    for (behind, at, expected) in [
        (
            0,
            at(79, Some(10)),
            (Some(RotationCase::RepeatCurrent), false),
        ),
        (0, at(79, None), (Some(RotationCase::RepeatCurrent), true)),
        (0, at(80, Some(10)), (Some(RotationCase::Rotate), true)),
        (1, at(9, None), (Some(RotationCase::ReplayPrevious), false)),
        (1, at(10, None), (Some(RotationCase::ReplayPrevious), true)),
        (1, at(79, None), (Some(RotationCase::ReplayPrevious), true)),
        (1, at(80, None), (Some(RotationCase::LostResponse), true)),
        (
            1,
            at(200, Some(39)),
            (Some(RotationCase::ReplayPrevious), true),
        ),
        (1, at(5, Some(40)), (None, false)),
        (2, at(5, None), (None, false)),
        (-1, at(5, None), (Some(RotationCase::LostCommit), true)),
        (-16, at(5, None), (Some(RotationCase::LostCommit), true)),
        (-17, at(5, None), (None, false)),
    ] {
        let found = case(said(behind, at));
        assert_eq!(
            found, expected,
            "behind {behind}, handed {:?}, confirmed {:?}",
            at.handed, at.confirmed
        );
    }
    assert_eq!(said(-17, at(5, None)), RotationDecision::Superseded);
    assert_eq!(said(2, at(5, None)), RotationDecision::Reused);
}

#[test]
fn what_the_row_becomes_is_written_out_in_full() {
    let next = |decision| match decision {
        RotationDecision::Grant {
            next: Some(next), ..
        } => next,
        other => panic!("{other:?}"),
    };
    let at = |handed, confirmed| At {
        handed: Some(handed),
        confirmed,
    };
    let fresh = |generation, previous| Rotation {
        generation,
        previous,
        previous_barred: false,
        rotated_at: time(NOW),
        handed_at: Some(time(NOW)),
        confirmed_at: None,
    };
    assert_eq!(
        next(said(0, at(80, Some(9)))),
        fresh(GENERATION + 1, Some(GENERATION))
    );
    assert_eq!(
        next(said(1, at(80, None))),
        fresh(GENERATION + 1, Some(GENERATION - 1))
    );
    let forward = next(said(-3, at(5, None)));
    assert_eq!(
        forward,
        Rotation {
            confirmed_at: Some(time(NOW)),
            ..fresh(GENERATION + 3, None)
        }
    );
    assert_eq!(next(said(0, at(5, None))).confirmed_at, Some(time(NOW)));
    let again = next(said(1, at(10, Some(3))));
    assert_eq!(
        (again.handed_at, again.confirmed_at),
        (Some(time(NOW)), Some(time(NOW - 3)))
    );
}

#[test]
fn a_session_ends_at_the_second_it_should() {
    let decide_at = |row: &Row| decide(row, GENERATION, time(NOW), &policy(80));
    let row = living(first_row());
    let idle = SessionPolicy::default().idle;
    let with = |change: &dyn Fn(&mut Row)| {
        let mut row = row;
        change(&mut row);
        row
    };
    let expires = |at| with(&move |row| row.expires_at = time(at));
    let last_used = |at| with(&move |row| row.last_used_at = time(at) - idle);
    let disabled_too = with(&|row| (row.revoked, row.user_disabled) = (true, true));
    for (row, end) in [
        (expires(NOW), Some(End::Expired)),
        (expires(NOW + 1), None),
        (last_used(NOW), Some(End::Expired)),
        (last_used(NOW + 1), None),
        (with(&|row| row.revoked = true), Some(End::Revoked)),
        (
            with(&|row| row.user_disabled = true),
            Some(End::UserDisabled),
        ),
        (disabled_too, Some(End::UserDisabled)),
    ] {
        let found = match decide_at(&row) {
            RotationDecision::Ended(end) => Some(end),
            _ => None,
        };
        assert_eq!(found, end, "{row:?}");
    }
}

#[test]
fn a_barred_token_is_out_of_date_and_no_theft_and_a_strict_policy_forgives_nothing() {
    let rotation = Rotation {
        previous: Some(GENERATION - 1),
        handed_at: Some(time(NOW)),
        ..first_row()
    };
    let barred = living(Rotation {
        previous_barred: true,
        ..rotation
    });
    let previous =
        |row: &Row, policy: &SessionPolicy| decide(row, GENERATION - 1, time(NOW), policy);
    assert_eq!(previous(&barred, &policy(80)), RotationDecision::Superseded);
    let strict = SessionPolicy {
        reuse: ReusePolicy::Strict,
        ..policy(80)
    };
    assert_eq!(
        previous(&living(rotation), &strict),
        RotationDecision::Reused
    );
    assert_eq!(previous(&barred, &strict), RotationDecision::Superseded);
}

#[test]
fn a_token_from_before_the_one_before_proves_a_copy_only_where_nothing_was_skipped() {
    let rotation = Rotation {
        previous: Some(GENERATION - 1),
        handed_at: Some(time(NOW)),
        ..first_row()
    };
    let barred = Rotation {
        previous_barred: true,
        ..rotation
    };
    let forwarded = Rotation {
        previous: None,
        ..rotation
    };
    for (rotation, expected) in [
        (rotation, RotationDecision::Reused),
        (barred, RotationDecision::Superseded),
        (forwarded, RotationDecision::Superseded),
    ] {
        for behind in [2, 3, 50] {
            let found = decide(
                &living(rotation),
                GENERATION - behind,
                time(NOW),
                &policy(80),
            );
            assert_eq!(found, expected, "{behind} behind {rotation:?}");
        }
    }
}

#[test]
fn a_generation_that_a_change_of_password_began_stays_for_a_window() {
    let changed = |ago: i64| Rotation {
        previous: Some(GENERATION - 1),
        previous_barred: true,
        rotated_at: time(NOW - ago),
        ..first_row()
    };
    for (ago, expected) in [
        (0, RotationCase::RepeatCurrent),
        (79, RotationCase::RepeatCurrent),
        (80, RotationCase::Rotate),
    ] {
        let found = decide(&living(changed(ago)), GENERATION, time(NOW), &policy(80));
        assert_eq!(case(found), (Some(expected), true), "{ago} s ago");
    }
    let first = decide(&living(first_row()), GENERATION, time(NOW), &policy(80));
    assert_eq!(
        case(first),
        (Some(RotationCase::Rotate), true),
        "after the login"
    );
}

#[test]
fn every_bound_of_the_rule_for_reissues_stands_to_the_second() {
    let row = |handed, confirmed: Option<i64>| Rotation {
        previous: Some(GENERATION - 1),
        rotated_at: time(NOW - handed),
        handed_at: Some(time(NOW - handed)),
        confirmed_at: confirmed.map(|ago| time(NOW - ago)),
        ..first_row()
    };
    let seen = |ago: i64| {
        move |row: Rotation| {
            let confirmed_at = Some(time(NOW - ago));
            ReissueDecision::Permit(Rotation {
                confirmed_at,
                ..row
            })
        }
    };
    let permit = ReissueDecision::Permit;
    let refuse = |_| ReissueDecision::Refuse;
    let reused = |_| ReissueDecision::Reused;
    type Said<'a> = &'a dyn Fn(Rotation) -> ReissueDecision;
    let table: [(i64, Rotation, Option<i64>, Said<'_>); 18] = [
        (0, row(39, None), Some(0), &seen(0)),
        (0, row(40, None), Some(0), &seen(0)),
        (0, row(41, None), Some(0), &seen(1)),
        (0, row(500, None), None, &seen(460)),
        (0, row(500, Some(7)), Some(0), &permit),
        (1, row(79, None), Some(0), &permit),
        (1, row(500, None), Some(0), &permit),
        (1, row(500, Some(39)), Some(0), &permit),
        (1, row(500, Some(40)), Some(0), &reused),
        (1, row(500, Some(40)), Some(1), &refuse),
        (1, row(500, Some(41)), Some(1), &reused),
        (1, row(500, Some(40)), None, &refuse),
        (2, row(5, None), Some(5), &reused),
        (2, row(5, None), Some(6), &refuse),
        (2, row(5, None), None, &refuse),
        (-1, row(500, None), Some(0), &refuse),
        (-1, row(500, Some(40)), Some(0), &refuse),
        (-17, row(500, None), Some(0), &refuse),
    ];
    for (behind, rotation, arrived, said) in table {
        let shown = Shown {
            behind,
            rotation,
            arrived: arrived.map(|ago| time(NOW - ago)),
        };
        shown.is_answered_by(said(rotation));
    }
}

/// A refresh token beside an access token that is due for a reissue.
#[derive(Clone, Copy, Debug)]
struct Shown {
    behind: i64,
    rotation: Rotation,
    arrived: Option<Timestamp>,
}

impl Shown {
    fn decide(&self, policy: &SessionPolicy, row: &Row) -> ReissueDecision {
        let presented = GENERATION - self.behind;
        decide_reissue(row, presented, self.arrived, time(NOW), policy)
    }

    fn is_answered_by(&self, expected: ReissueDecision) {
        let row = living(self.rotation);
        assert_eq!(self.decide(&policy(80), &row), expected, "{self:?}");
        let revoked = Row {
            revoked: true,
            ..row
        };
        let refused = self.decide(&policy(80), &revoked);
        assert_eq!(refused, ReissueDecision::Refuse, "{self:?}");
        let strict = SessionPolicy {
            reuse: ReusePolicy::Strict,
            ..policy(80)
        };
        if self.behind == 1 && self.arrived.is_some() {
            let reused = self.decide(&strict, &row);
            assert_eq!(reused, ReissueDecision::Reused, "{self:?}");
        }
    }
}
