//! Recognizes the errors that actix-http sends by itself, before this program sees the request: a
//! status without a body. They become JSON like every other error.

use actix_web::ResponseError;
use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};

use super::error_code::ServerErrorCode;
use super::error_responses::plain_rejection;
use super::response_headers::{HeaderDefaults, add_defaults};
use tokenpair::web::Rejection;

/// The head of an error that actix-http sent by itself. It is the last response on its connection.
pub(super) struct Bare<'a> {
    status: StatusCode,
    lines: &'a str,
}

/// Splits off the bare error at the end of bytes to be sent, if there is one.
///
/// Every other response has a header that a bare error lacks, and no body ends with an empty line.
pub(super) fn split(bytes: &[u8]) -> (&[u8], Option<Bare<'_>>) {
    const NONE: Option<Bare<'_>> = None;
    if !bytes.ends_with(b"\r\n\r\n") {
        return (bytes, NONE);
    }
    let begin = memchr::memmem::rfind(bytes, b"HTTP/1.");
    let parts = begin.and_then(|begin| bytes.split_at_checked(begin));
    match parts.and_then(|(before, head)| Some((before, Bare::parse(head)?))) {
        Some((before, bare)) => (before, Some(bare)),
        None => (bytes, NONE),
    }
}

impl<'a> Bare<'a> {
    fn parse(head: &'a [u8]) -> Option<Self> {
        let lines = std::str::from_utf8(head).ok()?.strip_suffix("\r\n\r\n")?;
        let mut each = lines.split("\r\n");
        let status = each.next()?.split(' ').nth(1)?.parse().ok()?;
        let status = StatusCode::from_u16(status).ok()?;
        let bare = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => value == "0",
                "connection" | "date" => true,
                _ => false,
            }
        };
        let is_error = status.is_client_error() || status.is_server_error();
        (is_error && each.all(bare)).then_some(Self { status, lines })
    }

    /// Returns the response with all headers and a JSON body.
    pub(super) fn in_full(&self, edge: HeaderDefaults) -> Vec<u8> {
        let mut each = self.lines.split("\r\n");
        let first = each.next().unwrap_or_default();
        let is_date = |line: &&str| {
            line.get(..5)
                .is_some_and(|name| name.eq_ignore_ascii_case("date:"))
        };
        full(first, each.find(is_date), self.status, edge)
    }
}

/// Returns the response to a slow head, for which actix-http has no response.
pub(super) fn head_too_slow(edge: HeaderDefaults) -> Vec<u8> {
    full(
        "HTTP/1.1 408 Request Timeout",
        None,
        StatusCode::REQUEST_TIMEOUT,
        edge,
    )
}

fn full(first: &str, date: Option<&str>, status: StatusCode, edge: HeaderDefaults) -> Vec<u8> {
    let mut response = rejection(status).error_response();
    add_defaults(response.headers_mut(), Some(edge));
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    let (head, body) = response.into_parts();
    let body = body.try_into_bytes().unwrap_or_default();
    let mut answer = first.as_bytes().to_vec();
    for (name, value) in head.headers() {
        answer.extend([b"\r\n", name.as_str().as_bytes(), b": ", value.as_bytes()].concat());
    }
    let date = date.map(|date| format!("\r\n{date}")).unwrap_or_default();
    let length = format!("{date}\r\n{CONTENT_LENGTH}: {}\r\n\r\n", body.len());
    answer.extend(length.as_bytes());
    answer.extend(body);
    answer
}

fn rejection(status: StatusCode) -> Rejection {
    match status {
        StatusCode::REQUEST_TIMEOUT => {
            Rejection::from(ServerErrorCode::HeadTooSlow)
                .hint("Send the request line and all headers at once.")
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            Rejection::from(ServerErrorCode::HeadTooLarge)
                .hint("Send at most 96 headers of 128 KiB together. Delete this site's cookies if there are many.")
        }
        StatusCode::BAD_REQUEST => {
            Rejection::from(ServerErrorCode::BadRequest).msg("The request is not valid HTTP/1.1").hint(
                "Send one Host header, no conflicting lengths, and each header on one line, as in Name: value, without control \
                 characters. A POST over HTTP/1.0 needs a Content-Length: behind nginx, set proxy_http_version 1.1.",
            )
        }
        status => plain_rejection(status),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;

    use super::{head_too_slow, split};
    use crate::server::response_headers::HeaderDefaults;

    const EDGE: HeaderDefaults = HeaderDefaults {
        hsts: false,
        cors: false,
    };

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: Sun, 29 Nov 2026 00:00:00 GMT\r\n\r\n";

    fn bare(bytes: &str) -> Option<(&str, StatusCode)> {
        let (before, bare) = split(bytes.as_bytes());
        Some((std::str::from_utf8(before).unwrap(), bare?.status))
    }

    #[test]
    fn a_bare_answer_is_recognized_behind_whatever_waits_before_it() {
        let body = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let empty = "HTTP/1.1 303 See Other\r\ncontent-length: 0\r\nlocation: /\r\n\r\n";
        for before in ["", body, empty] {
            let bytes = format!("{before}{BARE}");
            assert_eq!(bare(&bytes), Some((before, StatusCode::BAD_REQUEST)));
        }
        let timeout = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(bare(timeout), Some(("", StatusCode::REQUEST_TIMEOUT)));
    }

    #[test]
    fn an_answer_of_ours_is_left_alone() {
        for ours in [
            "",
            "\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 40\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ncache-control: no-store\r\n\r\n",
            "{\"msg\":\"HTTP/1.1 400 Bad Request\\r\\n\\r\\n\"}",
            "ut-off: x\r\n\r\n",
        ] {
            assert_eq!(bare(ours), None, "{ours:?}");
        }
    }

    #[test]
    fn the_full_answer_has_the_status_line_and_the_date_of_the_bare_one() {
        let full = split(BARE.as_bytes()).1.unwrap().in_full(EDGE);
        let full = String::from_utf8(full).unwrap();
        assert!(full.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{full}");
        assert_eq!(
            full.matches("\r\ndate: Sun, 29 Nov 2026").count(),
            1,
            "{full}"
        );
        assert_eq!(full.matches("content-length").count(), 1, "{full}");
        let slow = String::from_utf8(head_too_slow(EDGE)).unwrap();
        assert!(slow.ends_with('}'), "{slow}");
    }
}
