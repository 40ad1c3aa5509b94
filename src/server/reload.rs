//! Defines [`ReloadSchedule`], when to look at files that the server follows.

use std::time::Duration;

use tokio::sync::watch;

/// Schedules looks at files that the server follows: at intervals, and at once on the operator's request.
#[derive(Clone)]
pub(super) struct ReloadSchedule(watch::Receiver<()>);

impl ReloadSchedule {
    pub(super) const fn new(asked: watch::Receiver<()>) -> Self {
        Self(asked)
    }

    /// Waits until the next look is due. Returns whether the operator asked for it.
    pub(super) async fn next(&mut self, every: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(every) => false,
            Ok(()) = self.0.changed() => true,
        }
    }
}
