//! Tests the limits at their bounds: the back-offs, the window, and the concurrent attempts.

use super::*;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn tally(rule: LimitRule, failures: i64) -> Tally {
    Tally {
        failures,
        last: NOW,
        until: rule.forgotten(NOW),
    }
}

fn wait(rule: LimitRule, failures: i64) -> u64 {
    match rule.decide(Some(tally(rule, failures)), 0, NOW) {
        LimitDecision::Admit => 0,
        LimitDecision::Refuse(wait) => wait.as_secs(),
    }
}

#[test]
fn waits_double_from_the_rate_s_pace_to_its_whole_time() {
    let rule = ThrottlePolicy::default().account();
    let waits = [0, 9, 10, 11, 12, 13, 14, 1_000_000, i64::MAX].map(|many| wait(rule, many));
    assert_eq!(waits, [0, 0, 90, 180, 360, 720, 900, 900, 900]);
}

#[test]
fn no_wait_for_what_many_networks_did_is_longer_than_the_rate_s_pace() {
    let rule = ThrottlePolicy::default().account_everywhere();
    let waits = [99, 100, 101, 102, 103, 104, i64::MAX].map(|many| wait(rule, many));
    assert_eq!(waits, [0, 9, 18, 36, 72, 90, 90]);
}

#[test]
fn time_forgives_one_failure_after_the_other_of_all_networks_together() {
    let rule = ThrottlePolicy::default().account_everywhere();
    let hundred = Some(tally(rule, 100));
    let at = |later, under_way| rule.decide(hundred, under_way, NOW + seconds(later));
    let refused = LimitDecision::Refuse(seconds(1));
    assert_eq!([at(9, 0), at(9, 1)], [LimitDecision::Admit, refused], "one");
    assert_eq!(
        [at(179, 0), at(179, 1)],
        [LimitDecision::Admit, refused],
        "one"
    );
    assert_eq!(
        [at(180, 1), at(180, 2)],
        [LimitDecision::Admit, refused],
        "two"
    );
    assert_eq!(at(990, 99), LimitDecision::Admit, "all");
}

#[test]
fn a_failure_that_came_after_those_of_others_was_one_too_many() {
    let policy = ThrottlePolicy::default();
    for rule in [policy.account(), policy.peer(), policy.account_everywhere()] {
        let limit = i64::from(rule.bears());
        let exceeded = |before, failures| {
            let before = (before > 0).then(|| tally(rule, before));
            rule.is_exceeded(before, failures, NOW)
        };
        assert!(!exceeded(0, limit) && exceeded(0, limit + 1));
        assert!(!exceeded(limit, limit + 1) && exceeded(limit, limit + 2));
    }
}

#[test]
fn a_wait_is_over_at_its_end_and_all_is_forgotten_after_a_quiet_while() {
    let rule = ThrottlePolicy::default().account();
    let tally = Some(tally(rule, 10));
    let at = |later| rule.decide(tally, 0, NOW + seconds(later));
    assert_eq!(at(89), LimitDecision::Refuse(seconds(1)));
    assert_eq!(at(90), LimitDecision::Admit);
    let second = |later| rule.decide(tally, 1, NOW + seconds(later));
    assert_eq!(
        second(90),
        LimitDecision::Refuse(seconds(1)),
        "one at a time"
    );
    assert_eq!(second(1799), LimitDecision::Refuse(seconds(1)));
    assert_eq!(second(1800), LimitDecision::Admit);
}

#[test]
fn attempts_that_are_under_way_count_as_if_they_failed() {
    let rule = ThrottlePolicy::default().account();
    let four = Some(tally(rule, 4));
    assert_eq!(rule.decide(four, 5, NOW), LimitDecision::Admit);
    assert_eq!(rule.decide(four, 6, NOW), LimitDecision::Refuse(seconds(1)));
    assert_eq!(rule.decide(None, 9, NOW), LimitDecision::Admit);
    assert_eq!(
        rule.decide(None, 10, NOW),
        LimitDecision::Refuse(seconds(1))
    );
}

#[test]
fn a_window_refuses_until_it_is_over_and_ends_where_every_server_s_does() {
    let rule = ThrottlePolicy::default().peer();
    assert_eq!(NOW.unix() % 900, 0);
    for later in [0, 1, 899] {
        assert_eq!(rule.forgotten(NOW + seconds(later)), NOW + seconds(900));
    }
    let full = Some(tally(rule, 100));
    let at = |later| rule.decide(full, 0, NOW + seconds(later));
    assert_eq!(wait(rule, 99), 0);
    assert_eq!(at(0), LimitDecision::Refuse(seconds(900)));
    assert_eq!(at(899), LimitDecision::Refuse(seconds(1)));
    assert_eq!(at(900), LimitDecision::Admit);
    assert_eq!(
        [99, 100, 101].map(|many| rule.locks_at(many)),
        [false, true, false]
    );
}
