//! Stops the server: first load balancers see it, then it stops listening and finishes the requests that run, and it leaves
//! a database that is complete in its file.

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
use tokenpair_store::DieselStore;

/// How long a stopping server waits for requests that run.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// A signal of the operator to a running server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Stop; while the server stops, skip to the next stage.
    Stop,
    /// Read certificates and keys again at once.
    Reload,
}

/// The operator's signals, as they come.
pub(super) struct Signals {
    coming: LocalBoxStream<'static, Signal>,
    reload: watch::Sender<()>,
}

impl Signals {
    pub(super) fn new(signals: impl Stream<Item = Signal> + 'static) -> Self {
        Self {
            coming: signals.boxed_local(),
            reload: watch::Sender::default(),
        }
    }

    /// Returns a handle that tells a background task when to look at its files again.
    pub(super) fn looks(&self) -> ReloadSchedule {
        ReloadSchedule::new(self.reload.subscribe())
    }

    /// Waits for the next signal to stop, and handles requests to reload meanwhile.
    async fn stop(&mut self) {
        loop {
            match self.coming.next().await {
                Some(Signal::Stop) => return,
                Some(Signal::Reload) => {
                    log::info!(
                        "certificates and keys are read again; other settings need a restart"
                    );
                    self.reload.send_replace(());
                }
                None => std::future::pending().await,
            }
        }
    }
}

/// Serves until a signal to stop, and then stops in stages. For `drain` the server is not ready but serves all requests,
/// and every response closes its connection, so that load balancers move on. Then it stops listening and finishes the
/// running requests, within [`GRACE`]. Another signal skips to the next stage.
///
/// # Errors
///
/// If the operating system takes the listener away.
pub(super) async fn serve(
    (http, gate): (Server, Listener),
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
    if !drain.is_zero() {
        log::info!(
            "stopping: not ready from now on; connections are still accepted for {} s",
            drain.as_secs()
        );
        select! {
            served = &mut http => return served,
            () = last(&gate, drain) => {}
            () = signals.stop() => log::info!("stopping: another signal ends the drain"),
        }
    }
    // The socket is closed as soon as Actix lets go of it.
    drop(gate);
    log::info!(
        "stopping: no new connections; what runs is finished, for {} s at most",
        GRACE.as_secs()
    );
    // The command is sent at once; the future only tells when it is done.
    drop(handle.stop(true));
    select! {
        served = &mut http => served,
        () = signals.stop() => {
            log::warn!("stopping: another signal cuts off the requests that run");
            Ok(())
        }
    }
}

/// Waits until the drain is over. The gate closes shortly before.
async fn last(gate: &Listener, drain: Duration) {
    tokio::time::sleep(drain.saturating_sub(Listener::LAST_CALL)).await;
    gate.close();
    tokio::time::sleep(Listener::LAST_CALL).await;
}

/// Moves everything into the database file, unless another signal comes first: operators who copy a stopped server's SQLite
/// file expect all data in it. The worker threads may still hold the connections, so that closing the last one, which would do
/// the same, cannot be relied on.
pub(super) async fn leave_in_one_file(store: &DieselStore, signals: &mut Signals) {
    let checkpointed = select! {
        checkpointed = store.checkpoint() => checkpointed,
        () = signals.stop() => Ok(false),
    };
    match checkpointed {
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
