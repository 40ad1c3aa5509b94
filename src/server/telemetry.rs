//! Logs: one line a request, with a request id that the client sees too, and nothing secret in it.

use std::borrow::Cow;
use std::time::Instant;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use log::{Level, LevelFilter, Log, Metadata, Record};
use uuid::Uuid;

use super::panics::log_panics;
use crate::settings::{AccessLog, Settings};
use crate::web::{Rejection, client_ip};

/// How `RUST_LOG` names the lines of requests: `tokenpair::request=warn` leaves out those that went well.
const TARGET: &str = "tokenpair::request";

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Below `info` these may print what a request or a connection carries.
const TALKATIVE: [&str; 10] = [
    "actix_cors",
    "actix_http",
    "actix_server",
    "actix_tls",
    "actix_web",
    "h2",
    "rustls",
    "tokio_rustls",
    "ureq",
    "ureq_proto",
];

/// A logger that never lets them speak below `info`, whatever `RUST_LOG` says.
struct Discreet(env_logger::Logger);

impl Log for Discreet {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let module = metadata.target().split("::").next().unwrap_or_default();
        let discreet = metadata.level() <= Level::Info || !TALKATIVE.contains(&module);
        discreet && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Starts logging to standard error: what `RUST_LOG` asks for, and panics.
pub fn start_logging(settings: &Settings) {
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(&settings.log);
    if settings.access_log == AccessLog::Off {
        builder.filter_module(TARGET, LevelFilter::Warn);
    }
    let logger = builder.build();
    let level = logger.filter();
    if log::set_boxed_logger(Box::new(Discreet(logger))).is_ok() {
        log::set_max_level(level);
    }
    log_panics();
}

/// The middleware: gives the request an id, and logs how it was answered.
pub(super) async fn log_request<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let started = Instant::now();
    let id = request_id(&request);
    let method = method_of(&request);
    let mut response = next.call(request).await?;
    let failed = response.status().is_server_error();
    let level = if failed { Level::Error } else { Level::Info };
    if log::log_enabled!(target: TARGET, level) {
        let route = response.request().match_pattern();
        let route = route.map_or_else(|| unmatched(&response), Cow::Owned);
        let status = response.status().as_u16();
        let millis = started.elapsed().as_secs_f64() * 1000.0;
        let rejected = rejected(&response);
        let ip = client_ip(response.request()).map(|ip| format!(" ip={ip}"));
        let ip = ip.unwrap_or_default();
        log::log!(
            target: TARGET,
            level,
            "{method} {route} {status} {millis:.1}ms id={id}{ip}{rejected}"
        );
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    Ok(response)
}

/// A stranger can write anything there, a token too.
fn method_of(request: &ServiceRequest) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
    ];
    let method = request.method().as_str();
    let known = KNOWN.into_iter().find(|known| *known == method);
    known.unwrap_or("(an unknown method)")
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

/// What a rejection says to the client, and what it says only here.
fn rejected<B>(response: &ServiceResponse<B>) -> String {
    let Some(error) = response.response().error() else {
        return String::new();
    };
    let Some(rejection) = error.as_error::<Rejection>() else {
        return format!(" cause={:?}", error.to_string());
    };
    let cause = rejection.cause().map(|cause| format!(" cause={cause:?}"));
    format!(" code={}{}", rejection.code(), cause.unwrap_or_default())
}
