//! Implements what `/forward-auth` needs around its handler. A proxy asks there whether it may pass a
//! request on to an app: nginx by `auth_request`, Traefik and Caddy by forward auth, Envoy by
//! `ext_authz`. The request that it asks about counts, not the proxy's own.

use std::future::{Ready, ready};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, HeaderName, HeaderValue, LOCATION, ORIGIN, SET_COOKIE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, web};
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::browser::{code, navigates, needs_login, text};
use super::error_code::ServerErrorCode;
use super::page::to_path;
use super::query::query;
use super::state::AppState;
use crate::config::{ForwardAuth, serialized_origin};
use tokenpair::web::{ErrorCode, Rejection};
use tokenpair_store::Role;

/// The path of the route.
pub(super) const PATH: &str = "/forward-auth";

const METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// Copies of `Set-Cookie`, one per cookie. nginx reads only one value of a header.
pub(super) const COOKIES: [HeaderName; 4] = [
    HeaderName::from_static("x-auth-set-cookie-1"),
    HeaderName::from_static("x-auth-set-cookie-2"),
    HeaderName::from_static("x-auth-set-cookie-3"),
    HeaderName::from_static("x-auth-set-cookie-4"),
];

/// Middleware of the resource: the handler sees the method of the original request, so that CSRF
/// tokens are required of it. It has to be the outermost: Actix lets nobody change a request that
/// something else holds.
pub(super) async fn as_original(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let method = original_method(request.request());
    let is_named = method.is_some();
    // A POST needs the CSRF token of a cookie, so a proxy that does not name the method opens nothing.
    request.head_mut().method = method.unwrap_or(Method::POST);
    if is_preflight(request.request()) {
        return Ok(match permit_preflight(request.request()) {
            Ok(permitted) => request.into_response(permitted),
            Err(rejection) => request.error_response(rejection),
        });
    }
    let response = next.call(request).await?.map_into_boxed_body();
    if !is_named && is_of_csrf(&response) {
        let explained = HttpResponse::from_error(without_method());
        return Ok(response.into_response(explained));
    }
    Ok(response)
}

/// `None` unless the proxy names it once. Its own GET says nothing: nginx sends one for a POST too.
/// It is read in capitals, as frameworks such as Flask read it: `patch` needs a CSRF token too.
fn original_method(request: &HttpRequest) -> Option<Method> {
    let mut sent = request.headers().get_all(METHOD);
    let first = sent.next().filter(|_| sent.next().is_none())?;
    Method::from_bytes(&first.as_bytes().to_ascii_uppercase()).ok()
}

fn without_method() -> Rejection {
    Rejection::from(ServerErrorCode::BadRequest)
        .msg("The header X-Forwarded-Method is missing, or has no method")
        .hint("Make the proxy send it with the method of the client's request.")
}

/// A preflight has no cookies by specification (Fetch section 4.8), so the app has to answer it.
fn is_preflight(request: &HttpRequest) -> bool {
    let has = |name| request.headers().contains_key(name);
    *request.method() == Method::OPTIONS && has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Permits a request of this user with these roles and this session. A proxy that copies a header
/// may leave the client's in its place if it is absent, or pass on the name of a variable without a
/// value. So each is sent, even if it is empty.
pub(super) fn permit(
    names: &ForwardAuth,
    [user, groups, session]: [&str; 3],
    status: StatusCode,
) -> Result<HttpResponse, Rejection> {
    let mut response = HttpResponse::build(status);
    for (header, value) in [
        (&names.user, user),
        (&names.groups, groups),
        (&names.session, session),
    ] {
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(Rejection::internal)?;
        response.insert_header((header.clone(), value));
    }
    Ok(response.finish())
}

/// Permits a request of nobody.
fn permit_preflight(request: &HttpRequest) -> Result<HttpResponse, Rejection> {
    let status = wanted(request)?.permission();
    let state = request.app_data::<web::Data<AppState>>();
    match state {
        Some(state) => permit(&state.forward_auth, ["", "", ""], status),
        None => Ok(HttpResponse::build(status).finish()),
    }
}

/// What the proxy asks for. As a guard before the others, so that a mistake in the proxy's
/// configuration shows before anyone logs in.
#[derive(serde::Deserialize)]
pub(super) struct Wanted {
    /// The role that the user needs.
    pub(super) role: Option<String>,
    login: Option<String>,
    status: Option<String>,
}

impl FromRequest for Wanted {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(wanted(request))
    }
}

