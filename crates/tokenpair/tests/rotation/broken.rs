//! Breaks every case of the rule and every condition of a write once: a search without findings
//! only means something if it would find them.

use std::fmt::Debug;

use tokenpair::clock::Timestamp;
use tokenpair::session::{
    ReissueDecision, Rotation, RotationCase, RotationDecision, Row, SessionPolicy, decide,
    decide_reissue,
};

use crate::logout::{Flaw, RACE, REISSUE, Race};
use crate::replica::{Guards, ReissueRule, Rule, schedule};
use crate::tabs::{Network, REISSUES, SMALL};
use crate::thief::{NEWEST_ONLY, RIDERS, TwoHolders};
use crate::{logout, tabs, thief};

/// The search that must find the flaw.
#[derive(Clone, Copy, Debug)]
enum By {
    Tabs(Network),
    Thief(TwoHolders),
    Logout(Race),
}

impl By {
    /// Returns the same search with that rule.
    const fn with(self, rule: Rule) -> Self {
        match self {
            Self::Tabs(network) => Self::Tabs(Network { rule, ..network }),
            Self::Thief(holders) => Self::Thief(TwoHolders { rule, ..holders }),
            Self::Logout(race) => Self::Logout(Race { rule, ..race }),
        }
    }

    /// Returns the same search with that rule for reissues.
    const fn with_reissue(self, rule: ReissueRule) -> Self {
        let reissue = Some(rule);
        match self {
            Self::Tabs(network) => Self::Tabs(Network { reissue, ..network }),
            Self::Thief(holders) => Self::Thief(TwoHolders { reissue, ..holders }),
            Self::Logout(race) => Self::Logout(Race { reissue, ..race }),
        }
    }

    /// Returns a short schedule that breaks the promise.
    fn schedule(self, promise: &'static str) -> Option<String> {
        match self {
            Self::Tabs(network) => written_out(schedule(network, promise)),
            Self::Thief(holders) => written_out(schedule(holders, promise)),
            Self::Logout(race) => written_out(schedule(race, promise)),
        }
    }
}

fn written_out(schedule: Option<Vec<impl Debug>>) -> Option<String> {
    schedule.map(|events| format!("{} steps: {events:?}", events.len()))
}

const TABS: By = By::Tabs(SMALL);
const TWO_TABS: Network = Network { tabs: 2, ..SMALL };
const FAILOVER: By = By::Tabs(Network {
    window: 4,
    lost_commits: 1,
    ..TWO_TABS
});
const PASSWORD: By = By::Tabs(PASSWORD_CHANGED);
const PASSWORD_CHANGED: Network = Network {
    passwords: 1,
    ..TWO_TABS
};
const THIEF: By = By::Thief(NEWEST_ONLY);
const LOGOUT: By = By::Logout(RACE);

/// The rule, with its decision in one case replaced.
macro_rules! instead {
    (|$row:ident, $token:ident, $now:ident, $policy:ident| $($said:pat $(if $when:expr)? => $then:expr),+) => {
        |$row: &Row, $token: i64, $now: Timestamp, $policy: &SessionPolicy| {
            // Not every case uses all of it.
            let _ = (&$row, $token, $now, $policy);
            match decide($row, $token, $now, $policy) {
                $($said $(if $when)? => $then,)+
                other => other,
            }
        }
    };
}

const fn same(next: Option<Rotation>) -> RotationDecision {
    RotationDecision::Grant {
        case: RotationCase::ReplayPrevious,
        next,
    }
}

