//! Implements the idle timeout and the head timeout of a connection. A timer ticks at intervals,
//! because resetting it for every request would cost every request.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Measures how long a connection has had no request.
pub(super) struct IdleTimer {
    /// The interval between ticks.
    interval: Duration,
    /// The idle timeout.
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// The number of ticks since the last response.
    ticks: u32,
    /// The number of these ticks at which a request had begun.
    ticks_in_head: u32,
    has_begun: bool,
}

/// Why a connection timed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The client sent no request.
    Idle,
    /// The client began a request and did not end its head.
    HeadTooSlow,
}

impl IdleTimer {
    /// Returns a timer. A head times out after `head` to twice `head`, and an idle connection after
    /// at least `idle`.
    pub(super) const fn new(head: Duration, idle: Duration) -> Self {
        Self {
            interval: head,
            idle,
            timer: None,
            ticks: 0,
            ticks_in_head: 0,
            has_begun: false,
        }
    }

    /// Returns a timer for a single request, which must arrive within `patience` from now on.
    pub(super) fn for_one_request(patience: Duration) -> Self {
        Self {
            timer: Some(Box::pin(sleep(patience))),
            ..Self::new(patience, Duration::ZERO)
        }
    }

    /// Records that a part of a request has arrived.
    pub(super) const fn request_begins(&mut self) {
        self.has_begun = true;
    }

    /// Records that a request was answered.
    pub(super) const fn responded(&mut self) {
        self.ticks = 0;
        self.ticks_in_head = 0;
        self.has_begun = false;
    }

    /// Returns `Ready` once the connection has timed out. The first tick does not count, because
    /// the timer may have been set long before the last response.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let interval = self.interval;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(interval)));
        loop {
            ready!(timer.as_mut().poll(cx));
            self.ticks += 1;
            self.ticks_in_head += u32::from(self.has_begun);
            if self.ticks_in_head > 1 {
                return Poll::Ready(End::HeadTooSlow);
            }
            if interval.saturating_mul(self.ticks - 1) >= self.idle {
                return Poll::Ready(End::Idle);
            }
            timer.as_mut().reset(Instant::now() + interval);
        }
    }
}
