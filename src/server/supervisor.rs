//! Implements the notifications to the supervisor that started the server, by systemd's protocol
//! (`sd_notify`). Without a supervisor that asks for them, nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

/// The shortest interval between two notifications of the watchdog.
const SHORTEST: Duration = Duration::from_millis(1);

/// Tells the supervisor that the server serves, and what to show as its status.
pub(super) fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells the supervisor that the server reloads its files. [`reloaded`] has to follow.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        // systemd 253 and later pair the reload with the signal by this time.
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => log::warn!("cannot read the monotonic clock for the supervisor: {error}"),
    }
}

/// Tells the supervisor that the server has started to reload its files.
pub(super) fn reloaded() {
    notify(&[NotifyState::Ready]);
}

/// Tells the supervisor that the server stops.
pub(super) fn stopping(status: &str) {
    notify(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// Feeds the supervisor's watchdog, if it has one, at half its interval. It stops when the main
/// thread hangs, so the supervisor restarts the server.
pub(super) async fn feed_watchdog() {
    let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero());
    let Some(limit) = limit else {
        return;
    };
    let mut ticks = tokio::time::interval((limit / 2).max(SHORTEST));
    loop {
        ticks.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!("cannot notify the supervisor at NOTIFY_SOCKET: {error}");
    }
}
