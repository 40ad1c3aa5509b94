//! Reads the header `traceparent` of W3C Trace Context (<https://www.w3.org/TR/trace-context/>), by
//! which a caller names the trace that a request belongs to.

use std::fmt;

use actix_web::http::header::{HeaderMap, HeaderName};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The span of the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TraceParent {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    /// Whether the caller may have recorded its span.
    pub(super) is_sampled: bool,
}

/// An identifier of a trace. Never zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceId(pub(super) u128);

/// An identifier of a span. Never zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SpanId(pub(super) u64);

impl TraceParent {
    /// Returns the caller's span. `None` if there is no header, or an invalid one, which the
    /// specification wants to be ignored (section 2.2).
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT);
        let value = values.next()?;
        // Several headers are as invalid as one with several values.
        match values.next() {
            None => Self::parse(value.as_bytes()),
            Some(_) => None,
        }
    }

    /// Parses a value: `version-trace_id-parent_id-flags`, in lower-case hexadecimal digits
    /// (section 3.2.2).
    fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(KNOWN_LENGTH)?;
        let [version, trace_id, span_id, flags] = parts(known)?;
        let is_complete = match version {
            0 => rest.is_empty(),
            0xFF => false,
            // A later version may add parts (section 3.2.3).
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        (is_complete && trace_id != 0 && span_id != 0).then_some(Self {
            trace_id: TraceId(trace_id),
            span_id: SpanId(u64::try_from(span_id).ok()?),
            is_sampled: flags & 1 == 1,
        })
    }
}

/// Length of the parts that all versions have, in bytes.
const KNOWN_LENGTH: usize = 55;

fn parts(text: &[u8]) -> Option<[u128; 4]> {
    let mut parts = text.split(|byte| *byte == b'-');
    let mut next = |digits| hexadecimal(parts.next()?, digits);
    let known = [next(2)?, next(32)?, next(16)?, next(2)?];
    parts.next().is_none().then_some(known)
}

/// Returns the value of so many lower-case hexadecimal digits. A sign or an upper-case letter is
/// none.
fn hexadecimal(text: &[u8], digits: usize) -> Option<u128> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != digits || !text.iter().all(is_digit) {
        return None;
    }
    u128::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_valid_header_names_the_trace_the_span_and_whether_it_is_sampled() {
        for (flags, is_sampled) in [("01", true), ("00", false), ("ff", true), ("02", false)] {
            let parent = TraceParent::parse(format!("00-{TRACE}-{SPAN}-{flags}").as_bytes());
            let parent = parent.unwrap();
            assert_eq!(parent.trace_id.to_string(), TRACE);
            assert_eq!(parent.span_id.to_string(), SPAN);
            assert_eq!(parent.is_sampled, is_sampled, "{flags}");
        }
    }

    #[test]
    fn a_later_version_may_have_more_parts() {
        for value in [
            format!("01-{TRACE}-{SPAN}-01"),
            format!("cc-{TRACE}-{SPAN}-01-more-of-it"),
            format!("fe-{TRACE}-{SPAN}-01-"),
        ] {
            assert!(TraceParent::parse(value.as_bytes()).is_some(), "{value}");
        }
    }

    #[test]
    fn anything_else_is_ignored() {
        let upper = TRACE.to_uppercase();
        for value in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-0x"),
            format!("00-{TRACE}-{SPAN}-+1"),
            format!("00-{TRACE}-{SPAN}-01 "),
            format!("00-{TRACE}-{SPAN}_01"),
            format!("00-{upper}-{SPAN}-01"),
            format!("0-0{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}{SPAN}--01-"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("cc-{TRACE}-{SPAN}-01.more"),
            format!("01-{TRACE}-{SPAN}-011"),
        ] {
            assert_eq!(TraceParent::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn two_headers_are_as_invalid_as_none() {
        let value = HeaderValue::try_from(format!("00-{TRACE}-{SPAN}-01")).unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(TraceParent::of(&headers), None);
        headers.append(TRACEPARENT, value.clone());
        assert!(TraceParent::of(&headers).is_some());
        headers.append(TRACEPARENT, value);
        assert_eq!(TraceParent::of(&headers), None);
    }
}
