//! Checks what proxies do to responses: caching, compression, and headers that get lost.

use super::{ACCOUNT, Findings, Look};
use crate::cli::doctor::exchange::{Request, Response};
use crate::cli::doctor::report::Finding;
use crate::command::command;

/// The headers of a response without a token.
const HEADERS: [&str; 6] = [
    "Cache-Control",
    "Content-Security-Policy",
    "Cross-Origin-Resource-Policy",
    "Referrer-Policy",
    "WWW-Authenticate",
    "X-Content-Type-Options",
];

/// Another header, which the description of the server names if it has it.
const REQUEST_ID: &str = "X-Request-Id";

pub(super) fn ready(look: &Look<'_>) -> Findings {
    const NAME: &str = "ready";
    let response = look.send(&Request::new("GET", "/health/ready"))?;
    Ok(match response.status {
        200 => vec![Finding::ok(
            NAME,
            "The server takes requests, and its database takes writes.",
        )],
        503 => vec![Finding::problem(
            NAME,
            format!("The server is not ready: {}.", response.named()),
            format!(
                "Run {}, which prints the reason, or read the server's log.",
                command(&format!(
                    "healthcheck {}",
                    look.probe.target.address("/health/ready")
                ))
            ),
        )],
        // Some proxies do not pass this path on.
        _ => Vec::new(),
    })
}

pub(super) fn headers(look: &Look<'_>) -> Findings {
    const NAME: &str = "response_headers";
    let request_id = look.described.request_id.then_some(REQUEST_ID);
    let lost = HEADERS.into_iter().chain(request_id);
    let lost = lost.filter(|name| look.rejected.header(name).is_none());
    let lost: Vec<&str> = lost.collect();
    Ok(vec![if lost.is_empty() {
        Finding::ok(NAME, "All headers of the server arrive.")
    } else {
        Finding::problem(
            NAME,
            format!(
                "Headers that the server sends do not arrive: {}.",
                lost.join(", ")
            ),
            "Remove the proxy's line that deletes them (nginx: proxy_hide_header; HAProxy: http-response del-header).",
        )
    }])
}

pub(super) fn cache(look: &Look<'_>) -> Findings {
    const NAME: &str = "cache";
    let fix = "Let the proxy obey Cache-Control: no-store, or never cache this server (nginx: proxy_cache off; without \
               proxy_ignore_headers Cache-Control).";
    let again = look.send(&Request::new("GET", ACCOUNT))?;
    let id = |response: &Response| response.header(REQUEST_ID).map(str::to_owned);
    let is_repeated = id(&again).is_some() && id(&again) == id(&look.rejected);
    let has_age = again.header("Age").is_some() || look.rejected.header("Age").is_some();
    if is_repeated || has_age {
        let text = "A cache answered instead of the server, although the answers are no-store: users would get each other's answers.";
        return Ok(vec![Finding::problem(NAME, text, fix)]);
    }
    let control = look.rejected.header("Cache-Control").unwrap_or_default();
    if !control.to_ascii_lowercase().contains("no-store") {
        let text = "The answer lacks Cache-Control: no-store, which the server sends, so browsers and other caches may keep it.";
        return Ok(vec![Finding::problem(NAME, text, fix)]);
    }
    Ok(vec![Finding::ok(NAME, "No cache answers for the server.")])
}

pub(super) fn compression(look: &Look<'_>) -> Findings {
    const NAME: &str = "compression";
    let fix = "Compress only static files (nginx: gzip off; in the location of this server).";
    let encoded = |response: &Response| {
        let encoding = response.header("Content-Encoding");
        encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"))
    };
    if encoded(&look.rejected) {
        let text = "The answer is compressed although the client did not ask for it, and some clients cannot read it.";
        return Ok(vec![Finding::problem(NAME, text, fix)]);
    }
    // nginx compresses successes, but no 401.
    let request = Request::new("POST", "/logout").header("Accept-Encoding", "gzip, br");
    Ok(vec![if encoded(&look.send(&request)?) {
        let text = "A proxy compresses answers. Their size can then reveal a CSRF value or a token in them (BREACH), and the \
                    server gains nothing: its answers are short.";
        Finding::warning(NAME, text, fix)
    } else {
        Finding::ok(NAME, "No proxy compresses answers.")
    }])
}
