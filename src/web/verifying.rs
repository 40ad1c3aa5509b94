//! An extractor's future: ready at once where nothing has to be waited for.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::rejection::Rejection;
use super::verify::Verified;

/// A request that is being verified.
pub(super) struct Verifying(State);

enum State {
    Done(Option<Result<Rc<Verified>, Rejection>>),
    Later(Pin<Box<dyn Future<Output = Result<Rc<Verified>, Rejection>>>>),
}

impl Verifying {
    pub(super) const fn done(verified: Result<Rc<Verified>, Rejection>) -> Self {
        Self(State::Done(Some(verified)))
    }

    pub(super) fn later(
        work: impl Future<Output = Result<Rc<Verified>, Rejection>> + 'static,
    ) -> Self {
        Self(State::Later(Box::pin(work)))
    }
}

impl Future for Verifying {
    type Output = Result<Rc<Verified>, Rejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Done(verified) => verified.take().map_or(Poll::Pending, Poll::Ready),
            State::Later(work) => work.as_mut().poll(cx),
        }
    }
}
