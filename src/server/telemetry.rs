//! Logs: one line a request, with a request id that the client sees too, and nothing secret in it.

use std::borrow::Cow;
use std::time::Instant;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use log::{Level, LevelFilter};
use uuid::Uuid;

use crate::web::Rejection;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// These print whole requests, cookies and all, below this level.
const TALKATIVE: [(&str, LevelFilter); 4] = [
    ("actix_http", LevelFilter::Info),
    ("actix_server", LevelFilter::Info),
    ("actix_web", LevelFilter::Info),
    ("h2", LevelFilter::Info),
];

/// Starts logging to standard error, filtered by `RUST_LOG`'s text.
pub fn start_logging(filters: &str) {
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(filters);
    for (module, level) in TALKATIVE {
        builder.filter_module(module, level);
    }
    if builder.try_init().is_err() {
        log::warn!("a logger was there already");
    }
}

/// The middleware: gives the request an id, and logs how it was answered.
pub(super) async fn log_request<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let started = Instant::now();
    let id = request_id(&request);
    let method = request.method().clone();
    let mut response = next.call(request).await?;
    if log::log_enabled!(Level::Info) {
        let route = response
            .request()
            .match_pattern()
            .map_or_else(|| unmatched(&response), Cow::Owned);
        let status = response.status();
        let level = if status.is_server_error() {
            Level::Error
        } else {
            Level::Info
        };
        let millis = started.elapsed().as_secs_f64() * 1000.0;
        let cause = cause(&response)
            .map(|cause| format!(" cause={cause:?}"))
            .unwrap_or_default();
        log::log!(
            level,
            "{method} {route} {} {millis:.1}ms id={id}{cause}",
            status.as_u16()
        );
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    Ok(response)
}

/// The caller's, if it is short and plain, so that a proxy's log and ours can be read together.
fn request_id(request: &ServiceRequest) -> String {
    let plain = |id: &&str| {
        (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given = request
        .headers()
        .get(X_REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(plain);
    given
        .filter(|id| !looks_secret(id))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// A path that no route has: escaped, short, and left out if someone put a token into it. Never the query.
fn unmatched<B>(response: &ServiceResponse<B>) -> Cow<'static, str> {
    let path = response.request().path();
    if looks_secret(path) {
        return Cow::Borrowed("(a path with a token in it)");
    }
    let short: String = path.chars().take(100).collect();
    Cow::Owned(short.escape_default().to_string())
}

/// Every JWT begins with `{"`, which is `eyJ` in base64.
fn looks_secret(text: &str) -> bool {
    text.contains("eyJ")
}

fn cause<B>(response: &ServiceResponse<B>) -> Option<String> {
    let error = response.response().error()?;
    match error.as_error::<Rejection>() {
        Some(rejection) => rejection.cause(),
        None => Some(error.to_string()),
    }
}
