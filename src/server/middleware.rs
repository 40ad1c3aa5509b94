//! Implements the middleware applied to every request: two middlewares with CORS between them, or
//! one without CORS. Each calls its rules in sequence, because a middleware per rule would cost
//! every request an allocation.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;

use super::connection_state::{ActiveRequest, ConnectionState};
use super::metrics::Recording;
use super::telemetry::Line;
use super::{
    admission, browser, chunked_response, clock_watch, cors, error_responses, forward_auth,
    request_body_guard,
};
use tokenpair::web::reissue_for;

/// The outer middleware: applies to every response, including errors of the framework, and logs it.
pub(super) async fn all<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    let inner = async |request| Ok(next.call(request).await?.map_into_boxed_body());
    around(request, inner).await
}

/// Both middlewares in one.
pub(super) async fn all_and_handler<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    around(request, |request| handler(request, next)).await
}

/// The middleware of an app beside the program's routes: without a log line and without pages.
pub(super) async fn bare<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    let inner = async |request| {
        let response = next.call(request).await?.map_into_boxed_body();
        Ok(error_responses::seal_in_json(response))
    };
    in_turn(request, inner).await
}

async fn around(
    request: ServiceRequest,
    inner: impl AsyncFnOnce(ServiceRequest) -> Result<ServiceResponse, Error>,
) -> Result<ServiceResponse, Error> {
    let recording = Recording::begin(&request);
    let line = Line::begin(&request);
    let logged = async |request| {
        let mut response = error_responses::seal(inner(request).await?);
        line.end(&mut response);
        if let Some(recording) = recording {
            recording.end(&response);
        }
        Ok(response)
    };
    in_turn(request, logged).await
}

/// Keeps the connection from reading the next request meanwhile.
async fn in_turn(
    mut request: ServiceRequest,
    inner: impl AsyncFnOnce(ServiceRequest) -> Result<ServiceResponse, Error>,
) -> Result<ServiceResponse, Error> {
    let connection = ConnectionState::of(&request);
    let _active = connection.as_ref().map(ActiveRequest::begin);
    let body = request_body_guard::lend(&mut request, connection.as_ref());
    let mut response = inner(request).await?;
    if connection.is_some_and(|connection| connection.slot().is_past_limit()) {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(request_body_guard::keep(
        chunked_response::cut(response),
        body,
    ))
}

/// The inner middleware: rejects requests before a handler runs, and completes its response.
pub(super) async fn handler(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let response = checked(request, next).await?;
    Ok(if response.request().path() == forward_auth::PATH {
        forward_auth::complete(response)
    } else {
        browser::send_to_login(response)
    })
}

/// The middleware of each resource in another app: both middlewares above, without the log line,
/// the limits of connections and the built-in page, which are the program's.
pub(super) async fn mounted(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let body = request_body_guard::lend(&mut request, None);
    let response = error_responses::seal_in_json(checked(request, next).await?);
    Ok(request_body_guard::keep(
        chunked_response::cut(response),
        body,
    ))
}

async fn checked(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let admitted = admission::refuse(&request).and_then(|()| error_responses::refuse_nul(&request));
    if let Err(rejection) = admitted.and_then(|()| browser::refuse_foreign_pages(&request)) {
        return Ok(request.error_response(rejection));
    }
    let mut response = next.call(request).await?.map_into_boxed_body();
    clock_watch::report_skew(&response);
    reissue_for(&mut response).await;
    browser::remove_twins(&mut response);
    Ok(cors::explain_missing_token(response))
}
