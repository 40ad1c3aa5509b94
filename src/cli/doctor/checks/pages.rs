//! Checks what browsers add: the rules for pages of this and of other origins.

use super::{ACCOUNT, Findings, Look};
use crate::cli::doctor::exchange::{Request, Response};
use crate::cli::doctor::report::{Finding, heard};
use crate::cli::doctor::set_cookie::SetCookie;
use crate::config::{are_same_site, serialized_origin};

/// An origin that no server trusts (RFC 2606 section 2).
const ELSEWHERE: &str = "https://doctor.invalid";

/// The code for a request of another site's page.
const CROSS_SITE: &str = "cross_site_request";

/// The code for a request to another host name than the one in PUBLIC_URL.
const WRONG_HOST: &str = "wrong_host";

pub(super) fn host(look: &Look<'_>) -> Findings {
    const NAME: &str = "host";
    let origin = look.probe.target.origin();
    // Without Sec-Fetch-Site, as browsers send it over plain http and older ones always do.
    let from_page = Request::new("POST", "/logout").header("Origin", origin.clone());
    let from_page = look.send(&from_page)?;
    if from_page.has_code(WRONG_HOST) || from_page.has_code(CROSS_SITE) {
        return Ok(vec![refused_page(look, &origin)]);
    }
    let followed = Request::new("GET", "/logout")
        .header("Accept", "text/html")
        .header("Sec-Fetch-Site", "none")
        .header("Sec-Fetch-Mode", "navigate")
        .header("Sec-Fetch-Dest", "document");
    let followed = look.send(&followed)?;
    if followed.status == 403 {
        return Ok(vec![Finding::problem(
            NAME,
            "A link to this address is refused (wrong_host): the proxy changes Host, and the server does not trust the proxy.",
            format!("{HOST_LINES} Or name the proxy's address in SERVER_TRUSTED_PROXIES."),
        )]);
    }
    let public = look
        .described
        .public
        .as_ref()
        .filter(|public| **public != origin);
    let text = match public {
        Some(public) => {
            format!(
                "Pages of this address may use the server; PUBLIC_URL names another, {}.",
                heard(public)
            )
        }
        None => "Pages of this address may use the server.".to_owned(),
    };
    Ok(vec![Finding::ok(NAME, text)])
}

const HOST_LINES: &str = "Let the proxy pass on Host (nginx: proxy_set_header Host $http_host; HAProxy does unless \
                          http-request set-header Host changes it).";

/// The server does not take its own page for its own.
fn refused_page(look: &Look<'_>, origin: &str) -> Finding {
    const NAME: &str = "host";
    match look.described.public.as_deref() {
        Some(public) if public != origin => Finding::problem(
            NAME,
            format!(
                "The server refuses the pages of this address: browsers use {origin}, and PUBLIC_URL is {}.",
                heard(public)
            ),
            format!("Use {}, or set PUBLIC_URL={origin}.", heard(public)),
        ),
        _ => Finding::problem(
            NAME,
            "The server refuses the pages of this address: the proxy changes Host, so the server takes them for another site's.",
            format!("{HOST_LINES} And set PUBLIC_URL={origin}."),
        ),
    }
}

pub(super) fn origin_header(look: &Look<'_>) -> Findings {
    const NAME: &str = "origin_header";
    let request = Request::new("POST", "/logout").header("Origin", ELSEWHERE);
    let response = look.send(&request)?;
    Ok(vec![
        if response.has_code(CROSS_SITE) || response.has_code(WRONG_HOST) {
            Finding::ok(NAME, "Requests of other sites' pages are refused.")
        } else if response.status == 200 {
            Finding::problem(
                NAME,
                "A request of another site's page was not refused: the Origin header does not reach the server.",
                "Remove the proxy's line that deletes or replaces Origin (nginx: proxy_set_header Origin; HAProxy: http-request \
             del-header Origin).",
            )
        } else {
            Finding::problem(
                NAME,
                format!(
                    "A request of another site's page got an answer of another program: {}.",
                    response.named()
                ),
                "Look in the proxy's configuration for a rule about the Origin header.",
            )
        },
    ])
}

