//! Waiting for what happens beside the requests.

use std::time::{Duration, Instant};

/// Waits until it is so, for a minute at most.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < patience, "{what}: it does not happen");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Waits until it is so, for a second at most. Where the machine stood still for longer than a look takes, the server did
/// too, and that time counts for little.
#[track_caller]
pub(crate) fn within_a_second(what: &str, mut is_so: impl FnMut() -> bool) {
    const LONGEST_LOOK: Duration = Duration::from_millis(50);
    let mut waited = Duration::ZERO;
    let mut looked = Instant::now();
    while !is_so() {
        waited += looked.elapsed().min(LONGEST_LOOK);
        looked = Instant::now();
        assert!(
            waited < Duration::from_secs(1),
            "{what}: not within a second"
        );
        std::thread::yield_now();
    }
}
