//! Defines [`Timestamp`], whole seconds since 1970 (JWT's NumericDate, RFC 7519 section 2), and
//! [`Clock`], the source of the current time.
//!
//! Everything below the edge takes the time as an argument. Only the edge ([`crate::web`], the
//! server, the commands) holds a [`Clock`] and reads it.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::sleep;

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

    fn since_1970(self) -> Duration {
        self.since(Self(0))
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
    Fixed(Arc<watch::Sender<Timestamp>>),
}

impl Clock {
    /// Returns the system clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// Returns a clock that stands at `now` until [`Clock::advance`] moves it. Clones share the
    /// time.
    pub fn fixed(now: Timestamp) -> Self {
        Self(Source::Fixed(Arc::new(watch::Sender::new(now))))
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp(whole_seconds(since_1970())),
            Source::Fixed(hand) => *hand.borrow(),
        }
    }

    /// Moves a fixed clock forward. Does nothing to the system clock.
    pub fn advance(&self, by: Duration) {
        if let Source::Fixed(hand) = &self.0 {
            hand.send_modify(|now| *now = *now + by);
        }
    }

    /// Waits until the time is `at` or later. The system clock may be set while it waits, so it
    /// looks again every minute.
    pub(crate) async fn reaches(&self, at: Timestamp) {
        match &self.0 {
            Source::System => {
                while let Some(left) = at.since_1970().checked_sub(since_1970()) {
                    sleep(left.clamp(SHORTEST_SLEEP, LONGEST_SLEEP)).await;
                }
            }
            Source::Fixed(hand) => {
                let mut hand = hand.subscribe();
                // Fails only without a sender, and this clock is one.
                hand.wait_for(|now| *now >= at).await.ok();
            }
        }
    }
}

/// Timers are not more precise than this.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

const LONGEST_SLEEP: Duration = Duration::from_secs(60);

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the system's clock"
)]
fn since_1970() -> Duration {
    std::time::SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;

    use super::{Clock, Timestamp};

    #[actix_web::test]
    async fn a_wait_ends_at_its_time_and_not_before() {
        let start = Timestamp::from_unix(1_800_000_000);
        let clock = Clock::fixed(start);
        let mut wait = pin!(clock.reaches(start + Duration::from_secs(60)));
        let mut is_over =
            async || poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx).is_ready())).await;
        assert!(!is_over().await);
        clock.advance(Duration::from_secs(59));
        assert!(!is_over().await);
        clock.advance(Duration::from_secs(1));
        assert!(is_over().await);
    }

    #[actix_web::test]
    async fn the_system_clock_waits_no_longer_than_it_must() {
        let clock = Clock::system();
        clock.reaches(clock.now()).await;
        let end = clock.now() + Duration::from_secs(1);
        clock.reaches(end).await;
        assert!(clock.now() >= end);
    }
}
