//! Counts how long a client sends no whole request. A timer goes off once in a while: to set one anew for every request would
//! cost every request.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// How long a connection has been without a request.
pub(super) struct IdleTimer {
    /// How often the timer goes off.
    every: Duration,
    /// How long there may be no request at all.
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// How often it went off since the last answer.
    times: u32,
    /// How often of these a request had begun.
    begun: u32,
    has_begun: bool,
}

/// Why a client is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// It sent no request.
    Idle,
    /// It began one and did not end its head.
    HeadTooSlow,
}

impl IdleTimer {
    /// A head may take from `head` to twice that, and there may be no request for at least `idle`.
    pub(super) const fn new(head: Duration, idle: Duration) -> Self {
        Self {
            every: head,
            idle,
            timer: None,
            times: 0,
            begun: 0,
            has_begun: false,
        }
    }

    /// A request has to come within `patience` from now on.
    pub(super) fn for_one_request(patience: Duration) -> Self {
        Self {
            timer: Some(Box::pin(sleep(patience))),
            ..Self::new(patience, Duration::ZERO)
        }
    }

    /// Some of a request has come.
    pub(super) const fn request_begins(&mut self) {
        self.has_begun = true;
    }

    /// A request was answered.
    pub(super) const fn answered(&mut self) {
        self.times = 0;
        self.begun = 0;
        self.has_begun = false;
    }

    /// Is ready once the client has to be given up. The first time that it goes off says nothing, as nobody knows how long
    /// before the last answer the timer was set.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let every = self.every;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(every)));
        loop {
            ready!(timer.as_mut().poll(cx));
            self.times += 1;
            self.begun += u32::from(self.has_begun);
            if self.begun > 1 {
                return Poll::Ready(End::HeadTooSlow);
            }
            if every.saturating_mul(self.times - 1) >= self.idle {
                return Poll::Ready(End::Idle);
            }
            timer.as_mut().reset(Instant::now() + every);
        }
    }
}
