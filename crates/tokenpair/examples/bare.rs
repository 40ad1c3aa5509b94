//! A bare handler: Actix's own cost for the response of `GET /protected`, with the same headers and
//! body and without any check. The server's CPU time per request is compared with this one's.
//!
//!     SERVER_BIND=127.0.0.1:8081 cargo run --release --example bare
//!
//! Like the server, it has one worker per core unless `SERVER_WORKERS` says otherwise.

use std::io;
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, CROSS_ORIGIN_RESOURCE_POLICY, HeaderName,
    HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{App, HttpResponse, HttpServer, web};

const HEADERS: [(HeaderName, HeaderValue); 7] = [
    (CONTENT_TYPE, HeaderValue::from_static("application/json")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        CROSS_ORIGIN_RESOURCE_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("x-request-id"),
        HeaderValue::from_static("019a4e52-7c3e-7d60-9f7b-2f6d6a1c8e11"),
    ),
];

async fn protected() -> HttpResponse {
    let mut response = HttpResponse::Ok();
    for header in HEADERS {
        response.insert_header(header);
    }
    response.body(r#"{"logged_in_as":"ada"}"#)
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let setting = |name: &str| std::env::var(name).ok();
    let bind = setting("SERVER_BIND").unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let workers = setting("SERVER_WORKERS").and_then(|number| number.parse().ok());
    let per_core = || available_parallelism().map_or(1, NonZero::get);
    let app = || App::new().route("/protected", web::get().to(protected));
    HttpServer::new(app)
        .workers(workers.unwrap_or_else(per_core))
        .client_request_timeout(Duration::from_secs(10))
        .keep_alive(Duration::from_secs(75))
        .bind(bind)?
        .run()
        .await
}
