//! Walks through a login as a browser does: login, protected route, CSRF protection, refresh,
//! logout. Nothing that it prints holds a token, a cookie's value or the password.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::checks::{ACCOUNT, Look, no_answer, seconds};
use super::client::{Client, Kind};
use super::exchange::{Failure, Request, Response};
use super::report::{Finding, Report, heard};
use tokenpair::clock::Clock;
use tokenpair::web::ErrorCode;

/// A username and password to log in with.
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: String,
}

/// An address that nobody has (RFC 5737). If the server takes it for the client's, anyone can
/// choose theirs.
const MADE_UP_ADDRESS: &str = "203.0.113.77";

/// How far a token's time may be from the response's, in seconds.
const TOLERANCE: i64 = 5;

/// Walks through a login, and adds the findings.
pub(super) fn walk(look: &Look<'_>, credentials: &Credentials, report: &mut Report) {
    if let Some(refusal) = refusal(look) {
        report.add(refusal);
        return;
    }
    let mut client = Client::default();
    match log_in(look, credentials, &mut client, report) {
        Ok(true) => {}
        Ok(false) => return,
        Err(failure) => {
            report.add(no_answer("login", &failure));
            return;
        }
    }
    let steps: [(&'static str, Step); 8] = [
        ("csrf_values", csrf_values),
        ("protected", protected),
        ("bearer", bearer),
        ("csrf", csrf),
        ("delete_body", delete_body),
        ("client_address", client_address),
        ("refresh", refresh),
        ("logout", log_out),
    ];
    for (name, step) in steps {
        let done = step(look, &mut client);
        client.secrets().for_each(|secret| report.hide(secret));
        match done {
            Ok(finding) => report.extend(finding),
            Err(failure) => report.add(no_answer(name, &failure)),
        }
    }
}

type Step = fn(&Look<'_>, &mut Client) -> Result<Option<Finding>, Failure>;

/// Returns why the password must not be sent to this server.
fn refusal(look: &Look<'_>) -> Option<Finding> {
    let target = &look.probe.target;
    if target.is_loopback() {
        return None;
    }
    let now = Clock::system().now();
    let accepted = |it: super::certificate::Presented| it.is_accepted(now);
    let text = if !target.is_https() {
        "The password was not sent, because the address is plain http."
    } else if !look.probe.certificate().is_some_and(accepted) {
        "The password was not sent, because browsers would reject the certificate."
    } else {
        return None;
    };
    let fix = "Correct what the check tls says, or run this on the server's machine with its address on loopback.";
    Some(Finding::problem("login", text, fix))
}

/// Logs in. Returns whether it worked.
fn log_in(
    look: &Look<'_>,
    credentials: &Credentials,
    client: &mut Client,
    report: &mut Report,
) -> Result<bool, Failure> {
    const NAME: &str = "login";
    let Credentials { username, password } = credentials;
    let body = json!({ "username": username, "password": password }).to_string();
    let login = Request::new("POST", "/login").header("Origin", look.probe.target.origin());
    let login = login.json(body).slow();
    let forged = login.clone().header("X-Forwarded-For", MADE_UP_ADDRESS);
    let mut response = look.probe.send(&forged)?;
    if response.has_code(ErrorCode::ConflictingForwardedHeaders.as_str()) {
        response = look.probe.send(&login)?;
    }
    if response.status != 200 {
        let fix = match response.code().as_deref() {
            Some("bad_credentials") => "Check the name and the password.",
            Some("too_many_attempts") => {
                "Wait, and try again: the rate limit of failed logins applies."
            }
            None => {
                "Look in the proxy's log. If it says that the response header is too big: nginx: proxy_buffer_size 16k;"
            }
            Some(_) => "Read the server's log.",
        };
        report.add(Finding::problem(
            NAME,
            format!("The login failed: {}.", response.named()),
            fix,
        ));
        return Ok(false);
    }
    client.keep(&response, look.described.cookies.as_ref());
    client.secrets().for_each(|secret| report.hide(secret));
    report.add(Finding::ok(NAME, "The login works."));
    report.extend(cookies(look, client));
    report.extend(times(client, &response));
    Ok(true)
}

/// Says what browsers do with each cookie.
fn cookies(look: &Look<'_>, client: &Client) -> Option<Finding> {
    const NAME: &str = "login_cookies";
    if client.is_by_body() {
        let text = "The tokens are in the body, and browsers store no cookie.";
        return Some(Finding::ok(NAME, text));
    }
    let target = &look.probe.target;
    let dropped = client.cookies().find_map(|cookie| {
        Some(format!(
            "{}: {}",
            heard(&cookie.name),
            cookie.dropped_by_browsers(target)?
        ))
    });
    if let Some(dropped) = dropped {
        let text = format!("Browsers drop the cookie {dropped}.");
        return Some(Finding::problem(
            NAME,
            text,
            "See the check secure_cookies.",
        ));
    }
    let kept = client.cookies().map(|cookie| {
        let readers = if cookie.http_only {
            "hidden from scripts"
        } else {
            "readable by scripts"
        };
        let end = if cookie.is_kept {
            "kept"
        } else {
            "until the browser closes"
        };
        format!("{} ({readers}, {end})", heard(&cookie.name))
    });
    let text = format!("Browsers store {}.", kept.collect::<Vec<_>>().join(", "));
    Some(Finding::ok(NAME, text))
}

/// Compares the new token's time with the response's, which a proxy may have set.
fn times(client: &Client, response: &Response) -> Option<Finding> {
    const NAME: &str = "token_times";
    let payload = client.access()?.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let issued = claims.get("iat")?.as_i64()?;
    let apart = (issued - response.header("Date").and_then(seconds)?).abs();
    Some(if apart > TOLERANCE {
        Finding::problem(
            NAME,
            format!(
                "The token's time and the response's Date are {} s apart, so clients and other servers may reject it.",
                heard(apart)
            ),
            "Set the clocks of the server and the proxy by NTP.",
        )
    } else {
        Finding::ok(NAME, "The token's time agrees with the response's.")
    })
}

fn csrf_values(look: &Look<'_>, client: &mut Client) -> Result<Option<Finding>, Failure> {
    const NAME: &str = "csrf_values";
    if client.is_by_body() {
        return Ok(None);
    }
    let request = client.request(look, "GET", "/csrf", Kind::Access);
    let response = look.probe.send(&request)?;
    client.read_csrf(&response);
    Ok(Some(if response.status == 200 {
        Finding::ok(
            NAME,
            "A page that has lost its CSRF values gets them from GET /csrf.",
        )
    } else {
        let text = format!("GET /csrf is refused: {}.", response.named());
        Finding::problem(
            NAME,
            text,
            "Let the proxy pass GET /csrf with its cookies to the server.",
        )
    }))
}

fn protected(look: &Look<'_>, client: &mut Client) -> Result<Option<Finding>, Failure> {
    const NAME: &str = "protected";
    let request = client.request(look, "GET", ACCOUNT, Kind::Access);
    let response = look.probe.send(&request)?;
    Ok(Some(if response.status == 200 {
        Finding::ok(NAME, "The access token opens GET /account.")
    } else {
        let text = format!("The new access token is refused: {}.", response.named());
        let fix = "Compare the keys and clocks of all servers behind this address (JWT_SECRET_KEY, JWT_KEYS_DIR, NTP).";
        Finding::problem(NAME, text, fix)
    }))
}

fn bearer(look: &Look<'_>, client: &mut Client) -> Result<Option<Finding>, Failure> {
    const NAME: &str = "bearer";
    let Some(access) = client.access().filter(|_| look.described.bearer) else {
        return Ok(None);
    };
    let bearer = format!("Bearer {access}");
    let request = Request::new("GET", ACCOUNT).header("Authorization", bearer);
    let response = look.probe.send(&request)?;
    Ok(Some(if response.status == 200 {
        Finding::ok(
            NAME,
            "Programs and Postman may send the access token as a bearer token.",
        )
    } else {
        let text = format!(
            "The access token is refused as a bearer token: {}.",
            response.named()
        );
        Finding::problem(NAME, text, "See the check authorization_header.")
    }))
}

fn csrf(look: &Look<'_>, client: &mut Client) -> Result<Option<Finding>, Failure> {
    const NAME: &str = "csrf";
    if client.is_by_body() {
        return Ok(None);
    }
    let request = client.without_csrf(look, "POST", "/refresh");
    let response = look.probe.send(&request)?;
    client.keep(&response, look.described.cookies.as_ref());
    let missing = response.has_code(ErrorCode::CsrfMissing.as_str());
    Ok(Some(if missing {
        Finding::ok(
            NAME,
            "A request with cookies and without its CSRF value is refused.",
        )
    } else if response.status == 200 {
        let text = "A request with cookies needs no CSRF value, so pages of sibling hosts can act for the user.";
        Finding::warning(NAME, text, "Set JWT_COOKIE_CSRF_PROTECT=true.")
    } else {
        let text = format!(
            "A refresh without its CSRF value got an unexpected answer: {}.",
            response.named()
        );
        Finding::problem(NAME, text, "See the check cookie_header.")
    }))
}

/// The body lacks the password, so the account stays.
fn delete_body(look: &Look<'_>, client: &mut Client) -> Result<Option<Finding>, Failure> {
    const NAME: &str = "delete_body";
    let request = client.request(look, "DELETE", "/account", Kind::Access);
    let response = look.probe.send(&request.json("{}"))?;
    Ok(Some(if response.has_code("missing_password") {
        Finding::ok(NAME, "The bodies of DELETE requests reach the server.")
    } else if response.lacks_body() {
        let text =
            "A proxy drops the bodies of DELETE requests, so nobody can delete their account.";
        Finding::problem(
            NAME,
            text,
            "Let the proxy pass on bodies of DELETE requests.",
        )
    } else {
        let text = format!(
            "A DELETE request with a body got an unexpected answer: {}.",
            response.named()
        );
        Finding::problem(NAME, text, csrf_fix(&response))
    }))
}

fn csrf_fix(response: &Response) -> &'static str {
    if response.has_code(ErrorCode::CsrfMissing.as_str()) {
        "The header with the CSRF value does not arrive: let the proxy pass it on (nginx: underscores_in_headers on; if its \
         name has an underscore)."
    } else {
        "Read the server's log."
    }
}

fn client_address(look: &Look<'_>, client: &mut Client) -> Result<Option<Finding>, Failure> {
    const NAME: &str = "client_address";
    let request = client.request(look, "GET", "/sessions", Kind::Access);
    let response = look.probe.send(&request)?;
    let sessions = response.json();
    let sessions = sessions
        .as_ref()
        .and_then(|body| body.get("sessions")?.as_array());
    let current = sessions.and_then(|sessions| {
        let is_current = |session: &&Value| session.get("current") == Some(&Value::Bool(true));
        sessions.iter().find(is_current)?.get("ip")?.as_str()
    });
    let local = response.local.map(|local| local.to_string());
    Ok(current.map(|ip| {
        if ip == MADE_UP_ADDRESS {
            Finding::problem(
                NAME,
                "The server believes the X-Forwarded-For header of any client, so anyone can evade the rate limit.",
                "Let the proxy overwrite it (nginx: proxy_set_header X-Forwarded-For $remote_addr; HAProxy: http-request set-header \
                 X-Forwarded-For %[src]), and let SERVER_TRUSTED_PROXIES name proxies only.",
            )
        } else if local.as_deref() == Some(ip) {
            Finding::ok(NAME, "The server sees this machine's own address.")
        } else {
            // Network address translation changes it too, so this alone is no fault.
            Finding::ok(NAME, "The server sees another address than this machine's own. If it is a proxy's, name the proxy in SERVER_TRUSTED_PROXIES.")
        }
    }))
}

fn refresh(look: &Look<'_>, client: &mut Client) -> Result<Option<Finding>, Failure> {
    const NAME: &str = "refresh";
    let request = client.request(look, "POST", "/refresh", Kind::Refresh);
    let response = look.probe.send(&request)?;
    client.keep(&response, look.described.cookies.as_ref());
    Ok(Some(if response.status == 200 {
        Finding::ok(NAME, "The refresh works.")
    } else {
        let text = format!("The refresh is refused: {}.", response.named());
        Finding::problem(NAME, text, csrf_fix(&response))
    }))
}

fn log_out(look: &Look<'_>, client: &mut Client) -> Result<Option<Finding>, Failure> {
    const NAME: &str = "logout";
    let request = client.request(look, "POST", "/logout", Kind::Access);
    let response = look.probe.send(&request)?;
    if response.status != 200 {
        let text = format!(
            "The logout is refused, and the session of this check stays: {}.",
            response.named()
        );
        return Ok(Some(Finding::problem(NAME, text, csrf_fix(&response))));
    }
    let request = client.request(look, "GET", ACCOUNT, Kind::Access);
    let after = look.probe.send(&request)?;
    Ok(Some(if after.status == 401 {
        Finding::ok(
            NAME,
            "The logout works, and the tokens are refused from then on.",
        )
    } else {
        let text = format!(
            "The access token still works after the logout: {}.",
            after.named()
        );
        let fix =
            "Look for a cache. If other replicas serve this address, they must share DATABASE_URL.";
        Finding::problem(NAME, text, fix)
    }))
}
