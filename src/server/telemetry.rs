//! Implements logging: one line per request, with a request id that the client gets too, and
//! without secrets.

use std::borrow::Cow;
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use anstream::AutoStream;
use env_logger::Target;
use log::{Level, LevelFilter, Log, Metadata, Record};
use memchr::memmem;
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::log_writer::LogWriter;
#[cfg(feature = "otlp")]
use super::otlp::ServerSpan;
use super::panics::log_panics;
use super::request_line::{Place, Refusal, RequestLine, TraceIds};
use super::trace_context::{SpanId, TraceParent};
use super::{admission, json_line, response_headers, text_line};
use crate::config::{AccessLog, LogFormat, Settings};
use crate::printable::printable_lines;
use tokenpair::web::{Rejection, client_ip};

/// The log target of requests. `RUST_LOG=tokenpair::request=warn` logs only requests that fail with
/// a 5xx.
const TARGET: &str = "tokenpair::request";

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Modules that may log the content of requests or connections below `info`.
const VERBOSE: [&str; 10] = [
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

/// Whether the log is JSON, which the line of a request depends on.
static IS_JSON: AtomicBool = AtomicBool::new(false);

fn format() -> LogFormat {
    if IS_JSON.load(Ordering::Relaxed) {
        LogFormat::Json
    } else {
        LogFormat::Text
    }
}

/// A logger that drops their lines below `info`, even if `RUST_LOG` asks for them.
struct FilteredLogger {
    logger: env_logger::Logger,
    /// The buffer of lines. `None` if its thread could not be started.
    lines: Option<LogWriter>,
    /// Whether standard error is a terminal, where no line is delayed.
    is_terminal: bool,
}

impl Log for FilteredLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let module = || metadata.target().split("::").next().unwrap_or_default();
        let filtered = metadata.level() <= Level::Info || !VERBOSE.contains(&module());
        filtered && self.logger.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match record.target() {
            // Request lines escape each part when they are built.
            TARGET => self.logger.log(record),
            // JSON escapes each part when the line is written.
            _ if format() == LogFormat::Json => self.logger.log(record),
            _ => self.log_escaped(record),
        }
        let of_request = record.target() == TARGET && record.level() >= Level::Info;
        if let Some(lines) = self
            .lines
            .as_ref()
            .filter(|_| self.is_terminal || !of_request)
        {
            lines.flush_now();
        }
    }

    fn flush(&self) {
        if let Some(lines) = &self.lines {
            lines.finish();
        }
    }
}

impl FilteredLogger {
    /// Logs a record with control characters escaped, since clients' input may be in it and
    /// terminals show it.
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

/// Starts logging to standard error in this format: the lines that `RUST_LOG` selects, and panics.
/// Lines are buffered. `log::logger().flush()` writes them and waits at most a second.
pub fn start_logging(settings: &Settings, format: LogFormat) {
    IS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(&settings.log);
    if settings.access_log == AccessLog::Off {
        builder.filter_module(TARGET, LevelFilter::Warn);
    }
    // The request's line has the cause, with the request's id.
    builder.filter_module(Rejection::LOG_TARGET, LevelFilter::Off);
    match format {
        LogFormat::Text => builder.format(text_line::write),
        LogFormat::Json => {
            builder.format(|out, record| out.write_all(json_line::of_record(record).as_bytes()))
        }
    };
    let lines = LogWriter::start(format).ok();
    if let Some(lines) = lines.clone() {
        builder.target(Target::Pipe(Box::new(lines)));
        builder.write_style(AutoStream::choice(&io::stderr()).into());
    }
    let logger = builder.build();
    let level = logger.filter();
    let filtered = FilteredLogger {
        logger,
        lines,
        is_terminal: io::stderr().is_terminal(),
    };
    if log::set_boxed_logger(Box::new(filtered)).is_ok() {
        log::set_max_level(level);
    }
    log_panics();
}

/// Returns an error as the line of JSON that reports it, for a server that cannot start.
pub fn json_error(message: &str) -> String {
    json_line::of_message(Level::Error, "tokenpair", message)
}

/// The log line of a request, begun when the request arrives.
pub(super) struct Line {
    started: Instant,
    /// As it was sent: `/forward-auth` sees another one.
    method: Option<&'static str>,
    id: HeaderValue,
    trace: Option<TraceIds>,
    #[cfg(feature = "otlp")]
    span: Option<ServerSpan>,
}

impl Line {
    /// Begins a line and assigns the request id.
    pub(super) fn begin(request: &ServiceRequest) -> Self {
        let parent = TraceParent::of(request.headers());
        #[cfg(feature = "otlp")]
        let span = ServerSpan::begin(request, parent.as_ref());
        #[cfg(feature = "otlp")]
        let trace = span.as_ref().and_then(ServerSpan::ids);
        #[cfg(not(feature = "otlp"))]
        let trace = None;
        Self {
            started: Instant::now(),
            method: method_of(request.method()),
            id: request_id(request),
            trace: trace.or_else(|| parent.map(child_of)),
            #[cfg(feature = "otlp")]
            span,
        }
    }

