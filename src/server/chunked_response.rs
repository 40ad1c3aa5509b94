//! Sends long answers a slice at a time: actix-http copies what it is given into the buffer of the connection, where it stays
//! until the client takes it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::web::Bytes;

/// So many bytes at once.
const SLICE: usize = 16 * 1024;

/// Returns the same answer, in slices if it is long.
pub(super) fn cut(response: ServiceResponse) -> ServiceResponse {
    match response.response().body().size() {
        BodySize::Sized(length) if length > SLICE as u64 => {
            response.map_body(|_, body| match body.try_into_bytes() {
                Ok(rest) => BoxBody::new(Slices { rest }),
                Err(body) => body,
            })
        }
        _ => response,
    }
}

struct Slices {
    rest: Bytes,
}

impl MessageBody for Slices {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let length = self.rest.len().min(SLICE);
        let slice = (length > 0).then(|| Ok(self.rest.split_to(length)));
        Poll::Ready(slice)
    }
}
