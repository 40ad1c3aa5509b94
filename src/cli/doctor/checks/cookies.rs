//! Checks what happens to the server's `Set-Cookie` headers on the way, and what browsers do with
//! the cookies. A logout removes the cookies even if there are none, so anyone may see the headers.

use super::{Findings, Look};
use crate::cli::doctor::exchange::Request;
use crate::cli::doctor::report::{Finding, heard};
use crate::cli::doctor::set_cookie::{SetCookie, joined};

/// How much of a name or a path is shown, in characters.
const SHOWN: usize = 40;

const LINES: &str = "set_cookie_lines";

pub(super) fn set_cookie(look: &Look<'_>) -> Findings {
    let Some(names) = &look.described.cookies else {
        return Ok(Vec::new());
    };
    let response = look.send(&Request::new("POST", "/logout"))?;
    if response.status != 200 {
        let text = format!(
            "POST /logout without cookies is refused: {}.",
            response.named()
        );
        let fix = "Let the proxy pass POST /logout to the server.";
        return Ok(vec![Finding::problem(LINES, text, fix)]);
    }
    let lines: Vec<Vec<&str>> = response.all("Set-Cookie").map(joined).collect();
    let cookies = lines.iter().flatten().copied();
    let cookies: Vec<SetCookie> = cookies.filter_map(SetCookie::parse).collect();
    let is_joined = lines.iter().any(|line| line.len() > 1);
    if let Some(fault) = lines_fault(names, &cookies, is_joined) {
        return Ok(vec![fault]);
    }
    let tokens = cookies.iter().filter(|cookie| names.contains(&cookie.name));
    let tokens: Vec<&SetCookie> = tokens.collect();
    let text = format!(
        "All {} cookies arrive, each in a Set-Cookie header of its own.",
        heard(cookies.len())
    );
    let mut findings = vec![Finding::ok(LINES, text)];
    findings.push(attributes(&tokens, &cookies));
    findings.push(paths(names, &tokens, look));
    findings.extend(kept_by_browsers(&tokens, look));
    Ok(findings)
}

/// Finds headers that were joined, lost or renamed.
fn lines_fault(names: &[String; 2], cookies: &[SetCookie], is_joined: bool) -> Option<Finding> {
    let fix = "Let the proxy pass on each Set-Cookie header as it is (nginx: no proxy_hide_header Set-Cookie and no add_header \
               Set-Cookie; HAProxy: no http-response set-header Set-Cookie). API gateways have a switch for headers with \
               several values.";
    if is_joined {
        let text = "The Set-Cookie headers arrive joined in one line: browsers read it as one cookie, so the others are lost.";
        return Some(Finding::problem(LINES, text, fix));
    }
    let found = |name: &String| cookies.iter().any(|cookie| cookie.name == *name);
    let missing: Vec<&str> = names
        .iter()
        .filter(|name| !found(name))
        .map(String::as_str)
        .collect();
    // CSRF values have two cookies, or none.
    let of_csrf = cookies
        .iter()
        .filter(|cookie| !names.contains(&cookie.name) && cookie.is_removal);
    let half = of_csrf.count() == 1;
    match missing.as_slice() {
        [] if !half => None,
        [] => {
            let text = "Only one of the two CSRF cookies arrives: something on the way drops Set-Cookie headers.";
            Some(Finding::problem(LINES, text, fix))
        }
        [_, _] if cookies.is_empty() => {
            let text = "No Set-Cookie header arrives, so browsers cannot stay logged in.";
            Some(Finding::problem(LINES, text, fix))
        }
        [_, _] => {
            let arrived = cookies.iter().map(|cookie| shown(&cookie.name));
            let arrived: Vec<String> = arrived.collect();
            let text = format!(
                "The server's cookies are named {}, and these arrive: {}. The server does not find cookies under other names.",
                heard(missing.join(" and ")),
                arrived.join(", ")
            );
            let fix = "Remove the proxy's rule that renames cookies, or set JWT_ACCESS_COOKIE_NAME and JWT_REFRESH_COOKIE_NAME.";
            Some(Finding::problem("set_cookie_names", text, fix))
        }
        missing => {
            let text = format!(
                "The cookie {} does not arrive: something on the way drops Set-Cookie headers.",
                heard(missing.join(", "))
            );
            Some(Finding::problem(LINES, text, fix))
        }
    }
}

/// Returns a text of the server, cut to what is shown.
fn shown(text: &str) -> String {
    heard(text.chars().take(SHOWN).collect::<String>())
}

