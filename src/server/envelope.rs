//! The envelope: what is true of every answer. An error is JSON with `msg` and `code`, also where the framework made it;
//! nothing is stored by a cache unless its handler said so; and browsers are told not to guess, frame or tell.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

use crate::web::Rejection;

/// The default of every answer; a handler's own value stands.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

/// The middleware.
pub(super) async fn seal<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let mut response = if holds_nul(&request) {
        request
            .into_response(HttpResponse::from_error(nul_rejection()))
            .map_into_right_body()
    } else {
        next.call(request).await?.map_into_left_body()
    };
    if is_bare_error(&response) {
        let plain = plain_rejection(response.status());
        response = response
            .into_response(HttpResponse::from_error(plain))
            .map_into_right_body();
    }
    add_defaults(response.headers_mut());
    Ok(response)
}

/// No id, name or parameter of ours has a NUL, and PostgreSQL knows no text with one.
fn holds_nul(request: &ServiceRequest) -> bool {
    let address = request.uri().path_and_query();
    address.is_some_and(|address| address.as_str().contains("%00"))
}

fn nul_rejection() -> Rejection {
    Rejection::new(
        StatusCode::BAD_REQUEST,
        "bad_request",
        "The address holds a NUL character",
    )
}

fn is_bare_error<B>(response: &ServiceResponse<B>) -> bool {
    let status = response.status();
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let ours = kind.starts_with("application/json") || kind.starts_with("text/html");
    (status.is_client_error() || status.is_server_error()) && !ours
}

/// What the framework's own errors become; their text stays inside.
fn plain_rejection(status: StatusCode) -> Rejection {
    let code = match status {
        StatusCode::UNAUTHORIZED => "missing_token",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
        status if status.is_server_error() => "internal_error",
        _ => "bad_request",
    };
    Rejection::new(status, code, status.canonical_reason().unwrap_or("Error"))
}

fn add_defaults(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
}
