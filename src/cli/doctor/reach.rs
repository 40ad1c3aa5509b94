//! Says whether tokenpair answers at an address. If it does not: what was asked, what came instead,
//! and what to do.

use url::Url;

use super::checks::ACCOUNT;
use super::exchange::{Failure, Response};
use super::report::{Finding, heard};
use super::target::Target;
use crate::command::command;
use crate::config::serialized_origin;
use tokenpair::web::ErrorCode;

const NAME: &str = "tokenpair";

/// How much of the name of another program is shown, in characters.
const SHOWN: usize = 40;

/// Returns the finding for an address that gives no answer.
pub(super) fn unreachable(target: &Target, failure: &Failure) -> Finding {
    let fix = match failure {
        Failure::NoAddress(..) => {
            "Correct the name, or add it to the DNS (or to this machine's /etc/hosts)."
        }
        Failure::Refused(_) => {
            "Start the server, or correct the port. If it runs in a container, publish its port."
        }
        Failure::Connect(..) => "Correct the address, or the network between here and there.",
        Failure::NoConnection(_) => {
            "Correct the address. If it is the right one, a firewall drops the packets, or the machine is off."
        }
        Failure::NoTls => {
            "Use http://, or the port of the proxy that serves https. A certificate for this port is set by SERVER_TLS_CERT \
             and SERVER_TLS_KEY."
        }
        Failure::OnlyTls => "Use https://: this port speaks nothing else.",
        Failure::Tls(_) => {
            "Let the proxy, or SERVER_TLS_CERT, serve a certificate for this name, and TLS 1.2 or 1.3 (nginx: \
             ssl_certificate, ssl_protocols; HAProxy: bind ... ssl crt)."
        }
        Failure::Timeout => {
            "Look whether the address is the right one, and whether the server or the proxy hangs: its log tells."
        }
        Failure::Broken(_) if !target.is_https() => {
            "Use https:// if the port speaks that. Otherwise another program has this port, or a firewall cuts the connection."
        }
        Failure::NotHttp(_) | Failure::Broken(_) | Failure::TooLarge => {
            "Correct the port: another program has this one."
        }
    };
    let asked = target.address(ACCOUNT);
    Finding::unreachable(format!("GET {asked} got no answer: {failure}."), fix)
}

/// Finds out whether tokenpair answers.
pub(super) fn identity(target: &Target, rejected: &Response, is_described: bool) -> Finding {
    let is_moved = (300..400).contains(&rejected.status);
    if let Some(place) = rejected.header("Location").filter(|_| is_moved) {
        return redirected(target, rejected.status, place);
    }
    if is_described || rejected.has_code(ErrorCode::MissingToken.as_str()) {
        return Finding::ok(NAME, "It is a tokenpair server.");
    }
    let asked = target.address(ACCOUNT);
    if rejected.has_code("not_found") {
        let text = format!(
            "A tokenpair server answers GET {asked} with {}: its routes are not below this path.",
            rejected.named()
        );
        let fix = format!(
            "Use {}, or the path that the proxy or the app puts in front of the routes.",
            target.origin()
        );
        return Finding::problem(NAME, text, fix);
    }
    if rejected.code().is_some() {
        let text = format!(
            "The server answers GET {asked} with {}, and not as tokenpair does without a token.",
            rejected.named()
        );
        return Finding::problem(NAME, text, "Read the server's log.");
    }
    let program = rejected.header("Server").map(|name| {
        let name: String = name.chars().take(SHOWN).collect();
        format!(" (Server: {})", heard(name))
    });
    let text = format!(
        "Another program answers GET {asked}, with {}{}.",
        rejected.named(),
        program.unwrap_or_default()
    );
    Finding::problem(NAME, text, other_program_fix(rejected))
}

fn other_program_fix(response: &Response) -> &'static str {
    match response.status {
        _ if response.wants_https() => "Use https://: this port speaks nothing else.",
        401 | 403 => {
            "Remove what asks for another login, or refuses, in front of the server (nginx: auth_basic, auth_request, deny; \
             HAProxy: http-request auth, http-request deny)."
        }
        404 => {
            "If the routes are under a path, add it to the address, as in https://login.example.org/auth. Otherwise correct the \
             address, or the proxy's target (nginx: proxy_pass; HAProxy: server)."
        }
        502..=504 => {
            "Start the server: the proxy does not reach it. If it runs, correct the proxy's target (nginx: proxy_pass; HAProxy: \
             server)."
        }
        _ => {
            "Correct the address, or the proxy's target (nginx: proxy_pass; HAProxy: server). If the routes are under a path, \
             add it to the address."
        }
    }
}

/// Returns the finding for an answer that sends clients elsewhere.
fn redirected(target: &Target, status: u16, place: &str) -> Finding {
    let asked = target.address(ACCOUNT);
    let place = Url::parse(&asked).and_then(|asked| asked.join(place)).ok();
    let found = |text: String, fix: String| {
        let status = heard(status);
        let effect = "Clients that follow may lose the method and the body of a request.";
        let text = format!("GET {asked} answers {status} and redirects to {text}. {effect}");
        Finding::problem(NAME, text, fix)
    };
    let server = place.as_ref().and_then(server_at);
    if let Some(server) = server.filter(|server| server.url() != target.url()) {
        let address = server.url().as_str().trim_end_matches('/');
        let doctor = heard(command(&format!("doctor {address}")));
        let address = heard(address);
        let fix = format!(
            "Use {address} everywhere, also in Postman and PUBLIC_URL, and look at it with: {doctor}"
        );
        return found(address, fix);
    }
    let origin = place.as_ref().and_then(serialized_origin);
    match origin.filter(|origin| *origin != target.origin()) {
        Some(origin) => found(
            heard(origin),
            "Correct the address, or let the proxy pass the requests on to the server instead of another place.".to_owned(),
        ),
        None => found(
            "another page of this address".to_owned(),
            "Let the proxy pass all paths on to the server, without a login or a rule of its own in front of it.".to_owned(),
        ),
    }
}

/// Returns the server whose route this is.
fn server_at(place: &Url) -> Option<Target> {
    let mut server = place.clone();
    server.set_path(place.path().strip_suffix(ACCOUNT)?);
    Target::of(server)
}

/// Returns the finding for a server that does not describe its routes.
pub(super) fn undescribed(answer: &Result<Response, Failure>) -> Finding {
    let answer = match answer {
        Ok(response) => response.named(),
        Err(failure) => format!("no answer: {failure}"),
    };
    Finding::warning(
        "description",
        format!(
            "GET /openapi.json gets {answer}, so these checks assume the default names of cookies and headers."
        ),
        "Let the proxy pass it on. An app that mounts the routes serves AccountRoutes::openapi() there, behind their prefix.",
    )
}