/// Returns the preflight that a browser sends before a page's script refreshes (Fetch section 4.8).
fn preflight_of(look: &Look<'_>, origin: &str) -> Request {
    let [_, csrf] = &look.described.csrf_headers;
    Request::new("OPTIONS", "/refresh")
        .header("Accept", "*/*")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", asked_headers(csrf))
        .header("Sec-Fetch-Mode", "cors")
}

fn asked_headers(csrf: &str) -> String {
    format!("content-type,{}", csrf.to_ascii_lowercase())
}

pub(super) fn preflight(look: &Look<'_>) -> Findings {
    const NAME: &str = "preflight";
    let response = look.send(&preflight_of(look, ELSEWHERE))?;
    let fix = "Remove the proxy's own CORS rules (nginx: if ($request_method = OPTIONS) and add_header \
               Access-Control-Allow-...) and list the origins in SERVER_CORS_ORIGINS.";
    let allowed = response.header("Access-Control-Allow-Origin");
    Ok(vec![
        if allowed.is_some_and(|allowed| allowed == "*" || allowed == ELSEWHERE) {
            let text = "Pages of any origin are allowed: a proxy adds its own CORS headers.";
            Finding::problem(NAME, text, fix)
        } else if !look.can_be_own(&response) {
            let text = format!(
                "A proxy answers OPTIONS itself ({}), so the server's CORS rules do not apply.",
                response.named()
            );
            Finding::problem(NAME, text, fix)
        } else {
            Finding::ok(
                NAME,
                "OPTIONS reaches the server, and unknown origins are not allowed.",
            )
        },
    ])
}

pub(super) fn cors(look: &Look<'_>) -> Findings {
    const NAME: &str = "cors";
    let Some(page) = look.origin else {
        return Ok(Vec::new());
    };
    let origin = serialized_origin(page).unwrap_or_default();
    let own = look.probe.target.origin();
    if origin == own {
        let text = "The page's origin is the server's own, so CORS does not apply.";
        return Ok(vec![Finding::ok(NAME, text)]);
    }
    if page.scheme() == "https" && !look.probe.target.is_trustworthy() {
        let text = format!(
            "Browsers block requests of pages of {origin} to {own}, because they are not encrypted."
        );
        let fix = "Serve the server by https too.";
        return Ok(vec![Finding::problem(NAME, text, fix)]);
    }
    let fault = match preflight_fault(&look.send(&preflight_of(look, &origin))?, &origin, look) {
        Some(fault) => Some(fault),
        None => {
            let request = Request::new("GET", ACCOUNT).header("Origin", origin.clone());
            response_fault(&look.send(&request)?, &origin)
        }
    };
    let mut findings = vec![fault.unwrap_or_else(|| {
        Finding::ok(
            NAME,
            format!("Pages of {origin} may send requests with cookies and read the answers."),
        )
    })];
    findings.extend(cookies_fault(look, page, &origin)?);
    Ok(findings)
}

fn preflight_fault(response: &Response, origin: &str, look: &Look<'_>) -> Option<Finding> {
    const NAME: &str = "cors";
    let list = "Set SERVER_CORS_ORIGINS to a list with this origin, and restart the server.";
    if !look.can_be_own(response) {
        // The check `preflight` names the cure.
        let text = format!("A proxy answers the preflight of pages of {origin} itself.");
        let fix = "Let the proxy pass OPTIONS to the server.";
        return Some(Finding::problem(NAME, text, fix));
    }
    let allowed = response.header("Access-Control-Allow-Origin");
    if !(200..300).contains(&response.status) || allowed != Some(origin) {
        let text = format!("The server does not allow pages of {origin}.");
        return Some(Finding::problem(NAME, text, list));
    }
    let allows = |name: &str, wanted: &str| {
        let listed = response.all(name).flat_map(|value| value.split(','));
        listed
            .map(str::trim)
            .any(|one| one.eq_ignore_ascii_case(wanted))
    };
    let [_, csrf] = &look.described.csrf_headers;
    let headers = asked_headers(csrf);
    let mut headers = headers.split(',');
    let is_complete = allows("Access-Control-Allow-Methods", "POST")
        && allows("Access-Control-Allow-Credentials", "true")
        && headers.all(|name| allows("Access-Control-Allow-Headers", name));
    (!is_complete).then(|| {
        let text = format!("The preflight of pages of {origin} lacks a method, a header or credentials that the server allows.");
        let fix = "Remove the proxy's own CORS headers (Access-Control-Allow-...).";
        Finding::problem(NAME, text, fix)
    })
}

