//! Bodies that nobody read to the end. Actix closes the connection after such a request, but not where the body came in
//! chunks: there it waits for the last one, for ever, and whoever never sends it holds a connection. It waits because the
//! body was dropped; so here it is kept for as long as the response, and the connection is closed.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::web::Bytes;
use futures_core::Stream;

use super::connection_state::ConnectionState;

/// Tells the connection when more of the body is wanted. Returns the body beside the request that reads it, if it comes in
/// chunks.
pub(super) fn lend(
    request: &mut ServiceRequest,
    flow: Option<&Rc<ConnectionState>>,
) -> Option<Held> {
    let in_chunks = request.headers().contains_key(TRANSFER_ENCODING);
    let payload = request.take_payload();
    if matches!(payload, Payload::None) {
        return None;
    }
    let held = Rc::new(RefCell::new(payload));
    let lent = Box::pin(Lent {
        held: Rc::clone(&held),
        flow: flow.cloned(),
    });
    request.set_payload(Payload::Stream { payload: lent });
    in_chunks.then_some(held)
}

/// Keeps it for as long as the response. The last of all: a response that is made anew would let go of it.
pub(super) fn keep(response: ServiceResponse, held: Option<Held>) -> ServiceResponse {
    match held {
        None => response,
        Some(_held) => response.map_body(|_, body| BoxBody::new(Holding { body, _held })),
    }
}

pub(super) type Held = Rc<RefCell<Payload>>;

/// The body of a request, as its handler reads it.
struct Lent {
    held: Held,
    flow: Option<Rc<ConnectionState>>,
}

impl Lent {
    fn wants_more(&self, wants: bool) {
        if let Some(flow) = &self.flow {
            flow.wants_body(wants);
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.wants_more(false);
    }
}

impl Stream for Lent {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut *self.held.borrow_mut()).poll_next(cx);
        self.wants_more(next.is_pending());
        next
    }
}

/// The body of a response, beside that of its request.
struct Holding {
    body: BoxBody,
    _held: Held,
}

impl MessageBody for Holding {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
