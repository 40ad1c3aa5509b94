//! Implements HTTP/1.1 for `tokenpair doctor`: it sends requests as written and shows responses as
//! they arrived, which HTTP clients do not. Time and sizes are bounded, so a hostile server can
//! neither hang nor fill it.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};

use httparse::{EMPTY_HEADER, Status};
use serde_json::Value;
use thiserror::Error;

use super::report::heard;
use crate::no_answer::{BAD_TLS, BROKEN, NO_TLS, NOT_HTTP, TIMED_OUT, refused};
use tokenpair::clock::{Clock, Timestamp};

/// Maximum size of a response head in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// Maximum number of response headers.
const HEADERS_LIMIT: usize = 128;

/// Maximum size of a response body in bytes. `/openapi.json` is the longest.
const BODY_LIMIT: usize = 1024 * 1024;

/// Maximum number of interim responses (RFC 9110 section 15.2) before a response.
const INTERIM_LIMIT: usize = 4;

/// Why there is no response.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// The host name does not resolve.
    #[error("the name {0} has no address ({1})")]
    NoAddress(String, String),
    /// No program listens there.
    #[error("{}", refused(.0))]
    Refused(SocketAddr),
    /// No connection could be made.
    #[error("cannot connect to {0}: {1}")]
    Connect(SocketAddr, io::Error),
    /// The server did not accept a connection in time.
    #[error("{0} does not answer a connection attempt")]
    NoConnection(SocketAddr),
    /// The answer to a TLS handshake is not TLS.
    #[error("{NO_TLS}")]
    NoTls,
    /// The answer to a plain request is TLS.
    #[error("the answer is TLS, and the request was plain http")]
    OnlyTls,
    /// The TLS handshake failed.
    #[error("{BAD_TLS}: {0}")]
    Tls(String),
    /// The connection broke, or ended early.
    #[error("{BROKEN}: {0}")]
    Broken(io::Error),
    /// The response took too long.
    #[error("{TIMED_OUT}")]
    Timeout,
    /// The response is not HTTP/1.
    #[error("{NOT_HTTP}: {0}")]
    NotHttp(String),
    /// The response head is too large.
    #[error("the response has too many or too large headers")]
    TooLarge,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::Timeout,
            _ => Self::Broken(error),
        }
    }
}

/// A request under construction.
#[derive(Clone, Debug)]
pub(super) struct Request {
    method: &'static str,
    pub(super) route: &'static str,
    headers: Vec<(String, String)>,
    body: Option<String>,
    chunked: bool,
    /// Whether the response may take longer than others, as for a password that is hashed.
    pub(super) is_slow: bool,
}

impl Request {
    pub(super) const fn new(method: &'static str, route: &'static str) -> Self {
        Self {
            method,
            route,
            headers: Vec::new(),
            body: None,
            chunked: false,
            is_slow: false,
        }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn json(self, body: impl Into<String>) -> Self {
        Self {
            body: Some(body.into()),
            ..self.header("Content-Type", "application/json")
        }
    }

    /// Sends the body in chunks, without its length.
    pub(super) fn chunked(self) -> Self {
        Self {
            chunked: true,
            ..self
        }
    }

    /// Waits longer for the response.
    pub(super) fn slow(self) -> Self {
        Self {
            is_slow: true,
            ..self
        }
    }

    /// Returns the bytes to send.
    pub(super) fn bytes(&self, path: &str, host: &str) -> Vec<u8> {
        let mut head = format!("{} {path} HTTP/1.1\r\nHost: {host}\r\n", self.method);
        let mut line = |name: &str, value: &str| {
            // Writing to a `String` cannot fail.
            let _infallible = write!(head, "{name}: {value}\r\n");
        };
        line("User-Agent", "tokenpair-doctor");
        line("Connection", "close");
        if !self.headers.iter().any(|(name, _)| name == "Accept") {
            line("Accept", "application/json");
        }
        for (name, value) in &self.headers {
            line(name, &value.replace(['\r', '\n'], " "));
        }
        let body = self.body.as_deref().unwrap_or_default();
        match (self.chunked, self.method) {
            (true, _) => line("Transfer-Encoding", "chunked"),
            (false, "GET" | "OPTIONS") => {}
            (false, _) => line("Content-Length", &body.len().to_string()),
        }
        head += "\r\n";
        head += &match self.chunked {
            true => format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
            false => body.to_owned(),
        };
        head.into_bytes()
    }
}

/// A response.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) is_http_1_0: bool,
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// When the request was sent and the response had arrived.
    pub(super) between: [Timestamp; 2],
    /// This end of the connection.
    pub(super) local: Option<IpAddr>,
}

impl Response {
    /// Returns the values of all headers of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = move |(found, _): &&(String, String)| found.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .filter(named)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Returns the `code` of tokenpair's error, if the body is one. Another program's text is not
    /// repeated.
    pub(super) fn code(&self) -> Option<String> {
        let body = self.json()?;
        body.get("msg")?.as_str()?;
        let code = body.get("code")?.as_str()?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        ((1..=40).contains(&code.len()) && code.bytes().all(plain)).then(|| code.to_owned())
    }

    pub(super) fn has_code(&self, code: &str) -> bool {
        self.code().as_deref() == Some(code)
    }

    /// Returns whether the server got no body, although the request had one with valid JSON.
    pub(super) fn lacks_body(&self) -> bool {
        self.has_code("missing_json") || self.has_code("malformed_json")
    }

