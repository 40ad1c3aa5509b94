//! CORS: pages of the origins in `SERVER_CORS_ORIGINS` may read answers, with cookies. Off without them.

use actix_cors::{Cors, CorsError};
use actix_web::Error;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::http::{Method, StatusCode};

use super::telemetry::X_REQUEST_ID;
use crate::web::{Rejection, WebPolicy};

/// How long a browser remembers a preflight, in seconds; an origin taken from the list is refused by then.
const MAX_AGE: usize = 3600;

/// The middleware: exact origins, and the methods and headers that routes here use.
pub(super) fn middleware(origins: &[String], web: &WebPolicy) -> Cors {
    let asked = [
        AUTHORIZATION,
        CONTENT_TYPE,
        X_REQUEST_ID,
        web.header.name.clone(),
        web.csrf.access_header.clone(),
        web.csrf.refresh_header.clone(),
    ];
    let told: [HeaderName; 4] = [LOCATION, RETRY_AFTER, WWW_AUTHENTICATE, X_REQUEST_ID];
    let cors = Cors::default()
        .allowed_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allowed_headers(asked)
        .expose_headers(told)
        .supports_credentials()
        .max_age(MAX_AGE);
    let allow = |cors: Cors, origin: &String| cors.allowed_origin(origin);
    origins.iter().fold(cors, allow)
}

/// A preflight that was refused. Only its sender's developers read it, in their browser's tools.
pub(super) fn rejection(error: &Error) -> Option<Rejection> {
    let error = error.as_error::<CorsError>()?;
    let rejection = Rejection::new(StatusCode::FORBIDDEN, "cors_refused", error.to_string());
    Some(rejection.hint("Origins that may use this server are listed in SERVER_CORS_ORIGINS."))
}