/// The flaw, its rule, and the search and the promise that reveal it.
const BROKEN: [(&str, Rule, By, &str); 21] = [
    (
        "a repeated token is theft",
        instead!(|row, token, now, policy| RotationDecision::Grant { case: RotationCase::ReplayPrevious, .. } => RotationDecision::Reused),
        TABS,
        tabs::NOBODY,
    ),
    (
        "a lost answer is theft",
        instead!(|row, token, now, policy| RotationDecision::Grant { case: RotationCase::LostResponse, .. } => RotationDecision::Reused),
        TABS,
        tabs::NOBODY,
    ),
    (
        "no window: every use rotates",
        instead!(|row, token, now, policy| RotationDecision::Grant { case: RotationCase::RepeatCurrent, .. } => {
            let rotation = Rotation { handed_at: None, previous: None, ..row.rotation };
            decide(&Row { rotation, ..*row }, token, now, policy)
        }),
        TABS,
        tabs::NOBODY,
    ),
    (
        "handing out again is not written",
        instead!(|row, token, now, policy| RotationDecision::Grant { case: RotationCase::ReplayPrevious, next: Some(_) } => same(None)),
        TABS,
        tabs::NOBODY,
    ),
    (
        "handing out again is written every half window only",
        instead!(|row, token, now, policy| RotationDecision::Grant { case: RotationCase::ReplayPrevious, next: Some(_) }
            if row.rotation.handed_at.is_some_and(|at| now.since(at) < policy.rotation_window / 2) => same(None)),
        TABS,
        tabs::NOBODY,
    ),
    (
        "theft as soon as the successor was presented",
        instead!(|row, token, now, policy| RotationDecision::Grant { case: RotationCase::ReplayPrevious, .. }
            if row.rotation.confirmed_at.is_some() => RotationDecision::Reused),
        TABS,
        tabs::NOBODY,
    ),
    (
        "recovery forgets whose answer was lost",
        instead!(|row, token, now, policy| RotationDecision::Grant { case: RotationCase::LostResponse, next: Some(next) } => RotationDecision::Grant {
            case: RotationCase::LostResponse,
            next: Some(Rotation { previous: Some(row.rotation.generation), ..next }),
        }),
        TABS,
        tabs::NOBODY,
    ),
    (
        "rotation forgets which token came before",
        instead!(|row, token, now, policy| RotationDecision::Grant { case: RotationCase::Rotate, next: Some(next) } => RotationDecision::Grant {
            case: RotationCase::Rotate,
            next: Some(Rotation { previous: row.rotation.previous.or(Some(0)), ..next }),
        }),
        TABS,
        tabs::NOBODY,
    ),
    (
        "a generation that the database lost is theft",
        instead!(|row, token, now, policy| RotationDecision::Grant { case: RotationCase::LostCommit, .. } => RotationDecision::Reused),
        FAILOVER,
        tabs::NOBODY,
    ),
    (
        "an older token is theft though the row went forward",
        instead!(|row, token, now, policy| RotationDecision::Superseded if row.rotation.previous.is_none() => RotationDecision::Reused),
        FAILOVER,
        tabs::NOBODY,
    ),
    (
        "a barred token is theft",
        instead!(|row, token, now, policy| RotationDecision::Superseded if Some(token) == row.rotation.previous => RotationDecision::Reused),
        PASSWORD,
        tabs::NOBODY,
    ),
    (
        "a token from before the barred one is theft",
        instead!(|row, token, now, policy| RotationDecision::Superseded if Some(token) != row.rotation.previous => RotationDecision::Reused),
        PASSWORD,
        tabs::NOBODY,
    ),
    (
        "a generation that a change of password began rotates at once",
        |row, token, now, policy| {
            let rotation = row.rotation;
            let rotated_at = rotation
                .handed_at
                .map_or(Timestamp::from_unix(0), |_| rotation.rotated_at);
            let rotation = Rotation {
                rotated_at,
                ..rotation
            };
            decide(&Row { rotation, ..*row }, token, now, policy)
        },
        PASSWORD,
        tabs::NOBODY,
    ),
    (
        "a barred token is handed its successor",
        instead!(|row, token, now, policy| RotationDecision::Superseded => same(None)),
        PASSWORD,
        tabs::BARRED,
    ),
    (
        "older tokens live",
        instead!(|row, token, now, policy| RotationDecision::Reused if Some(token) != row.rotation.previous => same(None)),
        THIEF,
        thief::ONLY,
    ),
    (
        "P lives for ever",
        instead!(|row, token, now, policy| RotationDecision::Reused if Some(token) == row.rotation.previous => same(None)),
        THIEF,
        thief::LATE,
    ),
    (
        "that G was presented is not written",
        instead!(|row, token, now, policy| RotationDecision::Grant { case: RotationCase::RepeatCurrent, .. } => RotationDecision::Grant {
            case: RotationCase::RepeatCurrent,
            next: None,
        }),
        THIEF,
        thief::LATE,
    ),
    (
        "recovery hands out G again, so that no token becomes an orphan",
        instead!(|row, token, now, policy| RotationDecision::Grant { case: RotationCase::LostResponse, .. } => same(None)),
        THIEF,
        thief::FOURTH,
    ),
    (
        "no use rotates",
        instead!(|row, token, now, policy| RotationDecision::Grant { case: RotationCase::Rotate, .. } => RotationDecision::Grant {
            case: RotationCase::RepeatCurrent,
            next: None,
        }),
        THIEF,
        thief::FOURTH,
    ),
    (
        "the end of a session is not looked at",
        |row, token, now, policy| {
            decide(
                &Row {
                    revoked: false,
                    ..*row
                },
                token,
                now,
                policy,
            )
        },
        LOGOUT,
        logout::GRANTED,
    ),
    (
        "older tokens live while requests race",
        instead!(|row, token, now, policy| RotationDecision::Reused => same(None)),
        LOGOUT,
        logout::ONLY,
    ),
];

