//! Implements what needs no token: the page at `/`, the public keys, health and
//! `GET /openapi.json`.

use std::rc::Rc;
use std::time::Duration;

use actix_identity::{Identity, IdentityMiddleware};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, CacheControl, CacheDirective};
use actix_web::middleware::from_fn;
use actix_web::web::ServiceConfig;
use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse, Resource, ResponseError, web,
};
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;
use utoipa::openapi::Object;

use super::session::is_over;
use super::tags::SERVER;
use crate::config::Registration;
use crate::server::error_code::ServerErrorCode;
use crate::server::page::{self, FORM};
use crate::server::startup_keys::KEYS_MAX_AGE;
use crate::server::state::AppState;
use crate::server::{browser, panics};
use tokenpair::session::RequestContext;
use tokenpair::web::{Location, Refresh, Rejection, Verified, identity_bridge};
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
            "PostgreSQL is a standby. Promote it, or name the primary in DATABASE_URL.",
        ),
        NotWritable::ReadOnly(_) => (
            ServerErrorCode::DatabaseReadOnly,
            "Every host of DATABASE_URL is a standby, default_transaction_read_only is on, or SQLite's file cannot be written.",
        ),
        NotWritable::Full(_) => (
            ServerErrorCode::DatabaseFull,
            "Free space on the disk of the database.",
        ),
        NotWritable::Refused(_) => (
            ServerErrorCode::DatabaseNotWritable,
            "The server's log names the cause.",
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

/// Mounts the page with actix-identity, which reads our cookies.
pub(super) fn mount_with_identity(resource: Resource, app: &mut ServiceConfig) {
    let page = resource
        .wrap(IdentityMiddleware::default())
        .wrap(from_fn(identity_bridge))
        .wrap(from_fn(panics::catch));
    app.service(page);
}

/// Shows a page: a login form, or a greeting.
///
/// A remembered login is greeted after its access cookie has expired too: its refresh cookie is
/// then exchanged for a new pair, as by `POST /refresh`.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "getPage",
    tag = SERVER,
    responses((status = 200, content_type = "text/html", body = String, description = "The page.")),
    security(())
)]
pub(super) async fn greet(
    state: web::Data<AppState>,
    user: Option<Identity>,
    request: HttpRequest,
) -> Result<HttpResponse, Rejection> {
    match user.and_then(|user| user.id().ok()) {
        Some(id) => Ok(page::greeting(&username(&request).unwrap_or(id))),
        None => restore(&state, &request).await,
    }
}

/// By GET, which scripts of other sites can have sent, but neither prevent nor read: a repeated or lost answer is borne
/// by the rotation rule, and the cookies go to the browser that sent them.
async fn restore(state: &AppState, request: &HttpRequest) -> Result<HttpResponse, Rejection> {
    let Some(token) = refresh_cookie(request).await else {
        return Ok(login_form(state));
    };
    let context = RequestContext::extract(request).await?;
    let mut response;
    match state.auth.refresh(&token, &context).await {
        Ok(pair) => {
            let access = state.auth.decode(pair.access.token.as_str()).run();
            let name = access
                .ok()
                .and_then(|access| access.claims.username.clone());
            response = page::greeting(name.as_deref().unwrap_or_else(|| token.identity()));
            state.auth.cookies().set_pair(response.headers_mut(), &pair);
        }
        Err(rejection) if is_over(&rejection) => {
            response = login_form(state);
            state.auth.cookies().unset_all(response.headers_mut());
        }
        Err(rejection) if rejection.status_code() == StatusCode::UNAUTHORIZED => {
            response = login_form(state);
        }
        Err(rejection) => return Err(rejection),
    }
    Ok(response)
}

/// The refresh token in the cookie of a person's browser.
async fn refresh_cookie(request: &HttpRequest) -> Option<Refresh> {
    if !browser::opens_a_page(request) {
        return None;
    }
    let token = Refresh::extract(request).await.ok()?;
    (token.location() == Location::Cookies).then_some(token)
}

fn login_form(state: &AppState) -> HttpResponse {
    let how_to_register = match state.registration {
        Registration::Open => {
            "<p>No account yet? Send <code>POST /register</code>, as the README shows.</p>"
        }
        Registration::Closed => "<p>No account yet? Ask the operator for one.</p>",
    };
    page::page(&format!("{FORM}\n{how_to_register}"))
}

fn username(request: &HttpRequest) -> Option<String> {
    request
        .extensions()
        .get::<Rc<Verified>>()
        .and_then(|verified| verified.claims.username.clone())
}
