//! The routes: one table of all of them. A handler is guard, call, shape.

pub(super) mod account;
pub(super) mod admin;
pub(super) mod events;
pub(super) mod login;
pub(super) mod public;
pub(super) mod session;
pub(super) mod sessions;

use actix_web::guard;
use actix_web::http::header::ALLOW;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::web::ServiceConfig;
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, web};

use crate::server::{openapi, panics};
use tokenpair::web::Rejection;

pub(super) fn configure(routes: &mut ServiceConfig) {
    let paths = [
        at("/register").on(POST, login::register),
        at("/login").on(POST, login::login),
        at("/protected").on(GET, account::protected),
        at("/refresh").on(POST, session::refresh),
        at("/logout")
            .on(POST, session::logout)
            .on(LINK, session::logout_by_link),
        at("/csrf").on(GET, session::csrf),
        at("/account")
            .on(GET, account::account)
            .on(DELETE, account::delete),
        at("/account/password").on(POST, account::change_password),
        at("/sessions")
            .on(GET, sessions::list)
            .on(DELETE, sessions::end_others),
        at("/sessions/{id}").on(DELETE, sessions::end_one),
        at("/admin/users").on(GET, admin::users),
        at("/admin/users/{id}").on(PATCH, admin::change),
        at("/admin/users/{id}/sessions").on(DELETE, admin::end_sessions),
        at("/admin/events").on(GET, events::events),
        at("/.well-known/jwks.json").on(GET, public::keys),
        at("/health/live").on(GET, public::live),
        at("/health/ready").on(GET, public::ready),
        at("/openapi.json").on(GET, openapi::openapi),
    ];
    for path in paths {
        routes.service(path.resource().wrap(from_fn(panics::catch)));
    }
    let page = at("/").on(GET, public::greet);
    routes.service(public::with_identity(page.resource()));
}

const GET: &[Method] = &[Method::GET, Method::HEAD];
const POST: &[Method] = &[Method::POST];
const PATCH: &[Method] = &[Method::PATCH];
const DELETE: &[Method] = &[Method::DELETE];

/// A GET that changes something, so HEAD is none of it.
const LINK: &[Method] = &[Method::GET];

/// A path and its handlers.
struct Path {
    resource: Resource,
    methods: Vec<&'static str>,
}

fn at(path: &str) -> Path {
    Path {
        resource: web::resource(path),
        methods: Vec::new(),
    }
}

impl Path {
    fn on<F, Args>(mut self, methods: &'static [Method], handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let guard = guard::fn_guard(|request| methods.contains(&request.head().method));
        self.methods.extend(methods.iter().map(Method::as_str));
        self.resource = self.resource.route(web::route().guard(guard).to(handler));
        self
    }

    /// With what HTTP asks for other methods (RFC 9110 sections 9.3.7 and 15.5.6), where actix would answer 404.
    fn resource(self) -> Resource {
        let allow = [self.methods.as_slice(), &["OPTIONS"]].concat().join(", ");
        self.resource
            .default_service(web::to(move |method: Method| {
                let allow = allow.clone();
                async move { other_method(&method, &allow) }
            }))
    }
}

fn other_method(method: &Method, allow: &str) -> HttpResponse {
    let mut response = match *method {
        Method::OPTIONS => HttpResponse::Ok().finish(),
        _ => {
            let rejection = Rejection::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Method not allowed",
            );
            HttpResponse::from_error(rejection.hint(format!("This path takes {allow}.")))
        }
    };
    if let Ok(allow) = allow.parse() {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

pub(super) async fn not_found(request: HttpRequest) -> Result<HttpResponse, Rejection> {
    let rejection = Rejection::new(StatusCode::NOT_FOUND, "not_found", "Not found");
    Err(match without_slash(&request) {
        Some(route) => rejection.hint(format!("Leave out the / at the end: {route}.")),
        None => rejection,
    })
}

/// The route that would have been found without slashes at the end.
fn without_slash(request: &HttpRequest) -> Option<String> {
    let path = request.path();
    let without = path.trim_end_matches('/');
    let slashes = without.len() < path.len() && !without.is_empty();
    let routes = request.resource_map();
    slashes.then(|| routes.match_pattern(without)).flatten()
}