#[test]
fn each_line_of_the_rule_is_needed_and_the_search_finds_it_broken() {
    for (what, rule, by, promise) in BROKEN {
        assert_found(what, by.with(rule), promise);
    }
}

/// The rule for reissues, with its decision in one case replaced.
macro_rules! reissue_instead {
    (|$row:ident, $token:ident, $arrived:ident, $now:ident, $policy:ident| $($said:pat $(if $when:expr)? => $then:expr),+) => {
        |$row: &Row, $token: i64, $arrived: Option<Timestamp>, $now: Timestamp, $policy: &SessionPolicy| {
            let _ = (&$row, $token, $arrived, $now, &$policy);
            match decide_reissue($row, $token, $arrived, $now, $policy) {
                $($said $(if $when)? => $then,)+
                other => other,
            }
        }
    };
}

/// The case of the rule for refreshes that a reissue relies on.
fn line(row: &Row, token: i64, now: Timestamp, policy: &SessionPolicy) -> Option<RotationCase> {
    match decide(row, token, now, policy) {
        RotationDecision::Grant { case, .. } => Some(case),
        _ => None,
    }
}

const TABS_AND_REISSUES: By = By::Tabs(REISSUES);
const RIDING_THIEF: By = By::Thief(RIDERS);
const LOGOUT_AND_REISSUES: By = By::Logout(REISSUE);

