//! Checks what proxies do to requests: headers, methods and bodies that get lost.

use super::{ACCOUNT, Findings, Look};
use crate::cli::doctor::exchange::Request;
use crate::cli::doctor::report::{Finding, heard};
use tokenpair::web::ErrorCode;

/// Stands in for a token. Every server rejects it.
const NOT_A_TOKEN: &str = "not-a-token";

/// Size in bytes of a long `Cookie` header. The server's cookies take 1 to 3 KB, and other programs
/// of the host add theirs.
const LONG: usize = 6 * 1024;

pub(super) fn cookie(look: &Look<'_>) -> Findings {
    const NAME: &str = "cookie_header";
    let Some([access, _]) = &look.described.cookies else {
        let text = "The server takes no tokens from cookies (JWT_TOKEN_LOCATION).";
        return Ok(vec![Finding::ok(NAME, text)]);
    };
    let cookie = format!("{access}={NOT_A_TOKEN}");
    let request = Request::new("GET", ACCOUNT).header("Cookie", cookie);
    let response = look.send(&request)?;
    Ok(vec![
        if response.has_code(ErrorCode::MissingToken.as_str()) {
            Finding::problem(
                NAME,
                "The Cookie header does not reach the server, so browsers can log in but are never logged in.",
                "Remove the proxy's line that deletes it (nginx: proxy_set_header Cookie \"\"; HAProxy: http-request del-header Cookie).",
            )
        } else if response.is_of_tokenpair() {
            Finding::ok(NAME, "Cookies reach the server.")
        } else {
            Finding::problem(
                NAME,
                format!(
                    "With a cookie, another program answers: {}.",
                    response.named()
                ),
                "Look in the proxy's configuration for a rule about cookies.",
            )
        },
    ])
}

pub(super) fn authorization(look: &Look<'_>) -> Findings {
    const NAME: &str = "authorization_header";
    if !look.described.bearer {
        let text = "The server takes no tokens from Authorization: Bearer (JWT_TOKEN_LOCATION, JWT_HEADER_NAME).";
        return Ok(vec![Finding::ok(NAME, text)]);
    }
    let bearer = format!("Bearer {NOT_A_TOKEN}");
    let request = Request::new("GET", ACCOUNT).header("Authorization", bearer);
    let response = look.send(&request)?;
    let fix = "nginx: proxy_set_header Authorization $http_authorization; and no auth_basic or auth_request for this server. \
               HAProxy: no http-request del-header Authorization.";
    Ok(vec![
        if response.has_code(ErrorCode::MissingToken.as_str()) {
            let text = "The Authorization header does not reach the server, so bearer tokens (Postman, programs) are never accepted.";
            Finding::problem(NAME, text, fix)
        } else if response.is_of_tokenpair() {
            Finding::ok(NAME, "Bearer tokens reach the server.")
        } else {
            let text = format!(
                "With a bearer token, another program answers: {}.",
                response.named()
            );
            Finding::problem(NAME, text, fix)
        },
    ])
}

pub(super) fn size(look: &Look<'_>) -> Findings {
    const NAME: &str = "request_size";
    let Some([access, _]) = &look.described.cookies else {
        return Ok(Vec::new());
    };
    let cookie = format!("{access}={}", "x".repeat(LONG));
    let request = Request::new("GET", ACCOUNT).header("Cookie", cookie);
    let response = look.send(&request)?;
    let arrived =
        response.is_of_tokenpair() && !response.has_code(ErrorCode::MissingToken.as_str());
    Ok(vec![if arrived {
        Finding::ok(NAME, "Cookies of 6 KB reach the server.")
    } else {
        Finding::problem(
            NAME,
            format!(
                "Cookies of 6 KB do not reach the server: {}.",
                response.named()
            ),
            "Allow larger headers (nginx: large_client_header_buffers 4 16k; HAProxy: tune.bufsize 32768).",
        )
    }])
}

pub(super) fn methods(look: &Look<'_>) -> Findings {
    const NAME: &str = "methods";
    let mut lost = Vec::new();
    // The server has no PATCH of this path, and refuses it as such. DELETE it has.
    for (method, is_there) in [("PATCH", false), ("DELETE", true)] {
        let response = look.send(&Request::new(method, ACCOUNT).json("{}"))?;
        let is_refused = response.has_code("method_not_allowed");
        if !response.is_of_tokenpair() || is_refused == is_there {
            lost.push(format!("{method} ({})", response.named()));
        }
    }
    let mut findings = vec![if lost.is_empty() {
        Finding::ok(NAME, "PATCH, and DELETE with a body, reach the server.")
    } else {
        Finding::problem(
            NAME,
            format!(
                "Requests with these methods do not reach the server: {}.",
                lost.join(", ")
            ),
            "Allow GET, POST, PATCH, DELETE and OPTIONS at the proxy (nginx: limit_except; web application firewalls have a list).",
        )
    }];
    let csrf = &look.described.csrf_headers;
    if let Some(name) = csrf.iter().find(|name| name.contains('_')) {
        findings.push(Finding::warning(
            "header_names",
            format!("The CSRF header {} has an underscore, and nginx drops such headers.", heard(name)),
            "Set JWT_ACCESS_CSRF_HEADER_NAME and JWT_REFRESH_CSRF_HEADER_NAME to names with dashes, or nginx: underscores_in_headers on;",
        ));
    }
    Ok(findings)
}

pub(super) fn chunked(look: &Look<'_>) -> Findings {
    const NAME: &str = "chunked_body";
    let request = Request::new("POST", "/login").json("{}").chunked();
    let response = look.send(&request)?;
    Ok(vec![if response.has_code("missing_username") {
        Finding::ok(
            NAME,
            "Bodies in chunks, without a length, reach the server.",
        )
    } else {
        let what = if response.lacks_body() {
            "A proxy drops bodies that come in chunks, without a length".to_owned()
        } else {
            format!(
                "A body in chunks, without a length, is refused: {}",
                response.named()
            )
        };
        Finding::problem(
            NAME,
            format!("{what}. Some HTTP libraries send them."),
            "Let the proxy buffer request bodies (nginx: proxy_request_buffering on; HAProxy: option http-buffer-request) and \
             speak HTTP/1.1 to the server.",
        )
    }])
}
