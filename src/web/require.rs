//! Guards as middleware, for a scope whose handlers need not know of tokens.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

use super::auth::Auth;
use super::rejection::Rejection;
use super::verify::Guard;

macro_rules! require {
    ($(#[$doc:meta])* $name:ident, $guard:expr) => {
        $(#[$doc])*
        ///
        /// OPTIONS is never asked for a token. A refusal is a response, so that middleware outside (CORS) can add its
        /// headers.
        ///
        /// # Errors
        ///
        /// Those of the service inside; it adds none.
        pub async fn $name<B: MessageBody + 'static>(
            request: ServiceRequest,
            next: Next<B>,
        ) -> Result<ServiceResponse<EitherBody<B>>, Error> {
            require($guard, request, next).await
        }
    };
}

require! {
    /// The middleware that lets requests with an access token pass:
    /// `web::scope("/api").wrap(from_fn(require_access))`.
    require_access, Guard::Access
}
require! {
    /// The middleware that lets requests with a fresh access token pass.
    require_fresh, Guard::Fresh
}
require! {
    /// The middleware that lets requests with a refresh token pass.
    require_refresh, Guard::Refresh
}

async fn require<B: MessageBody + 'static>(
    guard: Guard,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let exempt = request.method() == Method::OPTIONS;
    let verified = if exempt {
        Ok(())
    } else {
        verify(guard, &mut request).await
    };
    if let Err(rejection) = verified {
        let refusal = HttpResponse::from_error(rejection);
        return Ok(request.into_response(refusal).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}

async fn verify(guard: Guard, request: &mut ServiceRequest) -> Result<(), Rejection> {
    let (http, payload) = request.parts_mut();
    let auth = Auth::of(http)?.clone();
    auth.verify_with_body(http, payload, guard)
        .await
        .map(|_| ())
}
