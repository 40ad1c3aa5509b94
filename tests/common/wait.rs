//! Waits for work in the background.

use std::time::{Duration, Instant};

/// Waits until the condition holds, for at most that many seconds.
#[track_caller]
pub(crate) fn within(seconds: u64, what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < Duration::from_secs(seconds),
            "not within {seconds} s: {what}"
        );
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
