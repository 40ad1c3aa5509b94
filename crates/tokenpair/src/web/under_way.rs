//! Tracks a guard that is still at work, for the extractors after it in a handler's signature.
//!
//! Actix starts all extractors of a handler at once. A guard that reads the body or asks a loader
//! has not finished by then, so an extractor that needs its verdict must wait for it.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use actix_web::{HttpMessage, HttpRequest};

/// A marker that lives as long as the guard works.
#[derive(Default)]
pub(super) struct UnderWay(Rc<Cell<Option<Waker>>>);

struct Mark(Weak<Cell<Option<Waker>>>);

impl UnderWay {
    pub(super) fn begin(request: &HttpRequest) -> Self {
        let begun = Self::default();
        let mark = Mark(Rc::downgrade(&begun.0));
        request.extensions_mut().insert(mark);
        begun
    }

    /// Completes once no guard is at work on the request.
    pub(super) fn poll_over(request: &HttpRequest, cx: &Context<'_>) -> Poll<()> {
        let extensions = request.extensions();
        let at_work = extensions.get::<Mark>().and_then(|mark| mark.0.upgrade());
        at_work.map_or(Poll::Ready(()), |waiting| {
            waiting.set(Some(cx.waker().clone()));
            Poll::Pending
        })
    }
}

/// Waits until the guards of the request's handler are done. For extractors of an application's own that must not answer
/// before a guard which stands in front of them, and that have nothing to do if it refuses the request.
pub async fn guards_done(request: &HttpRequest) {
    poll_fn(|cx| UnderWay::poll_over(request, cx)).await;
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(waiting) = self.0.take() {
            waiting.wake();
        }
    }
}