/// Finds faults in the response to a page's request. It is an error, which pages must be able to
/// read too.
fn response_fault(response: &Response, origin: &str) -> Option<Finding> {
    const NAME: &str = "cors";
    let fix = "Remove the proxy's own CORS headers (nginx: add_header Access-Control-Allow-...).";
    let allowed: Vec<&str> = response.all("Access-Control-Allow-Origin").collect();
    if allowed != [origin] {
        let text = if allowed.len() > 1 {
            "The answer has two Access-Control-Allow-Origin headers, so browsers reject it: the proxy adds its own."
        } else {
            "The answer does not allow the origin that the preflight allowed, so pages cannot read it."
        };
        return Some(Finding::problem(NAME, text, fix));
    }
    if response.header("Access-Control-Allow-Credentials") != Some("true") {
        let text = "The answer lacks Access-Control-Allow-Credentials: true, so pages cannot read answers to requests with cookies.";
        return Some(Finding::problem(NAME, text, fix));
    }
    let exposed = response
        .all("Access-Control-Expose-Headers")
        .collect::<Vec<_>>();
    let exposed = exposed.join(",").to_ascii_lowercase();
    (!exposed.contains("retry-after")).then(|| {
        let text =
            "Pages cannot read the headers Retry-After and X-Request-Id, which the server exposes.";
        Finding::warning(NAME, text, fix)
    })
}

/// Finds out whether browsers send cookies from there, and let its scripts read the CSRF cookies.
fn cookies_fault(look: &Look<'_>, page: &url::Url, origin: &str) -> Findings {
    const NAME: &str = "cors_cookies";
    let response = look.send(&Request::new("POST", "/logout"))?;
    let cookies = response.all("Set-Cookie").filter_map(SetCookie::parse);
    let cookies: Vec<SetCookie> = cookies.filter(|cookie| cookie.is_removal).collect();
    let Some(cookie) = cookies.first() else {
        return Ok(Vec::new());
    };
    let target = &look.probe.target;
    let same_site = cookie.same_site.as_deref().unwrap_or("Lax");
    if !are_same_site(page, target.url()) && !same_site.eq_ignore_ascii_case("none") {
        return Ok(vec![Finding::problem(
            NAME,
            format!(
                "To browsers {origin} and {} are two sites, and with SameSite={} they send no cookies from one to the other.",
                target.origin(),
                if same_site.eq_ignore_ascii_case("strict") {
                    "Strict"
                } else {
                    "Lax"
                }
            ),
            "Serve both under one domain (or under one name: localhost and 127.0.0.1 are two); or set JWT_COOKIE_SAMESITE=None; or \
             log in with \"tokens\": \"body\" and send the token in a header.",
        )]);
    }
    let csrf = cookies.iter().find(|cookie| !cookie.http_only);
    let host = page.host_str().unwrap_or_default();
    let is_read = |cookie: &SetCookie| {
        host == target.host() || (cookie.domain.is_some() && cookie.is_of_host(host))
    };
    Ok(match csrf {
        Some(csrf) if !is_read(csrf) => vec![Finding::warning(
            NAME,
            format!("Scripts of {origin} cannot read the CSRF cookies of this host."),
            "Let them ask GET /csrf, or set JWT_CSRF_IN_COOKIES=false, or JWT_COOKIE_DOMAIN where both hosts share a domain.",
        )],
        _ => vec![Finding::ok(
            NAME,
            format!("Browsers send the cookies from pages of {origin}."),
        )],
    })
}
