//! Rejects requests on connections past `SERVER_MAX_CONNECTIONS`, except health checks.

use std::time::Duration;

use actix_web::dev::{ServiceRequest, ServiceResponse};

use super::connection_state::ConnectionState;
use super::error_code::ServerErrorCode;
use tokenpair::web::Rejection;

/// Rejects a request on a connection past the limit, unless it is a health check.
pub(super) fn refuse(request: &ServiceRequest) -> Result<(), Rejection> {
    let over_limit =
        ConnectionState::of(request).is_some_and(|connection| connection.slot().is_over_limit());
    if !over_limit || request.path().starts_with("/health/") {
        return Ok(());
    }
    Err(Rejection::from(ServerErrorCode::TooManyConnections)
    .hint("Send the same request again after the seconds in Retry-After. Existing sessions are not affected.")
    .retry_after(Duration::from_secs(1)))
}

/// Returns whether [`refuse`] made this response. One warning reports these, and errors would flood
/// the log.
pub(super) fn has_refused(response: &ServiceResponse) -> bool {
    let error = response.response().error();
    let rejection = error.and_then(|error| error.as_error::<Rejection>());
    rejection.and_then(ServerErrorCode::of) == Some(ServerErrorCode::TooManyConnections)
}
