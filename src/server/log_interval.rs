//! Defines [`LogInterval`], which keeps a recurring event from filling the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A limit on how often an event is logged.
pub(super) struct LogInterval {
    /// Minimum interval between two reports.
    interval: Duration,
    last: Mutex<Option<Instant>>,
}

impl LogInterval {
    pub(super) const fn new(interval: Duration) -> Self {
        Self {
            interval,
            last: Mutex::new(None),
        }
    }

    /// Returns whether a report is due. If so, the next one is due after the interval.
    pub(super) fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= self.interval);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_due_at_first_and_once_the_interval_has_passed() {
        const HOUR: Duration = Duration::from_secs(3600);
        let interval = LogInterval::new(HOUR);
        assert!(interval.is_due());
        assert!(!interval.is_due());
        *interval.last.lock().unwrap() = Instant::now().checked_sub(HOUR);
        assert!(interval.is_due());
    }
}
