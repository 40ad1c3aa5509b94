//! Refuses requests on connections past `SERVER_MAX_CONNECTIONS`, except health checks.

use std::time::Duration;

use actix_web::dev::{ServiceRequest, ServiceResponse};

use super::connection_state::ConnectionState;
use super::error_code::ServerErrorCode;
use tokenpair::web::Rejection;

/// Refuses a request that there is no room for, unless it asks for the server's health.
pub(super) fn refuse(request: &ServiceRequest) -> Result<(), Rejection> {
    let in_the_way = ConnectionState::of(request).is_some_and(|flow| flow.place().is_in_the_way());
    if !in_the_way || request.path().starts_with("/health/") {
        return Ok(());
    }
    Err(Rejection::from(ServerErrorCode::TooManyConnections)
    .hint("Nobody was logged out by this. Send the same request again after the seconds in Retry-After.")
    .retry_after(Duration::from_secs(1)))
}

/// Whether this is an answer of [`refuse`]. The log has its own warning of them, and is not to be flooded with errors.
pub(super) fn has_refused(response: &ServiceResponse) -> bool {
    let error = response.response().error();
    let rejection = error.and_then(|error| error.as_error::<Rejection>());
    rejection.and_then(ServerErrorCode::of) == Some(ServerErrorCode::TooManyConnections)
}
