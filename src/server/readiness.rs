//! Readiness: whether load balancers may send requests here. The log tells of each change and of no single check, since
//! several balancers check every second.

use std::sync::atomic::{AtomicBool, Ordering};

use tokenpair::web::Rejection;

/// What the last check found, and whether the server has been told to stop.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    stopping: AtomicBool,
    unready: AtomicBool,
}

impl Readiness {
    /// Ends it for good: the server stops.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Whether the server has been told to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Logs what a check found if the one before found something else.
    pub(super) fn note(&self, check: &Result<(), Rejection>) {
        let was_unready = self.unready.swap(check.is_err(), Ordering::SeqCst);
        match check {
            Ok(()) if was_unready => log::info!("ready again"),
            Err(rejection) if !was_unready => {
                let cause = rejection.cause();
                let cause = cause.as_deref().unwrap_or(rejection.code());
                log::warn!("not ready: {}", cause.trim_end());
            }
            _ => {}
        }
    }
}