impl Wanted {
    /// Returns the status of a permission. Envoy takes every other 2xx for a refusal.
    pub(super) const fn permission(&self) -> StatusCode {
        match self.status {
            Some(_) => StatusCode::OK,
            None => StatusCode::NO_CONTENT,
        }
    }
}

/// Reads the query. The operator writes it, and a misspelled `role` must not admit everyone.
fn wanted(request: &HttpRequest) -> Result<Wanted, Rejection> {
    let mut known = vec!["role", "login", "status"];
    for (name, _) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
        let Some(index) = known.iter().position(|known| *known == name) else {
            return Err(Rejection::from(ServerErrorCode::InvalidParameter)
                .msg("The query may have the parameters role, login and status, each once"));
        };
        known.swap_remove(index);
    }
    let wanted: Wanted = query(request)?;
    let invalid = |msg| Rejection::from(ServerErrorCode::InvalidParameter).msg(msg);
    if !matches!(wanted.login.as_deref(), None | Some("redirect")) {
        return Err(invalid("The parameter login has to be redirect"));
    }
    if !matches!(wanted.status.as_deref(), None | Some("200")) {
        return Err(invalid("The parameter status has to be 200"));
    }
    if let Some(role) = &wanted.role {
        let unfit = |error| {
            Rejection::from(ServerErrorCode::InvalidParameter)
                .msg(format!("The parameter role: {error}"))
        };
        Role::parse(role).map_err(unfit)?;
    }
    Ok(wanted)
}

/// Completes the response. Without a valid token it is a 401, of which nginx knows what to do: it
/// turns a 422 into a 500. `Location` is the login page.
pub(super) fn complete(mut response: ServiceResponse) -> ServiceResponse {
    if response.status() == StatusCode::UNPROCESSABLE_ENTITY {
        response.response_mut().head_mut().status = StatusCode::UNAUTHORIZED;
    }
    if needs_login(&response) && !is_of_csrf(&response) {
        let request = response.request();
        let Some(login) = login_page(request) else {
            return response;
        };
        let redirects = wanted(request).is_ok_and(|wanted| wanted.login.is_some());
        if redirects && navigates(request) {
            return response.into_response(to_path(&login));
        }
        if let Ok(login) = HeaderValue::try_from(login) {
            response.headers_mut().insert(LOCATION, login);
        }
    }
    let cookies: Vec<HeaderValue> = response.headers().get_all(SET_COOKIE).cloned().collect();
    for (name, cookie) in COOKIES.into_iter().zip(cookies) {
        response.headers_mut().insert(name, cookie);
    }
    response
}

/// A login page would not help: the user is logged in.
fn is_of_csrf(response: &ServiceResponse) -> bool {
    let code = code(response);
    matches!(code, Some(ErrorCode::CsrfMissing | ErrorCode::CsrfMismatch))
}

/// The longest page to return to, in bytes as they are encoded. The login page takes no longer path,
/// and nginx turns a response whose head exceeds 4 KiB into a 500.
const MAX_NEXT: usize = 2048;

/// Returns the address of the login page, with the page to return to.
fn login_page(request: &HttpRequest) -> Option<String> {
    let state = request.app_data::<web::Data<AppState>>()?;
    let login = &state.forward_auth.login;
    let next: Option<String> =
        next(request, login).map(|next| byte_serialize(next.as_bytes()).collect());
    Some(match next.filter(|next| next.len() <= MAX_NEXT) {
        Some(next) => format!("{login}?next={next}"),
        None => login.clone(),
    })
}

/// Returns the address of the page that was asked for, with its origin if the login page is on
/// another. After a login a browser sends a GET, so only that of a GET.
fn next(request: &HttpRequest, login: &str) -> Option<String> {
    let header = |name: HeaderName| text(request.headers(), &name);
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = header(URI).filter(|path| is_read && path.starts_with('/'))?;
    let Some(login) = Url::parse(login).ok().as_ref().and_then(serialized_origin) else {
        return Some(path.to_owned());
    };
    let proto = header(PROTO).filter(|proto| matches!(*proto, "http" | "https"))?;
    let origin = Url::parse(&format!("{proto}://{}", header(HOST)?)).ok()?;
    let origin = serialized_origin(&origin)?;
    let is_same = origin == login;
    Some(if is_same {
        path.to_owned()
    } else {
        format!("{origin}{path}")
    })
}
