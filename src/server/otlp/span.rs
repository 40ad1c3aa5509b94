//! Defines the span of a request, by the semantic conventions for HTTP servers
//! (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>). It holds no path, query, user
//! or address, unlike those of usual instrumentations: `/admin/users/{id}` is all it tells of a user.

use std::str::FromStr;

use actix_web::dev::{ServiceRequest, ServiceResponse};
use opentelemetry::trace::{Span as _, SpanId as OtelSpanId, TraceId as OtelTraceId};
use opentelemetry::trace::{
    SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceFlags, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::Span;

use super::tracer;
use crate::server::request_line::{Refusal, TraceIds};
use crate::server::trace_context::{SpanId, TraceId, TraceParent};

/// The span of a request. If its request is dropped, it ends too.
pub(in crate::server) struct ServerSpan(Span);

impl ServerSpan {
    /// Begins the span of a request. `None` without a collector, and for health checks, which would
    /// hide other requests.
    pub(in crate::server) fn begin(
        request: &ServiceRequest,
        parent: Option<&TraceParent>,
    ) -> Option<Self> {
        let tracer = tracer()?;
        if matches!(request.path(), "/health/live" | "/health/ready") {
            return None;
        }
        let context = match parent {
            Some(parent) => {
                let caller = caller(request, parent);
                Context::new().with_remote_span_context(caller)
            }
            None => Context::new(),
        };
        // A request that is dropped has no route yet.
        let builder = SpanBuilder::from_name("HTTP").with_kind(SpanKind::Server);
        Some(Self(tracer.build_with_context(builder, &context)))
    }

    /// Returns the ids for the log.
    pub(in crate::server) fn ids(&self) -> Option<TraceIds> {
        let context = self.0.span_context();
        context.is_valid().then(|| TraceIds {
            trace_id: TraceId(u128::from_be_bytes(context.trace_id().to_bytes())),
            span_id: SpanId(u64::from_be_bytes(context.span_id().to_bytes())),
        })
    }

    /// Ends the span with its response. `method` is a known one.
    pub(in crate::server) fn end(
        mut self,
        method: Option<&'static str>,
        response: &ServiceResponse,
    ) {
        let span = &mut self.0;
        if !span.is_recording() {
            return;
        }
        let name = method.unwrap_or("HTTP");
        let route = response.request().match_pattern();
        match &route {
            Some(route) => span.update_name(format!("{name} {route}")),
            None => span.update_name(name),
        }
        let status = response.status();
        let code = i64::from(status.as_u16());
        span.set_attribute(KeyValue::new(
            "http.request.method",
            method.unwrap_or("_OTHER"),
        ));
        span.set_attribute(KeyValue::new("http.response.status_code", code));
        if let Some(route) = route {
            span.set_attribute(KeyValue::new("http.route", route));
        }
        if let Some(code) = Refusal::of(response).code() {
            span.set_attribute(KeyValue::new("tokenpair.code", code));
        }
        if status.is_server_error() {
            span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

fn caller(request: &ServiceRequest, parent: &TraceParent) -> SpanContext {
    let flags = TraceFlags::NOT_SAMPLED.with_sampled(parent.is_sampled);
    SpanContext::new(
        OtelTraceId::from_bytes(parent.trace_id.0.to_be_bytes()),
        OtelSpanId::from_bytes(parent.span_id.0.to_be_bytes()),
        flags,
        true,
        trace_state(request).unwrap_or_default(),
    )
}

/// Returns what other tracing systems say of the trace, which the span passes on to the collector.
/// An invalid or long one is ignored, as the specification allows (sections 3.3.1.5 and 3.3.2).
fn trace_state(request: &ServiceRequest) -> Option<TraceState> {
    let headers = request.headers().get_all("tracestate");
    let parts: Result<Vec<&str>, _> = headers.map(|part| part.to_str()).collect();
    let text = parts.ok()?.join(",");
    let is_short = text.len() <= STATE_LIMIT && text.split(',').count() <= STATE_MEMBERS;
    // The parser takes a member without a name.
    let is_named = text
        .split(',')
        .all(|member| !member.trim().starts_with('='));
    TraceState::from_str(&text)
        .ok()
        .filter(|_| is_short && is_named)
}

/// The longest `tracestate` that has to be passed on, in characters.
const STATE_LIMIT: usize = 512;

const STATE_MEMBERS: usize = 32;