const BROKEN_FOR_REISSUES: [(&str, ReissueRule, By, &str); 15] = [
    (
        "theft is judged when the handler is done, not when the request came",
        |row, token, arrived, now, policy| {
            decide_reissue(row, token, arrived.map(|_| now), now, policy)
        },
        TABS_AND_REISSUES,
        tabs::NOBODY,
    ),
    (
        "a row that has moved on since the request came proves a copy",
        reissue_instead!(|row, token, arrived, now, policy| ReissueDecision::Refuse
            if arrived.is_some_and(|at| decide(row, token, at, policy) == RotationDecision::Reused) => ReissueDecision::Reused),
        TABS_AND_REISSUES,
        tabs::NOBODY,
    ),
    (
        "a repeated token is theft at a reissue",
        reissue_instead!(|row, token, arrived, now, policy| ReissueDecision::Permit(_)
            if line(row, token, now, policy) == Some(RotationCase::ReplayPrevious) => ReissueDecision::Reused),
        TABS_AND_REISSUES,
        tabs::NOBODY,
    ),
    (
        "a lost answer is theft at a reissue",
        reissue_instead!(|row, token, arrived, now, policy| ReissueDecision::Permit(_)
            if line(row, token, now, policy) == Some(RotationCase::LostResponse) => ReissueDecision::Reused),
        TABS_AND_REISSUES,
        tabs::NOBODY,
    ),
    (
        "a reissue with P says that G was presented",
        reissue_instead!(|row, token, arrived, now, policy| ReissueDecision::Permit(next) => ReissueDecision::Permit(Rotation {
            confirmed_at: next.confirmed_at.or(Some(now)),
            ..next
        })),
        TABS_AND_REISSUES,
        tabs::NOBODY,
    ),
    (
        "a generation that the database lost is theft at a reissue",
        reissue_instead!(|row, token, arrived, now, policy| ReissueDecision::Refuse
            if token > row.rotation.generation => ReissueDecision::Reused),
        By::Tabs(Network {
            window: 4,
            lost_commits: 1,
            ..REISSUES
        }),
        tabs::NOBODY,
    ),
    (
        "a barred token is theft at a reissue",
        reissue_instead!(|row, token, arrived, now, policy| ReissueDecision::Refuse
            if row.rotation.previous_barred => ReissueDecision::Reused),
        By::Tabs(PASSWORD_AND_REISSUES),
        tabs::NOBODY,
    ),
    (
        "a barred token is reissued",
        reissue_instead!(|row, token, arrived, now, policy| ReissueDecision::Refuse
            if row.rotation.previous_barred => ReissueDecision::Permit(row.rotation)),
        By::Tabs(PASSWORD_AND_REISSUES),
        tabs::BARRED,
    ),
    (
        "the generation is not looked at",
        |row, _, _, _, _| ReissueDecision::Permit(row.rotation),
        RIDING_THIEF,
        thief::ONLY,
    ),
    (
        "P is reissued for ever",
        reissue_instead!(|row, token, arrived, now, policy| ReissueDecision::Reused
            if Some(token) == row.rotation.previous => ReissueDecision::Permit(row.rotation)),
        RIDING_THIEF,
        thief::LATE,
    ),
    (
        "that G came with a reissue is not written",
        reissue_instead!(|row, token, arrived, now, policy| ReissueDecision::Permit(_) => ReissueDecision::Permit(row.rotation)),
        RIDING_THIEF,
        thief::LATE,
    ),
    (
        "G counts as presented from a late reissue on",
        reissue_instead!(|row, token, arrived, now, policy| ReissueDecision::Permit(next)
        if token == row.rotation.generation && row.rotation.confirmed_at.is_none() => ReissueDecision::Permit(Rotation {
            confirmed_at: Some(now),
            ..next
        })),
        RIDING_THIEF,
        thief::FOURTH,
    ),
    (
        "G counts as presented from the hand-out on",
        reissue_instead!(|row, token, arrived, now, policy| ReissueDecision::Permit(next)
        if token == row.rotation.generation && row.rotation.confirmed_at.is_none() => ReissueDecision::Permit(Rotation {
            confirmed_at: row.rotation.handed_at.or(Some(now)),
            ..next
        })),
        TABS_AND_REISSUES,
        tabs::NOBODY,
    ),
    (
        "a copy is rejected, but its session continues",
        reissue_instead!(|row, token, arrived, now, policy| ReissueDecision::Reused => ReissueDecision::Refuse),
        RIDING_THIEF,
        thief::NOTICED,
    ),
    (
        "older tokens are reissued while requests race",
        reissue_instead!(|row, token, arrived, now, policy| ReissueDecision::Reused => ReissueDecision::Permit(row.rotation)),
        LOGOUT_AND_REISSUES,
        logout::ONLY,
    ),
];

const PASSWORD_AND_REISSUES: Network = Network {
    passwords: 1,
    ..REISSUES
};

