//! Defines the rate limits: how many failures are allowed, and how long to back off after that.
//! They are pure functions of a tally and a time.

use std::fmt;
use std::time::Duration;

use tokenpair::clock::Timestamp;

/// A number of failures per duration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// The number of failures; at least 1.
    pub count: u32,
    /// The duration; at least a second.
    pub per: Duration,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}s", self.count, self.per.as_secs())
    }
}

/// The rate limits of failed logins.
///
/// ```
/// use std::time::Duration;
/// use tokenpair_store::rate_limit::{LimitRule, ThrottlePolicy};
///
/// let policy = ThrottlePolicy::default();
/// assert_eq!(policy.account.to_string(), "10/900s");
/// assert_eq!(policy.peer(), LimitRule::Window(policy.peer));
/// // All networks: 100 failures, then back off up to 90 s. Every 90 s forgive one failure.
/// let LimitRule::Backoff { bears, longest, eases, .. } = policy.account_everywhere() else {
///     unreachable!("accounts back off")
/// };
/// let pace = Duration::from_secs(90);
/// assert_eq!((bears, longest, eases), (100, pace, Some(pace)));
/// // A wider network may fail more often at once, but not in the long run.
/// assert_eq!(policy.peer_of(4).to_string(), "400/900s");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThrottlePolicy {
    /// Wrong passwords for one account from one network (`THROTTLE_ACCOUNT`). Ten times as many are
    /// allowed from all networks together. Default: 10 in 15 min.
    pub account: Rate,
    /// Failures of one network at all accounts together (`THROTTLE_PEER`). Default: 100 in 15 min.
    pub peer: Rate,
}

/// Multiple of one network's limit for an account that all networks together have.
const EVERYWHERE: u32 = 10;

impl Default for ThrottlePolicy {
    fn default() -> Self {
        let per = Duration::from_secs(15 * 60);
        let rate = |count| Rate { count, per };
        Self {
            account: rate(10),
            peer: rate(100),
        }
    }
}

impl ThrottlePolicy {
    /// Returns the limit for one account and one network. Past it each attempt must back off: at
    /// first for the rate's average interval between failures, doubled after each further failure,
    /// up to the rate's whole duration.
    pub fn account(&self) -> LimitRule {
        self.account_of(1)
    }

    /// Returns the limit for one account and a wider network, which allows `times` as many failures
    /// as one network. Its failures are remembered for `times` as long, so that in the long run it
    /// allows about as many as one network.
    pub fn account_of(&self, times: u32) -> LimitRule {
        LimitRule::Backoff {
            bears: self.account.count.saturating_mul(times),
            first: self.account.pace(),
            longest: self.account.per,
            remembered: self.account.per.saturating_mul(times),
            eases: None,
        }
    }

    /// Returns the limit for one account and all networks together. Back-off never exceeds the
    /// rate's average interval between failures, and each such interval forgives one failure, so
    /// that occasional failures from a few networks do not add up.
    pub fn account_everywhere(&self) -> LimitRule {
        let bears = self.account.count.saturating_mul(EVERYWHERE);
        let everywhere = Rate {
            count: bears,
            ..self.account
        };
        LimitRule::Backoff {
            bears,
            first: everywhere.pace(),
            longest: self.account.pace(),
            remembered: self.account.per,
            eases: Some(self.account.pace()),
        }
    }

    /// Returns the limit for one network at all accounts: past the rate it must wait until the
    /// current window ends.
    pub fn peer(&self) -> LimitRule {
        LimitRule::Window(self.peer_of(1))
    }

    /// Returns the rate of a wider network at all accounts.
    pub fn peer_of(&self, times: u32) -> Rate {
        let count = self.peer.count.saturating_mul(times);
        Rate { count, ..self.peer }
    }
}

impl Rate {
    /// Returns the average interval between two failures.
    fn pace(self) -> Duration {
        let seconds = self.per.as_secs() / u64::from(self.count.max(1));
        Duration::from_secs(seconds.max(1))
    }
}

/// The rule of one counter.
///
/// ```
/// use std::time::Duration;
/// use tokenpair::clock::Timestamp;
/// use tokenpair_store::rate_limit::{LimitDecision, Tally, ThrottlePolicy};
///
/// let rule = ThrottlePolicy::default().account();
/// let last = Timestamp::from_unix(1_800_000_000);
/// let after = |failures| Tally { failures, last, until: rule.forgotten(last) };
/// let decide = |failures, seconds| rule.decide(Some(after(failures)), 0, last + Duration::from_secs(seconds));
///
/// assert_eq!(decide(9, 0), LimitDecision::Admit);
/// // Ten failures are allowed: then back off 90 s, and twice as long after each further failure.
/// assert!(rule.locks_at(10));
/// assert_eq!(decide(10, 0), LimitDecision::Refuse(Duration::from_secs(90)));
/// assert_eq!(decide(10, 90), LimitDecision::Admit);
/// assert_eq!(decide(11, 90), LimitDecision::Refuse(Duration::from_secs(90)));
/// // In the end all failures are forgotten.
/// assert_eq!(decide(11, 1800), LimitDecision::Admit);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LimitRule {
    /// Past `bears` failures, each attempt must back off, longer after each failure.
    Backoff {
        /// The number of failures without a back-off.
        bears: u32,
        /// The first back-off; each further failure doubles it.
        first: Duration,
        /// The longest back-off.
        longest: Duration,
        /// How long after the last back-off all failures are forgotten.
        remembered: Duration,
        /// The interval that forgives one failure, if any does; at least a second.
        eases: Option<Duration>,
    },
    /// Past the rate, all attempts must wait for the next window. Windows begin at multiples of
    /// their length, the same on every server.
    Window(Rate),
}

