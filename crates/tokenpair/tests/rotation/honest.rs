//! Promises 1 and 5 within bounds: searches every schedule of honest tabs; schedules outside the
//! bounds break them.

use crate::page::{assert_counted, documented};
use crate::replica::{schedule, search};
use crate::tabs::{NOBODY, NOT_BUSY, Network, REISSUES, SMALL};

/// Returns the number of states, none of which breaks a promise.
fn states_of(network: Network) -> usize {
    let (states, broken) = search(network);
    assert!(broken.is_empty(), "{broken:?}: {network:?}");
    states
}

/// Searches all states, and compares their number with the page's.
fn holds(check: &str, network: Network) {
    assert_counted(check, states_of(network));
}

#[test]
fn without_a_thief_no_schedule_logs_anyone_out() {
    holds("tabs: W=3 D=1, 3 at once", SMALL);
}

#[test]
fn an_exchange_and_the_difference_of_clocks_that_together_stay_in_the_bound_log_nobody_out() {
    let mut states = 0;
    for (window, slowest, skew) in [
        (3, 1, 0),
        (4, 1, 0),
        (5, 1, 0),
        (5, 1, 1),
        (5, 2, 0),
        (6, 1, 0),
        (6, 1, 1),
        (6, 2, 0),
        (7, 2, 0),
        (7, 2, 1),
    ] {
        // D + s < W/2 - W/16
        assert!(16 * (slowest + skew) < 7 * i64::try_from(window).unwrap());
        states += states_of(Network {
            window,
            slowest,
            skew,
            tabs: 2,
            ..SMALL
        });
    }
    assert_counted("tabs: ten bounds from W=3 to W=7, 2 at once", states);
}

#[test]
fn an_eighth_of_the_window_that_is_more_than_a_tick_logs_nobody_out() {
    let network = Network {
        window: 9,
        slowest: 3,
        tabs: 2,
        ..SMALL
    };
    holds("tabs: W=9 D=3, 2 at once", network);
}

#[test]
fn clocks_of_replicas_that_differ_by_less_than_an_eighth_of_the_window_log_nobody_out() {
    let network = Network {
        window: 9,
        slowest: 2,
        tabs: 2,
        skew: 1,
        ..SMALL
    };
    holds("tabs: W=9 D=2, 2 at once, clocks 1 apart", network);
}

#[test]
fn a_lost_commit_that_began_a_generation_revokes_nothing() {
    let network = Network {
        window: 4,
        tabs: 2,
        lost_commits: 2,
        ..SMALL
    };
    holds("failover: W=4 D=1, 2 at once, 2 commits lost", network);
}

#[test]
fn a_change_of_password_revokes_nothing_of_the_session_that_goes_on() {
    let network = Network {
        tabs: 2,
        passwords: 2,
        ..SMALL
    };
    holds("password: W=3 D=1, 2 at once, 2 changes", network);
}

#[test]
fn reissues_log_nobody_out_however_long_their_handlers_take() {
    holds("reissues: W=3 D=1, handlers of 2, 2 at once", REISSUES);
}

#[test]
fn reissues_revoke_nothing_when_the_password_changes() {
    let network = Network {
        passwords: 1,
        handler: 0,
        ..REISSUES
    };
    holds(
        "reissues and a password: W=3 D=1, handlers of 0, 2 at once, 1 change",
        network,
    );
}

/// Networks that take long to search, by the check that documents their figures.
const LARGE: [(&str, Network); 7] = [
    ("tabs: W=3 D=1, 4 at once", Network { tabs: 4, ..SMALL }),
    (
        "tabs: W=5 D=2, 3 at once",
        Network {
            window: 5,
            slowest: 2,
            ..SMALL
        },
    ),
    (
        "tabs: W=9 D=3, 2 at once, clocks 1 apart",
        Network {
            window: 9,
            slowest: 3,
            tabs: 2,
            skew: 1,
            ..SMALL
        },
    ),
    (
        "reissues: W=3 D=1, handlers of 4, 2 at once",
        Network {
            handler: 4,
            ..REISSUES
        },
    ),
    (
        "reissues: W=5 D=1, handlers of 1, 2 at once, clocks 1 apart",
        Network {
            window: 5,
            skew: 1,
            handler: 1,
            ..REISSUES
        },
    ),
    (
        "reissues and a failover: W=4 D=1, handlers of 0, 2 at once, 1 commit lost",
        Network {
            window: 4,
            lost_commits: 1,
            handler: 0,
            ..REISSUES
        },
    ),
    (
        "reissues and a password: W=3 D=1, handlers of 2, 2 at once, 1 change",
        Network {
            passwords: 1,
            ..REISSUES
        },
    ),
];

#[test]
fn what_is_too_large_for_every_day_is_searched_when_it_is_asked_for() {
    let wide = std::env::var_os("ROTATION_WIDE").is_some();
    for (check, network) in LARGE {
        // The page has their figures in any case.
        let states = documented(check);
        if wide {
            holds(check, network);
        }
        assert!(states > 400_000, "{check}: {states}");
    }
}

#[test]
fn the_bounds_that_the_rule_is_stated_for_are_needed() {
    let small = Network { tabs: 2, ..SMALL };
    let lost_handing = Network {
        window: 4,
        lost_commits: 1,
        lost_handings: true,
        ..small
    };
    for (what, beyond) in [
        ("W = 2D", Network { window: 2, ..SMALL }),
        (
            "2D < W, but not by an eighth of W",
            Network {
                window: 9,
                slowest: 4,
                ..small
            },
        ),
        (
            "D and the clocks' difference each in their bounds, but together half of W",
            Network {
                window: 10,
                slowest: 4,
                skew: 1,
                ..small
            },
        ),
        (
            "W = 3D, and a commit is lost",
            Network {
                lost_commits: 1,
                ..small
            },
        ),
        (
            "the lost commit recorded that a token was handed out again",
            lost_handing,
        ),
    ] {
        let schedule = schedule(beyond, NOBODY);
        println!("{what}: {schedule:?}");
        assert!(schedule.is_some(), "{what}: no user was logged out");
    }
}

/// Returns the maximum number of decisions of a request. It reads the row once for each, and only
/// the last of them writes.
fn decisions(network: Network) -> u8 {
    let enough = |decisions: &u8| {
        let network = Network {
            decisions: *decisions,
            ..network
        };
        schedule(network, NOT_BUSY).is_none()
    };
    (1..8).find(enough).unwrap()
}

#[test]
fn a_request_decides_once_alone_and_a_few_times_among_others() {
    let alone = Network { tabs: 1, ..SMALL };
    let two = Network { tabs: 2, ..SMALL };
    let slower = Network {
        window: 5,
        slowest: 2,
        ..two
    };
    assert_eq!([alone, two, slower, SMALL].map(decisions), [1, 3, 3, 4]);
    let thrice = Network {
        decisions: 3,
        ..SMALL
    };
    println!("overtaken thrice: {:?}", schedule(thrice, NOT_BUSY));
}
