//! Defines [`Timestamp`], whole seconds since 1970 (JWT's NumericDate, RFC 7519 section 2), and
//! [`Clock`], the source of the current time.
//!
//! Everything below the edge takes the time as an argument. Only the edge ([`crate::web`], the
//! server, the commands) holds a [`Clock`] and reads it.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A time in whole seconds since 1970-01-01T00:00:00Z. Arithmetic drops fractions of a second and
/// saturates, so no untrusted time can overflow.
///
/// ```
/// use std::time::Duration;
/// use tokenpair::clock::Timestamp;
///
/// let login = Timestamp::from_unix(1_800_000_000);
/// let end = login + Duration::from_secs(15 * 60);
/// assert_eq!(end.to_string(), "2027-01-15T08:15:00Z");
/// assert_eq!(end.since(login), Duration::from_secs(900));
/// assert_eq!(login.since(end), Duration::ZERO); // never less
/// assert_eq!(login + Duration::from_millis(1_999), Timestamp::from_unix(1_800_000_001));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Returns the time `seconds` after 1970-01-01T00:00:00Z.
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Returns the seconds since 1970-01-01T00:00:00Z.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// Returns the time elapsed since `earlier`, or zero if `earlier` is not in the past.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, later_by: Duration) -> Self {
        Self(self.0.saturating_add(whole_seconds(later_by)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, earlier_by: Duration) -> Self {
        Self(self.0.saturating_sub(whole_seconds(earlier_by)))
    }
}

fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 in UTC: `2026-11-20T18:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match chrono::DateTime::from_timestamp(self.0, 0) {
            Some(date) => write!(f, "{}", date.format("%Y-%m-%dT%H:%M:%SZ")),
            None => write!(f, "{} s", self.0),
        }
    }
}

/// The source of the current time: the system clock, or a clock that a test advances.
///
/// ```
/// use std::time::Duration;
/// use tokenpair::clock::{Clock, Timestamp};
///
/// let clock = Clock::fixed(Timestamp::from_unix(1_800_000_000));
/// let apps = clock.clone();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(apps.now(), Timestamp::from_unix(1_800_000_060)); // clones share the time
/// assert!(Clock::system().now() > Timestamp::from_unix(0));
/// ```
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// Returns the system clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// Returns a clock that stands at `now` until [`Clock::advance`] moves it. Clones share the
    /// time.
    pub fn fixed(now: Timestamp) -> Self {
        Self(Source::Fixed(Arc::new(AtomicI64::new(now.unix()))))
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_now(),
            Source::Fixed(hand) => Timestamp(hand.load(Ordering::SeqCst)),
        }
    }

    /// Moves a fixed clock forward. Does nothing to the system clock.
    pub fn advance(&self, by: Duration) {
        if let Source::Fixed(hand) = &self.0 {
            hand.fetch_add(whole_seconds(by), Ordering::SeqCst);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the system's clock"
)]
fn system_now() -> Timestamp {
    let since_1970 = std::time::SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(whole_seconds(since_1970))
}
