//! Defines readiness: whether load balancers may send requests here. The log reports changes
//! instead of single checks, since several balancers check every second.

use std::sync::atomic::{AtomicBool, Ordering};

use tokenpair::web::Rejection;

/// The result of the last check, and whether the server is stopping.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    stopping: AtomicBool,
    unready: AtomicBool,
}

impl Readiness {
    /// Ends readiness permanently, because the server stops.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Returns whether the server is stopping.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Logs the result of a check if it differs from the previous one.
    pub(super) fn record_check(&self, check: &Result<(), Rejection>) {
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
