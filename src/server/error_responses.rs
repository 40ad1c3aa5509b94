//! Completes every response: errors become JSON with `msg` and `code`, including those of the
//! framework, and default headers are added.

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, web};

use super::error_code::ServerErrorCode;
use super::response_headers::add_defaults;
use super::state::AppState;
use super::{cors, page};
use tokenpair::web::{ErrorCode, Rejection};

/// Completes a response. A browser that navigates gets an error as a page.
pub(super) fn seal(response: ServiceResponse) -> ServiceResponse {
    let response = explain(response);
    finish(if response.status().is_success() {
        response
    } else {
        page::show_error(response)
    })
}

/// Completes a response of an app that has pages of its own: errors stay JSON.
pub(super) fn seal_in_json(response: ServiceResponse) -> ServiceResponse {
    finish(explain(response))
}

/// Turns errors into JSON, and adds the challenge to a 401.
fn explain(mut response: ServiceResponse) -> ServiceResponse {
    if is_bare_error(&response) {
        response = in_json(response);
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static(challenge(&response));
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn finish(mut response: ServiceResponse) -> ServiceResponse {
    let state = response.request().app_data::<web::Data<AppState>>();
    let edge = state.map(|state| state.edge);
    if state.is_some_and(|state| state.readiness.is_stopping()) {
        // A proxy or browser that kept the connection would find it closed.
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    add_defaults(response.headers_mut(), edge);
    response
}

/// Replaces the body of an error by JSON.
fn in_json(response: ServiceResponse) -> ServiceResponse {
    let refused = cors::refused_preflight(&response);
    let mut plain =
        refused.unwrap_or_else(|| HttpResponse::from_error(plain_rejection(response.status())));
    // Headers that others added stay: CORS, Allow, cookies.
    let mut kept = response.headers().clone();
    kept.remove(CONTENT_LENGTH);
    for name in plain.headers().keys() {
        kept.remove(name);
    }
    for (name, value) in kept {
        plain.headers_mut().append(name, value);
    }
    response.into_response(plain)
}

/// Returns the challenge: of a token (RFC 6750 section 3), which has an error only if a token was
/// sent, or of a client (RFC 6749 section 5.2).
fn challenge(response: &ServiceResponse) -> &'static str {
    let error = response.response().error();
    let rejection = error.and_then(|error| error.as_error::<Rejection>());
    let Some(rejection) = rejection else {
        return "Bearer";
    };
    if ServerErrorCode::of(rejection) == Some(ServerErrorCode::InvalidClient) {
        return "Basic realm=\"tokenpair\"";
    }
    match rejection.error_code() {
        Some(
            ErrorCode::MissingToken
            | ErrorCode::CsrfMissing
            | ErrorCode::CsrfMismatch
            | ErrorCode::BadCredentials,
        ) => "Bearer",
        // RFC 9470 section 3: the token is valid, but the login is too old.
        Some(ErrorCode::FreshTokenRequired) => "Bearer error=\"insufficient_user_authentication\"",
        _ => "Bearer error=\"invalid_token\"",
    }
}

/// Rejects a NUL in the address. No id, name or parameter contains one, and PostgreSQL text cannot.
pub(super) fn refuse_nul(request: &ServiceRequest) -> Result<(), Rejection> {
    let address = request.uri().path_and_query();
    let holds = |address: &str| address.contains('%') && address.contains("%00");
    if !address.is_some_and(|address| holds(address.as_str())) {
        return Ok(());
    }
    Err(Rejection::from(ServerErrorCode::BadRequest).msg("The address holds a NUL character"))
}

fn is_bare_error(response: &ServiceResponse) -> bool {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return false;
    }
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    !(kind.starts_with("application/json") || kind.starts_with("text/html"))
}

/// Returns the rejection for an error of the framework, without its text.
pub(super) fn plain_rejection(status: StatusCode) -> Rejection {
    let rejection: Rejection = match status {
        StatusCode::UNAUTHORIZED => ErrorCode::MissingToken.into(),
        StatusCode::NOT_FOUND => ServerErrorCode::NotFound.into(),
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::BodyTooLarge.into(),
        status if status.is_server_error() => ErrorCode::InternalError.into(),
        _ => ServerErrorCode::BadRequest.into(),
    };
    let msg = status.canonical_reason().unwrap_or("Error");
    rejection.status(status).msg(msg)
}
