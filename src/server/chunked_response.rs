//! Sends long responses in slices. actix-http copies each slice into the connection's buffer, where
//! it stays until the client reads it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::web::Bytes;

/// Maximum size of a slice in bytes.
const SLICE: usize = 16 * 1024;

/// Returns the same response, in slices if it is long.
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
