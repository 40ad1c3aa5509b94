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
use super::swallowed;
use super::under_way::UnderWay;
use super::verified::{Guard, Verified};
use crate::token::TokenKind;

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
                        let verified = auth.inquire(&request, verified, guard).await;
                        noted(&request, guard, verified)
                    });
                }
                Ok(verified) => Ok(self.remember(request, verified)),
                Err(rejection) => Err(rejection),
            };
            return Verifying::done(noted(request, guard, verified));
        }
        let (auth, request) = (self.clone(), request.clone());
        let under_way = UnderWay::begin(&request);
        if !matters {
            return Verifying::later(async move {
                let _under_way = under_way;
                let verified = auth.verify_in(&request, guard, &RequestBody::Unread).await;
                noted(&request, guard, verified)
            });
        }
        let (mut taken, hand_on) = body::borrow(payload);
        Verifying::later(async move {
            let _under_way = under_way;
            let verified = auth.verify_with_body(&request, &mut taken, guard).await;
            hand_on.give_back(taken);
            noted(&request, guard, verified)
        })
    }
}

/// Notes a rejection with the request, for the warning of a handler that swallows it.
fn noted(
    request: &HttpRequest,
    guard: Guard,
    verified: Result<Rc<Verified>, Rejection>,
) -> Result<Rc<Verified>, Rejection> {
    match &verified {
        Err(rejection) => swallowed::mark(request, rejection),
        // A verified access token is a sign of its own, and costs nothing more.
        Ok(_) if guard.kind() == TokenKind::Refresh => swallowed::unmark(request),
        Ok(_) => {}
    }
    verified
}
