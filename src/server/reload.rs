//! Defines [`ReloadSchedule`], which says when to check watched files.

use std::time::Duration;

use tokio::sync::watch;

/// A schedule of checks of watched files: at intervals, and at once on the operator's request.
#[derive(Clone)]
pub(super) struct ReloadSchedule(watch::Receiver<()>);

impl ReloadSchedule {
    pub(super) const fn new(asked: watch::Receiver<()>) -> Self {
        Self(asked)
    }

    /// Returns a schedule of intervals alone, for apps in which no operator requests a reload.
    pub(super) fn periodic() -> Self {
        let (_, never_asked) = watch::channel(());
        Self(never_asked)
    }

    /// Waits until the next check is due. Returns whether the operator requested it.
    pub(super) async fn next(&mut self, every: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(every) => false,
            Ok(()) = self.0.changed() => true,
        }
    }
}
