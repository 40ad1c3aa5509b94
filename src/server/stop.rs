//! Stops the server: no new connections, time for the requests that run, and a database that is complete in its file.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::dev::ServerHandle;

use super::State;
use tokenpair_store::DieselStore;

/// How long a stopping server waits for requests that run.
pub(super) const GRACE: Duration = Duration::from_secs(10);

pub(super) async fn stop_after(
    stop: impl Future<Output = ()>,
    handle: ServerHandle,
    state: Arc<State>,
) {
    stop.await;
    state.serving.store(false, Ordering::SeqCst);
    log::info!(
        "stopping: no new connections; what runs is finished, for {} s at most",
        GRACE.as_secs()
    );
    handle.stop(true).await;
}

/// Whoever copies a stopped server's SQLite file expects all data in it. The worker threads may still hold the connections,
/// so that closing the last one, which would do the same, cannot be relied on.
pub(super) async fn leave_in_one_file(store: &DieselStore) {
    match store.checkpoint().await {
        Ok(true) => {}
        Ok(false) => log::warn!(
            "another process uses the database, so its newest data is still in the file that ends in -wal: copy neither \
             file without the other"
        ),
        Err(error) => log::warn!(
            "the newest data could not be moved out of the file that ends in -wal: {error}; copy neither file without the \
             other"
        ),
    }
}