    /// Logs the response and adds the id to its headers.
    pub(super) fn end(self, response: &mut ServiceResponse) {
        let level = level_of(response);
        if log::log_enabled!(target: TARGET, level) {
            self.log(level, response);
        }
        #[cfg(feature = "otlp")]
        if let Some(span) = self.span {
            span.end(self.method, response);
        }
        response_headers::set(response.headers_mut(), X_REQUEST_ID, self.id);
    }

    fn log(&self, level: Level, response: &ServiceResponse) {
        let route = response.request().match_pattern();
        let line = RequestLine {
            format: format(),
            method: self.method.unwrap_or("(an unknown method)"),
            place: match &route {
                Some(route) => Place::Route(route),
                None => Place::Path(unmatched(response)),
            },
            status: response.status(),
            elapsed: self.started.elapsed(),
            id: self.id.to_str().unwrap_or_default(),
            trace: self.trace,
            ip: client_ip(response.request()),
            refusal: Refusal::of(response),
        };
        let mut record = Record::builder();
        record.level(level).target(TARGET).key_values(&line);
        let args = format_args!("{line}");
        log::logger().log(&record.args(args).build());
    }
}

/// Returns the ids of this server's part of a trace, which no exporter has given any.
fn child_of(parent: TraceParent) -> TraceIds {
    TraceIds {
        trace_id: parent.trace_id,
        // A random one is zero, which is invalid, once in centuries.
        span_id: SpanId(RandomState::new().hash_one(0_u8).max(1)),
    }
}

/// Returns the level of a request's line. Health checks are logged at debug even if they fail,
/// since `readiness` reports changes.
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

/// Returns the method, if it is a known one. A client can send anything here, even a token.
fn method_of(method: &Method) -> Option<&'static str> {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
    ];
    KNOWN.into_iter().find(|known| *known == method.as_str())
}

/// Returns the request id: the client's, if it is short and plain, to match a proxy's log, or a new
/// one.
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

/// Returns a unique UUID. It need not be unpredictable, so it needs no system randomness.
fn new_id() -> HeaderValue {
    let [high, low] = IDS.get();
    IDS.set([high, low].map(|half| half.wrapping_add(STEP)));
    let random = u128::from(mixed(high)) << 64 | u128::from(mixed(low));
    let id = uuid::Builder::from_random_bytes(random.to_ne_bytes()).into_uuid();
    let mut text = Uuid::encode_buffer();
    let text = id.hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("none"))
}

thread_local! {
    /// The states of two SplitMix64 generators (Steele, Lea, Flood, 2014), whose numbers do not repeat.
    static IDS: Cell<[u64; 2]> = {
        let keys = RandomState::new();
        Cell::new([0, 1].map(|half: u8| keys.hash_one(half)))
    };
}

/// The step of the generators.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Returns the number of a state. Each state has another one.
const fn mixed(state: u64) -> u64 {
    let once = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let twice = (once ^ (once >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    twice ^ (twice >> 31)
}

/// Returns the path of an unknown route: escaped, short, and omitted if it may hold a token. Never
/// returns the query.
fn unmatched(response: &ServiceResponse) -> Cow<'static, str> {
    let path = response.request().path();
    if looks_secret(path) {
        return Cow::Borrowed("(a path with a token in it)");
    }
    Cow::Owned(short(path))
}

/// Returns a client's text for the log: escaped, at most 100 characters, and omitted if it may hold
/// a token.
pub(super) fn short(text: &str) -> String {
    if looks_secret(text) {
        return "(a token?)".to_owned();
    }
    let short: String = text.chars().take(100).collect();
    short.escape_default().to_string()
}

/// Beginnings of secrets. Every JWT begins with `{"`, which is `eyJ` in base64; then the secrets of
/// clients and of the webhook.
const SECRETS: [&[u8]; 3] = [b"eyJ", b"tpc_", b"whsec_"];

/// Returns whether a text holds the beginning of a secret, as it is or percent-encoded.
fn looks_secret(text: &str) -> bool {
    let decoded: Cow<'_, [u8]> = percent_decode_str(text).into();
    SECRETS
        .iter()
        .any(|beginning| memmem::find(&decoded, beginning).is_some())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use uuid::Uuid;

    use super::new_id;

    #[test]
    fn each_request_has_a_uuid_of_its_own_on_whatever_thread() {
        let threads = [(); 4].map(|()| thread::spawn(|| [(); 1_000].map(|()| new_id())));
        let ids = threads.map(|thread| thread.join().unwrap());
        let ids: HashSet<Uuid> = ids
            .iter()
            .flatten()
            .map(|id| Uuid::parse_str(id.to_str().unwrap()).unwrap())
            .collect();
        assert_eq!(ids.len(), 4_000);
        assert!(ids.iter().all(|id| id.get_version_num() == 4));
    }
}
