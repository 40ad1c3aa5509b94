//! The routes: one table of all of them. A handler is guard, call, shape.

mod account;
mod admin;
mod login;
mod public;
mod session;
mod sessions;

use actix_web::guard;
use actix_web::http::header::ALLOW;
use actix_web::http::{Method, StatusCode};
use actix_web::web::ServiceConfig;
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, Route, web};

use crate::web::Rejection;

pub(super) fn configure(routes: &mut ServiceConfig) {
    routes
        .service(resource("/register", vec![post(login::register)]))
        .service(resource("/login", vec![post(login::login)]))
        .service(resource("/protected", vec![get(account::protected)]))
        .service(resource("/refresh", vec![post(session::refresh)]))
        .service(resource(
            "/logout",
            vec![post(session::logout), link(session::logout_by_link)],
        ))
        .service(resource(
            "/account",
            vec![get(account::account), delete(account::delete)],
        ))
        .service(resource(
            "/account/password",
            vec![post(account::change_password)],
        ))
        .service(resource(
            "/sessions",
            vec![get(sessions::list), delete(sessions::end_others)],
        ))
        .service(resource("/sessions/{id}", vec![delete(sessions::end_one)]))
        .service(resource("/admin/users", vec![get(admin::users)]))
        .service(resource("/admin/users/{id}", vec![patch(admin::change)]))
        .service(resource(
            "/admin/users/{id}/sessions",
            vec![delete(admin::end_sessions)],
        ))
        .service(resource("/health/live", vec![get(public::live)]))
        .service(resource("/health/ready", vec![get(public::ready)]))
        .service(public::page(resource("/", vec![get(public::greet)])));
}

/// A handler under its method.
struct Entry {
    methods: Vec<Method>,
    route: Route,
}

fn get<F, Args>(handler: F) -> Entry
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    entry(vec![Method::GET, Method::HEAD], handler)
}

/// A GET that changes something, so HEAD is none of it.
fn link<F, Args>(handler: F) -> Entry
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    entry(vec![Method::GET], handler)
}

fn post<F, Args>(handler: F) -> Entry
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    entry(vec![Method::POST], handler)
}

fn patch<F, Args>(handler: F) -> Entry
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    entry(vec![Method::PATCH], handler)
}

fn delete<F, Args>(handler: F) -> Entry
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    entry(vec![Method::DELETE], handler)
}

fn entry<F, Args>(methods: Vec<Method>, handler: F) -> Entry
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let one_of = methods.clone();
    let guard = guard::fn_guard(move |request| one_of.contains(&request.head().method));
    Entry {
        methods,
        route: web::route().guard(guard).to(handler),
    }
}

/// The handlers of a path; and for other methods what HTTP asks for (RFC 9110 sections 9.3.7 and 15.5.6), where actix
/// would answer 404.
fn resource(path: &str, entries: Vec<Entry>) -> Resource {
    let methods = entries
        .iter()
        .flat_map(|entry| &entry.methods)
        .map(Method::as_str);
    let allow = methods.chain(["OPTIONS"]).collect::<Vec<_>>().join(", ");
    let resource = entries
        .into_iter()
        .fold(web::resource(path), |resource, entry| {
            resource.route(entry.route)
        });
    resource.default_service(web::to(move |method: Method| {
        let allow = allow.clone();
        async move { other_method(&method, &allow) }
    }))
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

pub(super) async fn not_found() -> Result<HttpResponse, Rejection> {
    Err(Rejection::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "Not found",
    ))
}
