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

/// A body that came in chunks, beside the request that reads it.
pub(super) fn lend(request: &mut ServiceRequest) -> Option<Held> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let held = Rc::new(RefCell::new(request.take_payload()));
    let lent = Box::pin(Lent(Rc::clone(&held)));
    request.set_payload(Payload::Stream { payload: lent });
    Some(held)
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
struct Lent(Held);

impl Stream for Lent {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
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
