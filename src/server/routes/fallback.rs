//! Implements the answers to requests that no handler takes: 404 for an unknown path, 405 for a
//! method that the path does not have.

use actix_web::http::Method;
use actix_web::http::header::ALLOW;
use actix_web::{HttpRequest, HttpResponse};

use crate::server::error_code::ServerErrorCode;
use tokenpair::web::Rejection;

/// Answers a method that the path does not have (RFC 9110 sections 9.3.7 and 15.5.6).
pub(in crate::server) fn other_method(method: &Method, allow: &str) -> HttpResponse {
    let mut response = match *method {
        Method::OPTIONS => HttpResponse::Ok().finish(),
        _ => {
            let rejection = Rejection::from(ServerErrorCode::MethodNotAllowed);
            HttpResponse::from_error(rejection.hint(format!("Use one of these methods: {allow}.")))
        }
    };
    if let Ok(allow) = allow.parse() {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// Answers a path that does not exist.
pub(in crate::server) async fn not_found(request: HttpRequest) -> Result<HttpResponse, Rejection> {
    let rejection = Rejection::from(ServerErrorCode::NotFound);
    Err(match without_slash(&request) {
        Some(route) => rejection.hint(format!("Leave out the / at the end: {route}.")),
        None => rejection,
    })
}

/// Returns the route that matches the path without its slashes at the end.
fn without_slash(request: &HttpRequest) -> Option<String> {
    let path = request.path();
    let without = path.trim_end_matches('/');
    let slashes = without.len() < path.len() && !without.is_empty();
    let routes = request.resource_map();
    slashes.then(|| routes.match_pattern(without)).flatten()
}
