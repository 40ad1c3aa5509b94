//! Implements the graceful stop: first load balancers notice, then the server stops listening and
//! finishes running requests. It leaves a SQLite database that is complete in one file.

use std::io;
use std::pin::pin;
use std::time::Duration;

use actix_web::dev::Server;
use futures_util::stream::{LocalBoxStream, Stream, StreamExt};
use tokio::select;
use tokio::sync::watch;

use super::listener::Listener;
use super::reload::ReloadSchedule;
use super::state::AppState;
use super::supervisor;
use tokenpair_store::DieselStore;

/// Maximum wait for running requests.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// A signal from the operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Stops the server. While it stops, skips to the next stage.
    Stop,
    /// Reloads certificates and keys at once.
    Reload,
}

/// The operator's signals.
pub(super) struct Signals {
    stream: LocalBoxStream<'static, Signal>,
    reload: watch::Sender<()>,
}

impl Signals {
    pub(super) fn new(signals: impl Stream<Item = Signal> + 'static) -> Self {
        Self {
            stream: signals.boxed_local(),
            reload: watch::Sender::default(),
        }
    }

    /// Returns the schedule by which a background task reloads its files.
    pub(super) fn reload_schedule(&self) -> ReloadSchedule {
        ReloadSchedule::new(self.reload.subscribe())
    }

    /// Waits for the next signal to stop. Meanwhile handles requests to reload.
    async fn stop(&mut self) {
        loop {
            match self.stream.next().await {
                Some(Signal::Stop) => return,
                Some(Signal::Reload) => {
                    log::info!("reloading certificates and keys; other settings need a restart");
                    supervisor::reloading();
                    self.reload.send_replace(());
                    supervisor::reloaded();
                }
                None => std::future::pending().await,
            }
        }
    }
}

/// Serves until a signal to stop, and then stops in stages. For `drain` the server is not ready but
/// serves all requests, and every response closes its connection, so that load balancers move on.
/// Then it stops listening and finishes running requests within [`GRACE`]. Another signal skips to
/// the next stage.
///
/// # Errors
///
/// If the listener fails.
pub(super) async fn serve(
    http: Server,
    listener: Listener,
    signals: &mut Signals,
    state: &AppState,
    drain: Duration,
) -> io::Result<()> {
    let handle = http.handle();
    let mut http = pin!(http);
    select! {
        served = &mut http => return served,
        () = signals.stop() => {}
    }
    state.readiness.stop();
    supervisor::stopping("stopping");
    if !drain.is_zero() {
        log::info!(
            "stopping: no longer ready; connections are still accepted for {} s",
            drain.as_secs()
        );
        select! {
            served = &mut http => return served,
            () = drain_connections(&listener, drain) => {}
            () = signals.stop() => log::info!("stopping: another signal ends the drain"),
        }
    }
    // The socket closes once Actix drops its handle too.
    drop(listener);
    log::info!(
        "stopping: no new connections; waiting up to {} s for running requests",
        GRACE.as_secs()
    );
    // The command is sent at once; the future only waits for its end.
    drop(handle.stop(true));
    select! {
        served = &mut http => served,
        () = signals.stop() => {
            log::warn!("stopping: another signal cuts off running requests");
            Ok(())
        }
    }
}

/// Waits until the drain is over. Shortly before, new connections are ignored.
async fn drain_connections(listener: &Listener, drain: Duration) {
    tokio::time::sleep(drain.saturating_sub(Listener::CLOSING)).await;
    listener.close();
    tokio::time::sleep(Listener::CLOSING).await;
}

/// Moves all data into the database file, unless another signal comes first. Operators who copy a
/// stopped server's SQLite file expect all data in it. Closing the last connection would do the
/// same, but worker threads may still hold connections.
pub(super) async fn leave_in_one_file(store: &DieselStore, signals: &mut Signals) {
    let checkpointed = select! {
        checkpointed = store.checkpoint() => checkpointed,
        () = signals.stop() => Ok(false),
    };
    match checkpointed {
        Ok(true) => {}
        Ok(false) => log::warn!(
            "another process uses the database, so its newest data is still in the -wal file: copy both files together"
        ),
        Err(error) => log::warn!(
            "cannot move the newest data out of the -wal file: {error}; copy both files together"
        ),
    }
}
