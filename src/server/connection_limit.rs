//! Defines the connection limit. Past `SERVER_MAX_CONNECTIONS`, the server accepts a few more
//! connections for one request each. It answers their health checks, so that no supervisor restarts
//! a busy server, and rejects their other requests with 503.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::log_interval::LogInterval;

/// Maximum number of open connections past the limit. Further ones wait in the listener's queue.
pub(super) const RESERVE: usize = 64;

/// Minimum interval between two warnings that the limit is reached.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The warning of the server's own address.
pub(super) const SERVER_WARNING: &str = "all {} connections (SERVER_MAX_CONNECTIONS) are taken: until some end, \
    new ones get 503, and only /health/live and /health/ready are answered. Raise the setting (and `ulimit -n`), or \
    find the clients that hold connections";

/// The limit on connections of all workers together.
pub(super) struct ConnectionLimit {
    limit: usize,
    /// What the log says once the limit is reached. `{}` is the limit.
    warning: &'static str,
    /// The open connections, except those past the limit, which could otherwise lock others out.
    open: AtomicUsize,
    warnings: LogInterval,
}

impl ConnectionLimit {
    pub(super) fn new(limit: usize, warning: &'static str) -> Arc<Self> {
        Arc::new(Self {
            limit,
            warning,
            open: AtomicUsize::new(0),
            warnings: LogInterval::new(WARN_EVERY),
        })
    }

    /// Returns the number of connections that are served in full.
    pub(super) const fn size(&self) -> usize {
        self.limit
    }

    /// Accepts a connection.
    pub(super) fn acquire(self: &Arc<Self>) -> ConnectionSlot {
        let past_limit = !self.take_slot();
        if past_limit {
            self.warn();
        }
        ConnectionSlot {
            limit: Arc::clone(self),
            past_limit,
            taken: Cell::new(!past_limit),
        }
    }

    /// Takes a slot if one is free.
    fn take_slot(&self) -> bool {
        let one_more = |open: usize| (open < self.limit).then_some(open + 1);
        let taken = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.is_ok()
    }

    fn warn(&self) {
        if self.warnings.is_due() {
            let warning = self.warning.replace("{}", &self.limit.to_string());
            log::warn!("{warning}");
        }
    }
}

/// A connection's slot, released on drop.
pub(super) struct ConnectionSlot {
    limit: Arc<ConnectionLimit>,
    past_limit: bool,
    taken: Cell<bool>,
}

impl ConnectionSlot {
    /// Returns whether the connection was accepted past the limit, for one request.
    pub(super) const fn is_past_limit(&self) -> bool {
        self.past_limit
    }

    /// Returns whether the connection is still past the limit. Takes a slot that has become free.
    pub(super) fn is_over_limit(&self) -> bool {
        if !self.taken.get() {
            self.taken.set(self.limit.take_slot());
        }
        !self.taken.get()
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        if self.taken.get() {
            self.limit.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectionLimit, SERVER_WARNING};

    #[test]
    fn those_past_the_limit_keep_nobody_out_and_stay_when_there_is_room() {
        let limit = ConnectionLimit::new(1, SERVER_WARNING);
        let [first, second, third] = [(); 3].map(|()| limit.acquire());
        assert!(!first.is_past_limit() && !first.is_over_limit());
        assert!(second.is_past_limit() && second.is_over_limit());
        drop(first);
        let fourth = limit.acquire();
        assert!(!fourth.is_past_limit(), "second and third do not count");
        drop(fourth);
        assert!(!second.is_over_limit() && third.is_over_limit());
        drop(second);
        assert!(!third.is_over_limit());
    }
}
