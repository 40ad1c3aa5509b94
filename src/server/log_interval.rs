//! Defines [`Skew`], which limits how often another replica's clock is reported.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Minimum interval between two reports of another replica's clock.
const QUIET: Duration = Duration::from_secs(3600);

/// The time of the last report of another replica's clock.
#[derive(Default)]
pub(super) struct Skew(Mutex<Option<Instant>>);

impl Skew {
    /// Returns whether a report is due.
    pub(super) fn is_due(&self) -> bool {
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = reported.is_none_or(|last| last.elapsed() >= QUIET);
        if due {
            *reported = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_replicas_clock_is_reported_once_an_hour() {
        let skew = Skew::default();
        assert!(skew.is_due());
        assert!(!skew.is_due());
        *skew.0.lock().unwrap() = Instant::now().checked_sub(QUIET);
        assert!(skew.is_due());
    }
}