/// Checks attributes that the server always sends, or sends alike for all cookies.
fn attributes(tokens: &[&SetCookie], cookies: &[SetCookie]) -> Finding {
    const NAME: &str = "set_cookie_attributes";
    let fix = "Remove the proxy's rule that rewrites cookies (nginx: proxy_cookie_flags, proxy_cookie_domain; HAProxy: \
               http-response replace-header Set-Cookie).";
    let lost = |name: &str, effect: &str| {
        let text = format!("The attribute {name} is removed on the way: {effect}.");
        Finding::problem(NAME, text, fix)
    };
    if tokens.iter().any(|cookie| !cookie.http_only) {
        return lost("HttpOnly", "scripts can read the tokens");
    }
    if tokens.iter().any(|cookie| cookie.path.is_none()) {
        return lost("Path", "browsers then choose it by the request's path");
    }
    if tokens.iter().any(|cookie| !cookie.is_removal) {
        return lost(
            "Expires",
            "a logout does not remove cookies, and a remembered login ends with the browser",
        );
    }
    let of_server = || cookies.iter().filter(|cookie| cookie.is_removal);
    let differing = tokens
        .iter()
        .find_map(|token| of_server().find_map(|other| token.differs_from(other)));
    if let Some(name) = differing {
        let text = format!(
            "The cookies differ in {name}, which the server gives to all of them alike: something on the way changes it."
        );
        return Finding::problem(NAME, text, fix);
    }
    if tokens.iter().any(|cookie| cookie.same_site.is_none()) {
        let text = "The cookies have no SameSite attribute, so each browser decides which other sites may send them.";
        let fix = "Set JWT_COOKIE_SAMESITE=Lax. If it is set, remove the proxy's rule that rewrites cookies (nginx: proxy_cookie_flags).";
        return Finding::warning(NAME, text, fix);
    }
    Finding::ok(NAME, "The cookies arrive with their attributes.")
}

fn paths(names: &[String; 2], tokens: &[&SetCookie], look: &Look<'_>) -> Finding {
    const NAME: &str = "set_cookie_path";
    for (name, route) in names.iter().zip([super::ACCOUNT, "/refresh"]) {
        let path = look.probe.target.path(route);
        let cookie = tokens.iter().find(|cookie| cookie.name == *name);
        if let Some(cookie) = cookie.filter(|cookie| !cookie.is_sent_to(&path)) {
            let own = cookie.path.as_deref().unwrap_or_default();
            return Finding::problem(
                NAME,
                format!(
                    "The cookie {} has Path={}, so browsers do not send it to {path}.",
                    shown(name),
                    shown(own)
                ),
                "Remove the proxy's rule that changes it (nginx: proxy_cookie_path), or set JWT_ACCESS_COOKIE_PATH and \
                 JWT_REFRESH_COOKIE_PATH to a path in front of the routes.",
            );
        }
    }
    Finding::ok(NAME, "The cookies' paths cover the routes that need them.")
}

fn kept_by_browsers(tokens: &[&SetCookie], look: &Look<'_>) -> Option<Finding> {
    const NAME: &str = "secure_cookies";
    let target = &look.probe.target;
    let cookie = tokens.first()?;
    let origin = target.origin();
    if let Some(why) = cookie.dropped_by_browsers(target) {
        let over_http = cookie.secure && !target.is_trustworthy();
        let (others, fix) = if over_http {
            (
                " Postman does not send it back either.",
                "Serve https and set PUBLIC_URL to that address. On this machine alone, use http://localhost and let PUBLIC_URL \
                 name it, so that JWT_COOKIE_SECURE=auto is false.",
            )
        } else {
            (
                "",
                "Correct JWT_COOKIE_DOMAIN, JWT_COOKIE_PREFIX or JWT_COOKIE_SAMESITE, or the proxy's rule that rewrites cookies.",
            )
        };
        let text = format!(
            "Browsers drop the cookie {}: {why}.{others}",
            shown(&cookie.name)
        );
        return Some(Finding::problem(NAME, text, fix));
    }
    Some(match (cookie.secure, target.is_https()) {
        (true, false) => Finding::warning(
            NAME,
            "The cookies are Secure and this is plain http: Chrome and Firefox keep them on this machine's own address, Safari \
             and Postman do not.",
            "For development, let PUBLIC_URL name this address and leave JWT_COOKIE_SECURE=auto.",
        ),
        (false, true) => Finding::warning(
            NAME,
            "The cookies lack Secure, although the address is https: browsers would send them over plain http too.",
            format!(
                "Set PUBLIC_URL={origin} and JWT_COOKIE_SECURE=auto. If they are set, remove the proxy's rule that rewrites cookies."
            ),
        ),
        _ => Finding::ok(
            NAME,
            "Browsers and Postman keep the cookies at this address.",
        ),
    })
}
