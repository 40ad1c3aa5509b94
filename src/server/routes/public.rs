//! Implements what needs no token: the public keys, health and `GET /openapi.json`.

use std::time::Duration;

use actix_web::http::header::{CONTENT_TYPE, CacheControl, CacheDirective};
use actix_web::{HttpResponse, web};
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;
use utoipa::openapi::Object;

use super::tags::SERVER;
use crate::server::error_code::ServerErrorCode;
use crate::server::startup_keys::KEYS_MAX_AGE;
use crate::server::state::AppState;
use tokenpair::web::Rejection;
use tokenpair_store::NotWritable;

/// Health.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: &'static str,
}

/// Tells that the process is running.
///
/// Asks neither the database nor anything else. For a liveness probe.
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "getLiveness",
    tag = SERVER,
    responses((status = 200, body = Health, description = "The process is running.")),
    security(())
)]
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "live" })
}

/// The public keys (RFC 7517 section 5).
#[expect(dead_code, reason = "the library's own type serializes itself")]
#[derive(ToSchema)]
pub(super) struct Jwks {
    keys: Vec<Object>,
}

/// Returns the public keys with which others verify tokens (RFC 7517 section 5).
///
/// `Cache-Control` says for how long the response may be cached.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "getPublicKeys",
    tag = SERVER,
    responses((status = 200, body = Jwks, description = "The public keys. None if a shared secret signs.")),
    security(())
)]
pub(super) async fn keys(state: web::Data<AppState>) -> HttpResponse {
    let max_age = CacheDirective::MaxAge(KEYS_MAX_AGE.as_secs().try_into().unwrap_or(u32::MAX));
    HttpResponse::Ok()
        .insert_header(CacheControl(vec![CacheDirective::Public, max_age]))
        .json(state.auth.tokens().keys().jwks())
}

#[derive(Debug, Error)]
#[error("the server is stopping")]
struct Stopping;

/// Tells whether the server can take requests.
///
/// It can while it is not stopping, its database answers and takes writes, and revocations are
/// current.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "getReadiness",
    tag = SERVER,
    responses((status = 200, body = Health, description = "The server takes requests.")),
    security(())
)]
pub(super) async fn ready(state: web::Data<AppState>) -> Result<HttpResponse, Rejection> {
    if state.readiness.is_stopping() {
        return Err(Rejection::unavailable(Stopping));
    }
    let check = check(&state).await;
    state.readiness.record_check(&check);
    check.map(|()| HttpResponse::Ok().json(Health { status: "ready" }))
}

async fn check(state: &AppState) -> Result<(), Rejection> {
    state.store.check_writable().await.map_err(not_ready)?;
    let now = state.auth.now();
    Ok(state.sessions.check_revocations_are_current(now)?)
}

/// Names the reason for the operator, without the database's own words.
fn not_ready(reason: NotWritable) -> Rejection {
    let (code, hint) = match reason {
        NotWritable::Away(error) => return error.into(),
        NotWritable::Standby(_) => (
            ServerErrorCode::DatabaseReadOnly,
            "Promote PostgreSQL, which is a standby, or name the primary in DATABASE_URL.",
        ),
        NotWritable::ReadOnly(_) => (
            ServerErrorCode::DatabaseReadOnly,
            "Promote a standby or name a primary in DATABASE_URL, turn default_transaction_read_only off, or make SQLite's file writable.",
        ),
        NotWritable::Full(_) => (
            ServerErrorCode::DatabaseFull,
            "Free space on the disk of the database.",
        ),
        NotWritable::Moved(_) => (
            ServerErrorCode::DatabaseNotWritable,
            "Restart the server: the file of the database was moved, deleted or replaced while it is open.",
        ),
        NotWritable::Refused(_) => (
            ServerErrorCode::DatabaseNotWritable,
            "Read the server's log, which names the cause.",
        ),
    };
    Rejection::from(code)
        .hint(hint)
        .retry_after(Duration::from_secs(1))
        .caused_by(reason)
}

/// Returns this description.
///
/// OpenAPI 3.1, with the names that the server's settings give to cookies and headers.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "getDescription",
    tag = SERVER,
    responses((status = 200, body = Object, description = "The description.")),
    security(())
)]
pub(super) async fn openapi(state: web::Data<AppState>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(state.openapi.clone())
}
