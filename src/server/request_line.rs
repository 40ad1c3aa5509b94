//! Defines the log line of a request, as text and as fields.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use log::kv::{Error, Key, Source, Value, VisitSource};

use super::trace_context::{SpanId, TraceId};
use crate::config::LogFormat;
use tokenpair::web::Rejection;

/// A request and its response. It holds no secret: no header, query or body is in it.
pub(super) struct RequestLine<'a> {
    pub(super) format: LogFormat,
    pub(super) method: &'static str,
    pub(super) place: Place<'a>,
    pub(super) status: StatusCode,
    pub(super) elapsed: Duration,
    pub(super) id: &'a str,
    pub(super) trace: Option<TraceIds>,
    pub(super) ip: Option<IpAddr>,
    pub(super) refusal: Refusal,
}

/// The trace of a request, and this server's span in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TraceIds {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
}

/// What a request asked for.
pub(super) enum Place<'a> {
    /// The pattern of a route, such as `/admin/users/{id}`.
    Route(&'a str),
    /// The path where there is no route: short, escaped and without a token.
    Path(Cow<'static, str>),
}

impl Place<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Route(route) => route,
            Self::Path(path) => path,
        }
    }
}

/// The code of an error response, and its cause, which the client does not get.
#[derive(Default)]
pub(super) struct Refusal {
    code: Option<&'static str>,
    cause: Option<String>,
}

impl Refusal {
    pub(super) fn of(response: &ServiceResponse) -> Self {
        let Some(error) = response.response().error() else {
            return Self::default();
        };
        match error.as_error::<Rejection>() {
            None => Self {
                code: None,
                cause: Some(error.to_string()),
            },
            Some(rejection) => Self {
                code: Some(rejection.code()),
                cause: rejection.cause(),
            },
        }
    }

    #[cfg(feature = "otlp")]
    pub(super) const fn code(&self) -> Option<&'static str> {
        self.code
    }
}

impl RequestLine<'_> {
    /// Writes what JSON has in fields.
    fn write_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.elapsed.as_secs_f64() * 1000.0;
        write!(f, " {millis:.1}ms id={}", self.id)?;
        if let Some(trace) = self.trace {
            write!(f, " trace={}", trace.trace_id)?;
        }
        if let Some(ip) = self.ip {
            write!(f, " ip={ip}")?;
        }
        if let Some(code) = &self.refusal.code {
            write!(f, " code={code}")?;
        }
        if let Some(cause) = &self.refusal.cause {
            write!(f, " cause={cause:?}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RequestLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.text();
        write!(f, "{} {place} {}", self.method, self.status.as_u16())?;
        match self.format {
            LogFormat::Text => self.write_rest(f),
            LogFormat::Json => Ok(()),
        }
    }
}

/// Names the fields as OpenTelemetry's semantic conventions do, where they have a name.
impl Source for RequestLine<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        let mut field = |name, value| visitor.visit_pair(Key::from_str(name), value);
        field("http.request.method", Value::from(self.method))?;
        match &self.place {
            Place::Route(route) => field("http.route", Value::from(*route))?,
            Place::Path(path) => field("url.path", Value::from(path.as_ref()))?,
        }
        let status = self.status.as_u16();
        field("http.response.status_code", Value::from(status))?;
        let micros = u32::try_from(self.elapsed.as_micros()).unwrap_or(u32::MAX);
        field("duration_ms", Value::from(f64::from(micros) / 1000.0))?;
        field("request_id", Value::from(self.id))?;
        if let Some(trace) = &self.trace {
            field("trace_id", Value::from_display(&trace.trace_id))?;
            field("span_id", Value::from_display(&trace.span_id))?;
        }
        if let Some(ip) = &self.ip {
            field("client.address", Value::from_display(ip))?;
        }
        if let Some(code) = &self.refusal.code {
            field("code", Value::from(*code))?;
        }
        if let Some(cause) = &self.refusal.cause {
            field("cause", Value::from(cause.as_str()))?;
        }
        Ok(())
    }
}
