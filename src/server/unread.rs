//! Bodies that nobody read to the end. Actix closes the connection after such a request, but not where the body came in
//! chunks: there it waits for the last one, for ever, and whoever never sends it holds a connection. It waits because the
//! body was dropped; so here it is kept for as long as the response, and the connection is closed.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage};
use futures_core::Stream;

/// The middleware, the outermost of all: a response that another one makes anew would let go of the body.
pub(super) async fn hold<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, Holding>>, Error> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let held = Rc::new(RefCell::new(request.take_payload()));
    let lent = Box::pin(Lent(Rc::clone(&held)));
    request.set_payload(Payload::Stream { payload: lent });
    let response = next.call(request).await?;
    let hold = |body: B| Holding {
        body: body.boxed(),
        _held: held,
    };
    Ok(response.map_body(|_, body| EitherBody::right(hold(body))))
}

type Held = Rc<RefCell<Payload>>;

/// The body of a request, as its handler reads it.
struct Lent(Held);

impl Stream for Lent {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

/// The body of a response, beside that of its request.
pub(super) struct Holding {
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
