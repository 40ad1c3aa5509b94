//! Implements `/forward-auth`, which tells a proxy whether to pass a request on.

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, Resource, web};
use utoipa::{IntoParams, ToSchema};

use super::endpoint::{Endpoint, endpoint};
use super::tags::SERVER;
use crate::server::error_code::ServerErrorCode;
use crate::server::forward_auth::{Wanted, as_original, permit};
use crate::server::panics::CatchPanics;
use crate::server::state::AppState;
use tokenpair::web::{Access, ErrorCode, Rejection, RejectionKind};
use tokenpair_store::ADMIN;

/// Returns the route. It answers every method, since some proxies ask with the client's.
pub(super) fn endpoint() -> Endpoint {
    let invalid = ErrorCode::ALL.iter().copied();
    let invalid = invalid.filter(|code| code.kind() == RejectionKind::InvalidToken);
    let endpoint = endpoint!(self::forward_auth)
        .refuses(&[ErrorCode::RoleRequired, ErrorCode::AdminRequired])
        .refuses(&[ErrorCode::CsrfMissing, ErrorCode::CsrfMismatch])
        .refuses(&[
            ServerErrorCode::InvalidParameter,
            ServerErrorCode::BadRequest,
        ])
        .for_every_method()
        .mounted_by(mount);
    invalid.fold(endpoint, |endpoint, code| {
        endpoint.refuses_with(StatusCode::UNAUTHORIZED, code)
    })
}

fn mount(resource: Resource, app: &mut ServiceConfig) {
    let resource = resource.wrap(CatchPanics);
    app.service(resource.wrap(from_fn(as_original)));
}

/// What a proxy asks for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes the query, which `Wanted` reads")]
struct Asked {
    /// The role that the user needs.
    #[param(pattern = "^[a-z0-9_-]{1,32}$")]
    role: Option<String>,
    /// `redirect`: a browser that asks for a page without a valid token gets a 303 to the login
    /// page. For Traefik and Caddy, which pass the response on; nginx needs the 401.
    #[param(inline)]
    login: Option<Unauthenticated>,
    /// `200`: a permission has this status. For Envoy, which takes a 204 for a refusal.
    #[param(pattern = "^200$")]
    status: Option<String>,
}

/// What a browser without a valid token gets.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "it describes the query")]
enum Unauthenticated {
    Redirect,
}

/// Tells a proxy whether to pass a request on to an app, and who sent it.
///
/// The proxy sends the request's method in `X-Forwarded-Method`, and its cookies or `Authorization`
/// header. An unsafe method needs the CSRF token in its header, as everywhere. The response names
/// the user, the roles and the session in headers, whose names are settings. A 401 has the login
/// page in `Location`. Cookies to set are also in `X-Auth-Set-Cookie-1` to `-4`.
#[utoipa::path(
    get,
    path = "/forward-auth",
    operation_id = "forwardAuth",
    tag = SERVER,
    params(
        Asked,
        ("X-Forwarded-Method" = Option<String>, Header, description = "The method of the client's request. Required with a token in a cookie."),
        ("X-Forwarded-Uri" = Option<String>, Header, description = "Its path and query, to return to after a login."),
        ("X-Forwarded-Host" = Option<String>, Header, description = "Its host, if the login page has another."),
        ("X-Forwarded-Proto" = Option<String>, Header, description = "Its scheme, if the login page has another host."),
    ),
    responses(
        (status = 200, description = "The user may send the request, with `status=200`."),
        (status = 204, description = "The user may send the request."),
        (status = 303, description = "The login page."),
    ),
    security(("access" = []))
)]
pub(super) async fn forward_auth(
    state: web::Data<AppState>,
    asked: Wanted,
    user: Access,
) -> Result<HttpResponse, Rejection> {
    if let Some(role) = &asked.role {
        check_role(&user, role)?;
    }
    let claims = user.claims();
    let name = claims.username.as_deref();
    let values = [
        name.unwrap_or_else(|| user.identity()),
        &claims.roles.join(","),
        claims.sid.as_deref().unwrap_or_default(),
    ];
    permit(&state.forward_auth, values, asked.permission())
}

/// Roles in tokens are current: a change of roles revokes the tokens.
fn check_role(user: &Access, role: &str) -> Result<(), Rejection> {
    if user.claims().has_role(role) {
        return Ok(());
    }
    let code = match role {
        ADMIN => ErrorCode::AdminRequired,
        _ => ErrorCode::RoleRequired,
    };
    Err(code.into())
}