/// The failures counted so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tally {
    /// The number of failures.
    pub failures: i64,
    /// The time of the last failure.
    pub last: Timestamp,
    /// The time at which the failures expire.
    pub until: Timestamp,
}

/// The decision about an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum LimitDecision {
    /// The attempt may be made.
    Admit,
    /// The client must back off for this long; at least a second.
    Refuse(Duration),
}

impl LimitRule {
    /// Decides whether another attempt may be made, while `under_way` others are in progress and
    /// could all fail.
    pub fn decide(self, tally: Option<Tally>, under_way: u32, now: Timestamp) -> LimitDecision {
        let failures = self.left(tally, now);
        let tally = tally.filter(|tally| now < tally.until);
        let until = tally.map_or(now, |tally| self.wait_ends(tally));
        if now < until {
            return LimitDecision::Refuse(until.since(now));
        }
        // At least one at a time, or no back-off would ever end.
        let room = i64::from(self.bears()).saturating_sub(failures).max(1);
        if i64::from(under_way) >= room {
            return LimitDecision::Refuse(Duration::from_secs(1));
        }
        LimitDecision::Admit
    }

    /// Returns whether a failure exceeded the limit when it was counted: the attempt was admitted
    /// with that `tally`, and attempts on other servers have raised the count to `failures` in the
    /// meantime.
    pub fn is_exceeded(self, tally: Option<Tally>, failures: i64, now: Timestamp) -> bool {
        let in_turn = self.left(tally, now).saturating_add(1);
        failures > in_turn.max(i64::from(self.bears()))
    }

    /// Returns how many failures are not forgotten or forgiven yet.
    fn left(self, tally: Option<Tally>, now: Timestamp) -> i64 {
        let Some(tally) = tally.filter(|tally| now < tally.until) else {
            return 0;
        };
        let passed = i64::try_from(now.since(tally.last).as_secs()).unwrap_or(i64::MAX);
        let eased = self.eases().map_or(0, |time| passed / time);
        tally.failures.saturating_sub(eased).max(0)
    }

    /// Returns the seconds that forgive one failure; `None` if no failure is forgiven.
    pub(crate) fn eases(self) -> Option<i64> {
        match self {
            Self::Backoff { eases, .. } => eases
                .map(|time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
                .filter(|seconds| *seconds > 0),
            Self::Window(_) => None,
        }
    }

    fn wait_ends(self, tally: Tally) -> Timestamp {
        let Some(further) = self.further(tally.failures) else {
            return tally.last;
        };
        match self {
            Self::Backoff { first, longest, .. } => {
                let doubled = 1_u32.checked_shl(further).unwrap_or(u32::MAX);
                tally.last + first.saturating_mul(doubled).min(longest)
            }
            Self::Window(_) => tally.until,
        }
    }

    /// Returns the number of failures after the last one without a back-off, if that was reached.
    fn further(self, failures: i64) -> Option<u32> {
        let further = failures.checked_sub(i64::from(self.bears()))?;
        (further >= 0).then(|| u32::try_from(further).unwrap_or(u32::MAX))
    }

    const fn bears(self) -> u32 {
        match self {
            Self::Backoff { bears, .. } => bears,
            Self::Window(rate) => rate.count,
        }
    }

    /// Returns when a failure counted `now` is forgotten, with all earlier ones.
    pub fn forgotten(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Backoff {
                longest,
                remembered,
                ..
            } => now + longest + remembered,
            Self::Window(rate) => {
                let length = i64::try_from(rate.per.as_secs()).unwrap_or(i64::MAX).max(1);
                let over = u64::try_from(now.unix().rem_euclid(length)).unwrap_or(0);
                now + rate.per.saturating_sub(Duration::from_secs(over))
            }
        }
    }

    /// Returns whether the failure with this number starts a back-off.
    pub fn locks_at(self, failures: i64) -> bool {
        match self {
            Self::Backoff { .. } => self.further(failures).is_some(),
            Self::Window(_) => self.further(failures) == Some(0),
        }
    }
}

/// A counter of failures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counter {
    /// The key of its tally. It does not reveal what is counted.
    pub id: String,
    /// The rule of the counter.
    pub rule: LimitRule,
    /// A short description of the counter for the audit trail.
    pub word: String,
}

#[cfg(test)]
mod tests;
