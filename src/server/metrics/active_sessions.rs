//! Counts the active sessions in the background, for the gauge of that name.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::recorded::Metrics;
use tokenpair::clock::Clock;
use tokenpair_store::DieselStore;

/// The minimum interval between two counts.
const EVERY: Duration = Duration::from_secs(30);

/// The interval is at least this many times as long as the last count took, so that counting takes
/// no more than 1 % of one connection's time, however many sessions there are.
const SHARE: u32 = 100;

/// Counts the sessions that are not ended, and were used within `idle`, until the task is dropped.
pub(in crate::server) async fn follow(
    metrics: Arc<Metrics>,
    store: DieselStore,
    idle: Duration,
    clock: Clock,
) {
    loop {
        let begun = Instant::now();
        let counted = store.count_active_sessions(clock.now(), idle).await;
        if let Err(error) = &counted {
            log::debug!("cannot count the active sessions: {error}");
        }
        metrics.set_active_sessions(counted.ok());
        tokio::time::sleep(EVERY.max(begun.elapsed() * SHARE)).await;
    }
}
