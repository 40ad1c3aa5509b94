//! Counts the connections. Past `SERVER_MAX_CONNECTIONS` a few more are let in, each for one request: health checks are
//! answered as ever, so that nobody restarts a server that is merely busy, and the others are told to come again.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many connections past the limit are open at once; the others wait in the listener's queue.
pub(super) const RESERVE: usize = 64;

/// How often the log says that the limit is reached.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The connections of all workers.
pub(super) struct ConnectionLimit {
    limit: usize,
    /// Without those past the limit, which would keep others out if there were always some.
    open: AtomicUsize,
    warned: Mutex<Option<Instant>>,
}

impl ConnectionLimit {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            open: AtomicUsize::new(0),
            warned: Mutex::default(),
        })
    }

    /// Lets a connection in.
    pub(super) fn enter(self: &Arc<Self>) -> ConnectionSlot {
        let past_limit = !self.has_taken();
        if past_limit {
            self.warn();
        }
        ConnectionSlot {
            crowd: Arc::clone(self),
            past_limit,
            taken: Cell::new(!past_limit),
        }
    }

    /// Takes a place if one is free.
    fn has_taken(&self) -> bool {
        let one_more = |open: usize| (open < self.limit).then_some(open + 1);
        let taken = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.is_ok()
    }

    fn warn(&self) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let long_ago = |warned: Instant| warned.elapsed() >= WARN_EVERY;
        if warned.is_none_or(long_ago) {
            *warned = Some(Instant::now());
            log::warn!(
                "all {} connections of SERVER_MAX_CONNECTIONS are taken: until some end, new ones get 503, and only \
                 /health/live and /health/ready are answered. Raise the setting (and `ulimit -n`), or find the clients that \
                 hold connections",
                self.limit
            );
        }
    }
}

/// A connection's place in the crowd, which it leaves when dropped.
pub(super) struct ConnectionSlot {
    crowd: Arc<ConnectionLimit>,
    past_limit: bool,
    taken: Cell<bool>,
}

impl ConnectionSlot {
    /// Whether it was let in past the limit, for one request.
    pub(super) const fn is_past_limit(&self) -> bool {
        self.past_limit
    }

    /// Whether there is still no room for it. If there is by now, it takes it.
    pub(super) fn is_in_the_way(&self) -> bool {
        if !self.taken.get() {
            self.taken.set(self.crowd.has_taken());
        }
        !self.taken.get()
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        if self.taken.get() {
            self.crowd.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ConnectionLimit;

    #[test]
    fn those_past_the_limit_keep_nobody_out_and_stay_when_there_is_room() {
        let crowd = ConnectionLimit::new(1);
        let [first, second, third] = [(); 3].map(|()| crowd.enter());
        assert!(!first.is_past_limit() && !first.is_in_the_way());
        assert!(second.is_past_limit() && second.is_in_the_way());
        drop(first);
        let fourth = crowd.enter();
        assert!(!fourth.is_past_limit(), "second and third do not count");
        drop(fourth);
        assert!(!second.is_in_the_way() && third.is_in_the_way());
        drop(second);
        assert!(!third.is_in_the_way());
    }
}