    /// Returns whether a port for https refused plain http, in the words of nginx, Apache and Go.
    pub(super) fn wants_https(&self) -> bool {
        let body = String::from_utf8_lossy(&self.body);
        self.status == 400
            && ["HTTPS", "SSL-enabled"]
                .iter()
                .any(|word| body.contains(word))
    }

    /// Returns whether tokenpair gave this response, and not a proxy in front of it.
    pub(super) fn is_of_tokenpair(&self) -> bool {
        self.names_request() || self.code().is_some()
    }

    /// Returns whether it names its request, as every answer of the program does.
    pub(super) fn names_request(&self) -> bool {
        self.header("X-Request-Id").is_some()
    }

    /// Names the response for a message: its status, and the code if it has one.
    pub(super) fn named(&self) -> String {
        match self.code() {
            Some(code) => heard(format!("{} {code}", self.status)),
            None => heard(self.status),
        }
    }
}

/// Sends the request and reads the response.
pub(super) fn exchange(
    stream: &mut (impl Read + Write),
    request: &[u8],
) -> Result<Response, Failure> {
    let clock = Clock::system();
    let sent = clock.now();
    // A server may respond and close before it has read the whole request.
    let written = stream.write_all(request).and_then(|()| stream.flush());
    let mut buffer = Vec::new();
    let mut response = match read_head(stream, &mut buffer) {
        Ok(response) => response,
        Err(Failure::Broken(error)) => {
            return Err(Failure::from(written.err().unwrap_or(error)));
        }
        Err(failure) => return Err(failure),
    };
    response.body = read_body(stream, buffer, &response)?;
    response.between = [sent, clock.now()];
    Ok(response)
}

fn read_head(stream: &mut impl Read, buffer: &mut Vec<u8>) -> Result<Response, Failure> {
    for _ in 0..=INTERIM_LIMIT {
        let response = loop {
            if let Some(response) = parse_head(buffer)? {
                break response;
            }
            if buffer.len() >= HEAD_LIMIT {
                return Err(Failure::TooLarge);
            }
            if read_more(stream, buffer)? == 0 {
                return Err(Failure::Broken(io::ErrorKind::UnexpectedEof.into()));
            }
        };
        if response.status >= 200 {
            return Ok(response);
        }
    }
    Err(Failure::NotHttp("only interim responses".to_owned()))
}

/// Parses the head at the start of the buffer and removes it. `None` if it is not complete.
fn parse_head(buffer: &mut Vec<u8>) -> Result<Option<Response>, Failure> {
    let mut headers = [EMPTY_HEADER; HEADERS_LIMIT];
    let mut parsed = httparse::Response::new(&mut headers);
    let length = match parsed.parse(buffer) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Failure::TooLarge),
        // An alert record of any version (RFC 8446 section 5.1).
        Err(_) if buffer.starts_with(&[21, 3]) => return Err(Failure::OnlyTls),
        Err(error) => return Err(Failure::NotHttp(error.to_string())),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = parsed.headers.iter();
    let response = Response {
        is_http_1_0: parsed.version == Some(0),
        status: parsed.code.unwrap_or_default(),
        headers: headers
            .map(|header| (header.name.to_owned(), text(header.value)))
            .collect(),
        body: Vec::new(),
        between: [Timestamp::from_unix(0); 2],
        local: None,
    };
    buffer.drain(..length);
    Ok(Some(response))
}

fn read_more(stream: &mut impl Read, buffer: &mut Vec<u8>) -> Result<usize, Failure> {
    let mut piece = [0; 16 * 1024];
    let read = stream.read(&mut piece)?;
    buffer.extend_from_slice(piece.get(..read).unwrap_or_default());
    Ok(read)
}

/// Reads the body, up to the limit. What is past it is not needed.
fn read_body(
    stream: &mut impl Read,
    mut buffer: Vec<u8>,
    head: &Response,
) -> Result<Vec<u8>, Failure> {
    if matches!(head.status, 204 | 304) {
        return Ok(Vec::new());
    }
    let chunked = head.header("Transfer-Encoding").is_some();
    let length = head.header("Content-Length");
    let length = length.and_then(|length| length.trim().parse::<usize>().ok());
    loop {
        let body = match (chunked, length) {
            (true, _) => dechunked(&buffer)?,
            (false, Some(length)) => buffer.get(..length).map(<[u8]>::to_vec),
            (false, None) => None,
        };
        if let Some(body) = body {
            return Ok(body);
        }
        if buffer.len() >= BODY_LIMIT {
            return Ok(Vec::new());
        }
        // TLS reports a connection that ends without goodbye, which is the usual end of a body.
        let read = match read_more(stream, &mut buffer) {
            Err(Failure::Broken(error)) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        if read == 0 {
            return match (chunked, length) {
                (false, None) => Ok(buffer),
                _ => Err(Failure::Broken(io::ErrorKind::UnexpectedEof.into())),
            };
        }
    }
}

/// Returns the body in these chunks (RFC 9112 section 7.1). `None` if they are not complete.
fn dechunked(mut chunks: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    let mut body = Vec::new();
    loop {
        let (head, size) = match httparse::parse_chunk_size(chunks) {
            Ok(Status::Complete(parsed)) => parsed,
            Ok(Status::Partial) => return Ok(None),
            Err(_) => return Err(Failure::NotHttp("a malformed chunk".to_owned())),
        };
        if size == 0 {
            return Ok(Some(body));
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let end = head.saturating_add(size);
        let Some(chunk) = chunks.get(head..end) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        chunks = chunks.get(end.saturating_add(2)..).unwrap_or_default();
    }
}