#[test]
fn each_line_of_the_rule_for_reissues_is_needed_and_the_search_finds_it_broken() {
    for (what, rule, by, promise) in BROKEN_FOR_REISSUES {
        assert_found(what, by.with_reissue(rule), promise);
    }
    let alone = By::Thief(TwoHolders {
        alone: true,
        ..RIDERS
    });
    let what = "an access token is reissued without a refresh token";
    assert_found(what, alone, thief::ALONE);
    let blind = Race {
        guards: Guards {
            living: false,
            ..Guards::ALL
        },
        ..REISSUE
    };
    let what = "a reissue does not look at revoked_at";
    assert_found(what, By::Logout(blind), logout::GRANTED);
}

fn assert_found(what: &str, by: By, promise: &'static str) {
    let schedule = by.schedule(promise);
    println!("{what}: {schedule:?}");
    assert!(schedule.is_some(), "{what}, and still: {promise}");
}

const ALL: Guards = Guards::ALL;
const BLIND: Guards = Guards {
    generation: false,
    barred: false,
    handed: false,
    confirmed: false,
    living: true,
};

const fn tabs_with(guards: Guards) -> By {
    By::Tabs(Network { guards, ..SMALL })
}

const fn password_with(guards: Guards) -> By {
    By::Tabs(Network {
        guards,
        ..PASSWORD_CHANGED
    })
}

const fn logout_with(guards: Guards) -> By {
    By::Logout(Race { guards, ..RACE })
}

#[test]
fn each_condition_of_the_write_is_needed_and_the_search_finds_it_missing() {
    let neither = Guards {
        generation: false,
        barred: false,
        ..ALL
    };
    for (what, by, promise) in [
        ("nothing is compared", tabs_with(BLIND), tabs::NOBODY),
        (
            "only the generation is compared",
            tabs_with(Guards {
                generation: true,
                ..BLIND
            }),
            tabs::NOBODY,
        ),
        (
            "handed_at is not compared",
            tabs_with(Guards {
                handed: false,
                ..ALL
            }),
            tabs::NOBODY,
        ),
        (
            "confirmed_at is not compared",
            logout_with(Guards {
                confirmed: false,
                ..ALL
            }),
            logout::FORGOTTEN,
        ),
        (
            "neither the generation nor the bar is compared",
            password_with(neither),
            tabs::BARRED,
        ),
        (
            "revoked_at is not looked at",
            logout_with(Guards {
                living: false,
                ..ALL
            }),
            logout::WRITTEN,
        ),
    ] {
        assert_found(what, by, promise);
    }
}

#[test]
fn the_generation_and_the_bar_stand_in_for_each_other() {
    let no_generation = Guards {
        generation: false,
        ..ALL
    };
    let no_bar = Guards {
        barred: false,
        ..ALL
    };
    for (by, promise) in [
        (password_with(no_generation), tabs::NOBODY),
        (password_with(no_generation), tabs::BARRED),
        (password_with(no_bar), tabs::NOBODY),
        (password_with(no_bar), tabs::BARRED),
    ] {
        assert_eq!(by.schedule(promise), None);
    }
}

#[test]
fn a_logout_done_wrong_is_found_out() {
    for (what, flaw, promise) in [
        (
            "a logout gives way to a refresh",
            Flaw::Compares,
            logout::LIVES,
        ),
        (
            "a logout answers before its commit",
            Flaw::AnswersFirst,
            logout::LIVES,
        ),
        (
            "a refresh writes the whole row as it was, whatever it is now",
            Flaw::Overwritten,
            logout::LIVES,
        ),
        (
            "the revocation is rolled back with the error",
            Flaw::RolledBack,
            logout::COMMITS,
        ),
    ] {
        // Only a write that does not check the row undoes anything.
        let living = flaw != Flaw::Overwritten;
        let guards = Guards { living, ..ALL };
        let race = Race {
            guards,
            flaw,
            ..RACE
        };
        assert_found(what, By::Logout(race), promise);
    }
}
