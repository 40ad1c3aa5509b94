//! Implements CORS: pages of the origins in `SERVER_CORS_ORIGINS` may read responses, with cookies.
//! Without origins it is off. It also explains failures to developers.

use std::fmt;

use actix_cors::{Cors, CorsError};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
    AUTHORIZATION, CONTENT_TYPE, COOKIE, DATE, HeaderMap, HeaderName, LOCATION, ORIGIN,
    RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use url::{Host, Url};

use super::browser::{foreign_origin, host, text};
use super::error_code::ServerErrorCode;
use super::sender::Sender;
use super::state::AppState;
use super::telemetry;
use super::telemetry::X_REQUEST_ID;
use crate::config::is_loopback;
use tokenpair::web::{ErrorCode, Location, Rejection, WebPolicy};

/// How long browsers cache a preflight, in seconds. An origin removed from the list is rejected
/// after that.
const MAX_AGE: usize = 3600;

const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::PATCH, Method::DELETE];

/// Headers that libraries in pages add: jQuery and axios, OpenTelemetry, Sentry.
const OF_LIBRARIES: [HeaderName; 5] = [
    HeaderName::from_static("x-requested-with"),
    HeaderName::from_static("baggage"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("sentry-trace"),
];

/// Returns the request headers that pages may send.
fn allowed_headers(web: &WebPolicy) -> Vec<HeaderName> {
    let own = [
        AUTHORIZATION,
        CONTENT_TYPE,
        X_REQUEST_ID,
        web.header.name.clone(),
        web.csrf.access_header.clone(),
        web.csrf.refresh_header.clone(),
    ];
    own.into_iter().chain(OF_LIBRARIES).collect()
}

/// Returns the middleware. It allows exact origins, and the methods and headers that the routes
/// use.
pub(super) fn middleware(origins: &[String], web: &WebPolicy) -> Cors {
    // By `Date` a page learns how far its clock is from the server's, by which tokens expire.
    let exposed = [DATE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE, X_REQUEST_ID];
    let cors = Cors::default()
        .allowed_methods(METHODS)
        .allowed_headers(allowed_headers(web))
        .expose_headers(exposed)
        .supports_credentials()
        .max_age(MAX_AGE);
    let allow = |cors: Cors, origin: &String| cors.allowed_origin(origin);
    origins.iter().fold(cors, allow)
}

/// Returns the response to a rejected preflight, if the response is one. Developers read it in
/// their browser's tools.
pub(super) fn refused_preflight(response: &ServiceResponse) -> Option<HttpResponse> {
    let error = response.response().error()?.as_error::<CorsError>()?;
    let request = response.request();
    let headers = request.headers();
    let web = request.app_data::<web::Data<AppState>>()?.auth.policy();
    let (msg, hint) = match error {
        CorsError::MethodNotAllowed => (
            format!("Method not allowed: {}", asked_method(headers)),
            format!("Use one of the methods {}.", methods()),
        ),
        CorsError::HeadersNotAllowed => (
            format!(
                "Request header not allowed: {}",
                refused_headers(headers, web)
            ),
            format!("Send only the headers {}.", names(&allowed_headers(web))),
        ),
        other => (
            other.to_string(),
            "Add the page's origin to SERVER_CORS_ORIGINS if it may use this server.".to_owned(),
        ),
    };
    let rejection = Rejection::from(ServerErrorCode::CorsRefused).msg(msg.clone());
    let cause = Refused {
        sender: Sender::of(request),
        what: msg,
    };
    let mut refused = HttpResponse::from_error(rejection.hint(hint).caused_by(cause));
    let unlisted = matches!(
        error,
        CorsError::OriginNotAllowed | CorsError::MissingOrigin
    );
    if !unlisted {
        name_what_is_allowed(&mut refused, headers, web);
    }
    Some(refused)
}

/// Lists the allowed methods and headers. The browser compares them with the request and names the
/// reason on its console, but only if the preflight succeeds and allows its origin (Fetch,
/// CORS-preflight fetch, step 7).
fn name_what_is_allowed(refused: &mut HttpResponse, request: &HeaderMap, web: &WebPolicy) {
    *refused.status_mut() = StatusCode::OK;
    let lists = [
        (ACCESS_CONTROL_ALLOW_METHODS, methods()),
        (ACCESS_CONTROL_ALLOW_HEADERS, names(&allowed_headers(web))),
        (ACCESS_CONTROL_ALLOW_CREDENTIALS, "true".to_owned()),
    ];
    for (name, value) in lists {
        if let Ok(value) = value.parse() {
            refused.headers_mut().insert(name, value);
        }
    }
    if let Some(origin) = request.get(ORIGIN) {
        let headers = refused.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}

fn methods() -> String {
    METHODS.map(|method| method.to_string()).join(", ")
}

fn names(headers: &[HeaderName]) -> String {
    let mut names: Vec<&str> = headers.iter().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

fn asked_method(headers: &HeaderMap) -> String {
    let method = text(headers, &ACCESS_CONTROL_REQUEST_METHOD);
    telemetry::short(method.unwrap_or_default())
}

/// Returns the requested headers that are not allowed.
fn refused_headers(headers: &HeaderMap, web: &WebPolicy) -> String {
    let asked = text(headers, &ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let allowed = allowed_headers(web);
    let is_refused = |name: &&str| {
        !allowed
            .iter()
            .any(|allowed| name.eq_ignore_ascii_case(allowed.as_str()))
    };
    let refused: Vec<&str> = asked.split(',').map(str::trim).filter(is_refused).collect();
    telemetry::short(&refused.join(", "))
}

#[derive(Debug)]
struct Refused {
    sender: Sender,
    what: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.what, self.sender)
    }
}

impl std::error::Error for Refused {}

/// Tells developers of a page on another origin why no cookie arrived. The hint to log in would not
/// help them.
pub(super) fn explain_missing_token(response: ServiceResponse) -> ServiceResponse {
    let hint = hint_for(&response);
    let error = response.response().error();
    let rejection = error.and_then(|error| error.as_error::<Rejection>());
    match rejection.zip(hint) {
        Some((rejection, hint)) => {
            let explained = HttpResponse::from_error(rejection.clone().hint(hint));
            response.into_response(explained)
        }
        None => response,
    }
}

fn hint_for(response: &ServiceResponse) -> Option<&'static str> {
    if response.status() != StatusCode::UNAUTHORIZED {
        return None;
    }
    let error = response.response().error()?.as_error::<Rejection>()?;
    let request = response.request();
    if error.error_code() != Some(ErrorCode::MissingToken) || request.headers().contains_key(COOKIE)
    {
        return None;
    }
    let state = request.app_data::<web::Data<AppState>>()?;
    let page = foreign_origin(request, &state.origins)?;
    if !state.auth.looks_in(Location::Cookies) {
        return None;
    }
    Some(if mixes_loopback_names(page, request) {
        "The page and this server use different names for this machine (such as localhost and 127.0.0.1), and browsers keep \
         their cookies apart. Use one name for both, and send the request with credentials: 'include'."
    } else {
        "Log in. If the user is logged in, the page, which is on another origin, did not send the cookies: send the request \
         with credentials: 'include', list the page's origin in SERVER_CORS_ORIGINS, and call the server by its PUBLIC_URL."
    })
}

fn mixes_loopback_names(page: &str, request: &HttpRequest) -> bool {
    let page = Url::parse(page).ok();
    let own = host(request).and_then(|host| Url::parse(&format!("http://{host}")).ok());
    let host = |url: &Url| url.host().map(|host: Host<&str>| host.to_owned());
    page.zip(own).is_some_and(|(page, own)| {
        is_loopback(&page) && is_loopback(&own) && host(&page) != host(&own)
    })
}
