//! Logs: one line a request, with a request id that the client sees too, and nothing secret in it.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IsTerminal};
use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use anstream::AutoStream;
use env_logger::Target;
use log::{Level, LevelFilter, Log, Metadata, Record};
use uuid::Uuid;

use super::admission;
use super::log_writer::LogWriter;
use super::panics::log_panics;
use crate::printable::printable_lines;
use crate::settings::{AccessLog, Settings};
use tokenpair::web::{Rejection, client_ip};

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
struct Discreet {
    logger: env_logger::Logger,
    /// The buffer of lines; none if its thread could not be started.
    lines: Option<LogWriter>,
    /// Standard error is a terminal, where no line should wait.
    watched: bool,
}

impl Log for Discreet {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let module = || metadata.target().split("::").next().unwrap_or_default();
        let discreet = metadata.level() <= Level::Info || !TALKATIVE.contains(&module());
        discreet && self.logger.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match record.target() {
            // Of these each part is checked where it is written.
            TARGET => self.logger.log(record),
            _ => self.log_escaped(record),
        }
        let of_request = record.target() == TARGET && record.level() >= Level::Info;
        if let Some(lines) = self.lines.as_ref().filter(|_| self.watched || !of_request) {
            lines.hurry();
        }
    }

    fn flush(&self) {
        if let Some(lines) = &self.lines {
            lines.finish();
        }
    }
}

impl Discreet {
    /// What strangers wrote may be in it, and lines are read on terminals.
    fn log_escaped(&self, record: &Record<'_>) {
        let text = printable_lines(&record.args().to_string());
        let mut escaped = Record::builder();
        escaped
            .metadata(record.metadata().clone())
            .module_path(record.module_path())
            .file(record.file())
            .line(record.line());
        let args = format_args!("{text}");
        self.logger.log(&escaped.args(args).build());
    }
}

/// Starts logging to standard error: what `RUST_LOG` asks for, and panics. Lines are buffered until
/// `log::logger().flush()`, which waits at most a second for them to be read.
pub fn start_logging(settings: &Settings) {
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(&settings.log);
    if settings.access_log == AccessLog::Off {
        builder.filter_module(TARGET, LevelFilter::Warn);
    }
    let lines = LogWriter::start().ok();
    if let Some(lines) = lines.clone() {
        builder.target(Target::Pipe(Box::new(lines)));
        builder.write_style(AutoStream::choice(&io::stderr()).into());
    }
    let logger = builder.build();
    let level = logger.filter();
    let discreet = Discreet {
        logger,
        lines,
        watched: io::stderr().is_terminal(),
    };
    if log::set_boxed_logger(Box::new(discreet)).is_ok() {
        log::set_max_level(level);
    }
    log_panics();
}

/// What the log will say of a request, begun when it came.
pub(super) struct Line {
    started: Instant,
    id: HeaderValue,
}

impl Line {
    /// Gives the request an id.
    pub(super) fn begin(request: &ServiceRequest) -> Self {
        Self {
            started: Instant::now(),
            id: request_id(request),
        }
    }

    /// Logs how it was answered, and tells the client its id.
    pub(super) fn end(self, response: &mut ServiceResponse) {
        let level = level_of(response);
        if log::log_enabled!(target: TARGET, level) {
            self.log(level, response);
        }
        response.headers_mut().insert(X_REQUEST_ID, self.id);
    }

    fn log(&self, level: Level, response: &ServiceResponse) {
        let method = method_of(response.request());
        let route = response.request().match_pattern();
        let route = route.map_or_else(|| unmatched(response), Cow::Owned);
        let status = response.status().as_u16();
        let millis = self.started.elapsed().as_secs_f64() * 1000.0;
        let id = self.id.to_str().unwrap_or_default();
        let rejected = rejected(response);
        let ip = client_ip(response.request()).map(|ip| format!(" ip={ip}"));
        let ip = ip.unwrap_or_default();
        log::log!(
            target: TARGET,
            level,
            "{method} {route} {status} {millis:.1}ms id={id}{ip}{rejected}"
        );
    }
}

/// Returns the level of a request's line. Health checks are at debug even when they fail, since `readiness` reports changes.
fn level_of(response: &ServiceResponse) -> Level {
    let status = response.status();
    let expected = status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE;
    let path = response.request().path();
    if expected && matches!(path, "/health/live" | "/health/ready") {
        Level::Debug
    } else if status.is_server_error() && !admission::has_refused(response) {
        Level::Error
    } else {
        Level::Info
    }
}

/// A stranger can write anything there, a token too.
fn method_of(request: &HttpRequest) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
    ];
    let method = request.method().as_str();
    let known = KNOWN.into_iter().find(|known| *known == method);
    known.unwrap_or("(an unknown method)")
}

/// The caller's, if it is short and plain, so that a proxy's log and ours can be read together.
fn request_id(request: &ServiceRequest) -> HeaderValue {
    let plain = |id: &str| {
        (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given = request.headers().get(X_REQUEST_ID);
    let fine = |id: &&HeaderValue| id.to_str().is_ok_and(|id| plain(id) && !looks_secret(id));
    given.filter(fine).cloned().unwrap_or_else(new_id)
}

/// A UUID that nobody else has; nothing hangs on that it could be guessed, so the system is not asked for randomness.
fn new_id() -> HeaderValue {
    let keys = RandomState::new();
    let [one, other] = [0, 1].map(|half: u8| keys.hash_one(half).to_ne_bytes());
    let mut random = [0; 16];
    let (first, second) = random.split_at_mut(8);
    first.copy_from_slice(&one);
    second.copy_from_slice(&other);
    let id = uuid::Builder::from_random_bytes(random).into_uuid();
    let mut text = Uuid::encode_buffer();
    let text = id.hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("none"))
}

/// A path that no route has: escaped, short, and left out if someone put a token into it. Never the query.
fn unmatched(response: &ServiceResponse) -> Cow<'static, str> {
    let path = response.request().path();
    if looks_secret(path) {
        return Cow::Borrowed("(a path with a token in it)");
    }
    Cow::Owned(short(path))
}

/// What a stranger wrote, for people to read: escaped, at most 100 characters of it, and nothing if a token may be in it.
pub(super) fn short(text: &str) -> String {
    if looks_secret(text) {
        return "(a token?)".to_owned();
    }
    let short: String = text.chars().take(100).collect();
    short.escape_default().to_string()
}

/// Every JWT begins with `{"`, which is `eyJ` in base64.
fn looks_secret(text: &str) -> bool {
    text.contains("eyJ")
}

/// What a rejection says to the client, and what it says only here.
fn rejected(response: &ServiceResponse) -> String {
    let Some(error) = response.response().error() else {
        return String::new();
    };
    let Some(rejection) = error.as_error::<Rejection>() else {
        return format!(" cause={:?}", error.to_string());
    };
    let cause = rejection.cause().map(|cause| format!(" cause={cause:?}"));
    format!(" code={}{}", rejection.code(), cause.unwrap_or_default())
}
