//! Keeps request bodies that the handler did not consume. Actix closes the connection after such a
//! request, except if the body is chunked: once the body is dropped, Actix waits forever for its
//! last chunk, and the client holds a connection. So the body is kept for as long as the response,
//! and then Actix closes the connection.

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

/// Makes the request report to its connection when it wants more of its body. Returns a second
/// handle of a chunked body.
pub(super) fn lend(
    request: &mut ServiceRequest,
    connection: Option<&Rc<ConnectionState>>,
) -> Option<Held> {
    let payload = request.take_payload();
    if matches!(payload, Payload::None) {
        return None;
    }
    let in_chunks = request.headers().contains_key(TRANSFER_ENCODING);
    let held = Rc::new(RefCell::new(payload));
    let lent = Box::pin(Lent {
        held: Rc::clone(&held),
        connection: connection.cloned(),
    });
    request.set_payload(Payload::Stream { payload: lent });
    in_chunks.then_some(held)
}

/// Keeps the body for as long as the response. Must come last, because a replaced response would
/// drop the body.
pub(super) fn keep(response: ServiceResponse, held: Option<Held>) -> ServiceResponse {
    match held {
        None => response,
        Some(_held) => response.map_body(|_, body| BoxBody::new(Holding { body, _held })),
    }
}

pub(super) type Held = Rc<RefCell<Payload>>;

/// The body of a request that its handler reads.
struct Lent {
    held: Held,
    connection: Option<Rc<ConnectionState>>,
}

impl Lent {
    fn set_wants_body(&self, wants: bool) {
        if let Some(connection) = &self.connection {
            connection.set_wants_body(wants);
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.set_wants_body(false);
    }
}

impl Stream for Lent {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut *self.held.borrow_mut()).poll_next(cx);
        self.set_wants_body(next.is_pending());
        next
    }
}

/// The body of a response, with that of its request.
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
