//! What needs no token: the page at `/`, the public keys, and health.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use actix_identity::{Identity, IdentityMiddleware};
use actix_web::dev::HttpServiceFactory;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, CacheControl, CacheDirective, ContentType, REFERRER_POLICY,
    RETRY_AFTER,
};
use actix_web::middleware::from_fn;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Resource, ResponseError, web};
use html_escape::encode_text;
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;
use utoipa::openapi::Object;

use crate::server::{KEYS_MAX_AGE, State, panics};
use crate::settings::Registration;
use crate::web::{Rejection, Verified, identity_bridge};

/// That the server is well.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: &'static str,
}

/// The process runs.
#[utoipa::path(get, path = "/health/live", responses((status = 200, body = Health)), security(()))]
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "live" })
}

/// The public keys (RFC 7517 section 5), for the description alone.
#[expect(dead_code, reason = "the ring writes them itself")]
#[derive(ToSchema)]
pub(super) struct Jwks {
    keys: Vec<Object>,
}

/// The public keys, for others to verify tokens with (RFC 7517 section 5). Anyone may keep them for a while.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    responses((status = 200, body = Jwks)),
    security(())
)]
pub(super) async fn keys(state: web::Data<State>) -> HttpResponse {
    let max_age = CacheDirective::MaxAge(KEYS_MAX_AGE.as_secs().try_into().unwrap_or(u32::MAX));
    HttpResponse::Ok()
        .insert_header(CacheControl(vec![CacheDirective::Public, max_age]))
        .json(state.auth.tokens().keys().jwks())
}

#[derive(Debug, Error)]
#[error("the server is stopping")]
struct Stopping;

/// Requests can be served: the server is not stopping, its database answers, and what was revoked is known.
#[utoipa::path(get, path = "/health/ready", responses((status = 200, body = Health)), security(()))]
pub(super) async fn ready(state: web::Data<State>) -> Result<HttpResponse, Rejection> {
    if !state.serving.load(Ordering::SeqCst) {
        return Err(Rejection::unavailable(Stopping));
    }
    state.store.ping().await?;
    state
        .sessions
        .check_revocations_are_current(state.auth.now())?;
    Ok(HttpResponse::Ok().json(Health { status: "ready" }))
}

/// Gives the page actix-identity on our cookies.
pub(super) fn with_identity(resource: Resource) -> impl HttpServiceFactory + 'static {
    resource
        .wrap(IdentityMiddleware::default())
        .wrap(from_fn(identity_bridge))
        .wrap(from_fn(panics::catch))
}

/// A page for people: a login form, or a greeting.
#[utoipa::path(get, path = "/", responses((status = 200, content_type = "text/html", body = String)), security(()))]
pub(super) async fn greet(
    state: web::Data<State>,
    user: Option<Identity>,
    request: HttpRequest,
) -> HttpResponse {
    match user.and_then(|user| user.id().ok()) {
        Some(id) => {
            let name = username(&request).unwrap_or(id);
            let name = encode_text(&name);
            html(
                StatusCode::OK,
                &format!("<p>Hello, {name}.</p>\n<p><a href=\"/logout\">Log out</a></p>"),
            )
        }
        None => html(
            StatusCode::OK,
            &format!("{FORM}{}", how_to_register(&state)),
        ),
    }
}

fn how_to_register(state: &State) -> &'static str {
    match state.registration {
        Registration::Open => {
            "\n<p>No account yet? Send <code>POST /register</code>, as the README shows.</p>"
        }
        Registration::Closed => "\n<p>No account yet? Ask the operator for one.</p>",
    }
}

/// The form once more, with what was wrong, for a browser that sent it.
pub(super) fn login_page(rejection: &Rejection) -> HttpResponse {
    let what = rejection.to_string();
    let mut page = html(
        rejection.status_code(),
        &format!("<p role=\"alert\">{}</p>\n{FORM}", encode_text(&what)),
    );
    if let Some(wait) = rejection.error_response().headers().get(RETRY_AFTER) {
        page.headers_mut().insert(RETRY_AFTER, wait.clone());
    }
    page
}

fn username(request: &HttpRequest) -> Option<String> {
    request
        .extensions()
        .get::<Rc<Verified>>()
        .and_then(|verified| verified.claims.username.clone())
}

const FORM: &str = r#"<form method="post" action="/login">
<p><label>Username <input name="username" autocomplete="username" required autofocus></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>
<p><label><input name="remember" type="checkbox"> Stay logged in on this device</label></p>
<p><button>Log in</button></p>
</form>"#;

/// No scripts, no pictures, no frames; the form goes nowhere but here.
const POLICY: &str =
    "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

fn html(status: StatusCode, main: &str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        // Without a referrer a browser would not say where the form comes from, and it would be refused.
        .insert_header((REFERRER_POLICY, "same-origin"))
        .body(format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>tokenpair</title>\n\
             <main>\n<h1>tokenpair</h1>\n{main}\n</main>\n</html>\n"
        ))
}
