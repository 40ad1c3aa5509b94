//! Implements the extractors' future, which is ready at once unless it must wait for I/O.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpRequest;
use actix_web::dev::Payload;

use super::auth::Auth;
use super::body::{self, RequestBody};
use super::rejection::Rejection;
use super::under_way::UnderWay;
use super::verified::{Guard, Verified};

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

impl Auth {
    /// Starts verifying for an extractor, and completes at once if no I/O is needed. Gives back a
    /// body that it reads.
    pub(super) fn start(
        &self,
        request: &HttpRequest,
        payload: &mut Payload,
        guard: Guard,
    ) -> Verifying {
        let matters = body::matters(request, self.policy());
        if !matters && !self.0.loaders.ask() {
            let verified = match self.verify_token(request, guard, &RequestBody::Unread) {
                Ok(verified) if self.asks_record(&verified.claims, guard) => {
                    let (auth, request) = (self.clone(), request.clone());
                    return Verifying::later(async move {
                        auth.inquire(&request, verified, guard).await
                    });
                }
                verified => verified.map(|verified| self.remember(request, verified)),
            };
            return Verifying::done(verified);
        }
        let (auth, request) = (self.clone(), request.clone());
        let under_way = UnderWay::begin(&request);
        if !matters {
            return Verifying::later(async move {
                let _under_way = under_way;
                auth.verify_in(&request, guard, &RequestBody::Unread).await
            });
        }
        let (mut taken, hand_on) = body::borrow(payload);
        Verifying::later(async move {
            let _under_way = under_way;
            let verified = auth.verify_with_body(&request, &mut taken, guard).await;
            hand_on.give_back(taken);
            verified
        })
    }
}
