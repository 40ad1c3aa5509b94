//! Sends requests written byte for byte, as no careful client would send them, and reads the
//! responses.

use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header line: the same name may be repeated.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Adds a cookie to the client's only `Cookie` line.
    pub(crate) fn cookie(mut self, name: &str, value: &str) -> Self {
        let line = self.headers.iter_mut().find(|(name, _)| name == "Cookie");
        let Some((_, line)) = line else {
            return self.header("Cookie", format!("{name}={value}"));
        };
        line.extend_from_slice(format!("; {name}={value}").as_bytes());
        self
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        let mark = if self.target.contains('?') { '&' } else { '?' };
        self.target = format!("{}{mark}{name}={}", self.target, percent_encoded(value));
        self
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        body.as_ref().clone_into(&mut self.body);
        self.header("Content-Type", content_type)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn send(&self, address: SocketAddr) -> std::io::Result<Response> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&self.bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Response::parse(&answer).ok_or_else(|| {
            let text = String::from_utf8_lossy(&answer).into_owned();
            std::io::Error::other(format!("not an answer: {text:?}"))
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!(
            "{} {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n",
            self.method, self.target
        )
        .into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        let length = format!("Content-Length: {}\r\n\r\n", self.body.len());
        bytes.extend_from_slice(length.as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// For failure messages: tokens are shown decoded.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, readable(&self.target))?;
        for (name, value) in &self.headers {
            let value = readable(&String::from_utf8_lossy(value));
            write!(f, "\n      {name}: {value}")?;
        }
        if !self.body.is_empty() {
            let body = readable(&String::from_utf8_lossy(&self.body));
            write!(f, "\n      {body}")?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    fn parse(answer: &[u8]) -> Option<Self> {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
        let (head, body) = answer.split_at(end);
        let head = String::from_utf8_lossy(head).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Self {
            status,
            headers,
            body: String::from_utf8_lossy(&body[4..]).into_owned(),
        })
    }

    /// Returns the values of all header lines with this name, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }

    pub(crate) fn is_failure_of_the_server(&self) -> bool {
        self.status >= 500
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body: String = readable(&self.body).chars().take(400).collect();
        write!(f, "{} {}", self.status, body.trim_end())?;
        for cookie in self.all("set-cookie") {
            write!(f, "\n      Set-Cookie: {}", readable(cookie))?;
        }
        Ok(())
    }
}

/// Returns the text with each token in it replaced by its header and its claims.
fn readable(text: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.split_inclusive(|c| !is_token(c))
        .map(|word| {
            let token = word.trim_end_matches(|c| !is_token(c));
            match shown(token) {
                Some(shown) => format!("{shown}{}", &word[token.len()..]),
                None => word.to_owned(),
            }
        })
        .collect()
}

fn shown(token: &str) -> Option<String> {
    let (header, rest) = token.split_once('.')?;
    let (payload, signature) = rest.rsplit_once('.')?;
    let part = |segment: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(segment).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let end: String = signature.chars().take(6).collect();
    Some(format!("<{}.{}.{end}>", part(header)?, part(payload)?))
}

/// Encodes `application/x-www-form-urlencoded`, for a query string or a form.
pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
