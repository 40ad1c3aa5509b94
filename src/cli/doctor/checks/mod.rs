//! Lists the checks that need no login. Each asks the server something that anyone may ask, and
//! compares the response with what tokenpair answers when nothing stands in between.

mod cookies;
mod pages;
mod requests;
mod responses;
mod transport;

use url::Url;

pub(super) use self::transport::seconds;

use super::described::Described;
use super::exchange::{Failure, Request, Response};
use super::probe::Probe;
use super::report::Finding;

/// A route that only answers a valid access token. Apps that mount the routes have it too, unlike
/// `/protected`.
pub(super) const ACCOUNT: &str = "/account";

/// What the checks know of a server.
pub(super) struct Look<'a> {
    pub(super) probe: &'a Probe,
    pub(super) described: Described,
    /// Another origin whose pages use the server.
    pub(super) origin: Option<&'a Url>,
    /// The response to a request for [`ACCOUNT`] without a token.
    pub(super) rejected: Response,
}

impl Look<'_> {
    fn send(&self, request: &Request) -> Result<Response, Failure> {
        self.probe.send(request)
    }

    /// Returns whether the answer to a preflight can be the server's. Where routes are in another
    /// app, that app answers it, and nothing tells it from a proxy.
    fn can_be_own(&self, response: &Response) -> bool {
        let names_requests = self.described.request_id || self.rejected.names_request();
        response.is_of_tokenpair() || !names_requests
    }
}

/// The findings of a check. Most checks have one.
type Findings = Result<Vec<Finding>, Failure>;

/// A check, with its name if it gets no answer.
type Check = (&'static str, fn(&Look<'_>) -> Findings);

const CHECKS: [Check; 16] = [
    ("tls", transport::tls),
    ("http_version", transport::http_version),
    ("clock", transport::clock),
    ("ready", responses::ready),
    ("response_headers", responses::headers),
    ("cache", responses::cache),
    ("compression", responses::compression),
    ("cookie_header", requests::cookie),
    ("authorization_header", requests::authorization),
    ("request_size", requests::size),
    ("methods", requests::methods),
    ("chunked_body", requests::chunked),
    ("set_cookie_lines", cookies::set_cookie),
    ("host", pages::host),
    ("origin_header", pages::origin_header),
    ("preflight", pages::preflight),
];

/// Runs all checks.
pub(super) fn run(look: &Look<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let cors: Check = ("cors", pages::cors);
    let of_origin = look.origin.map(|_| cors);
    for (name, check) in CHECKS.into_iter().chain(of_origin) {
        match check(look) {
            Ok(found) => findings.extend(found),
            Err(failure) => findings.push(no_answer(name, &failure)),
        }
    }
    findings
}

/// The server answered before, so something on the way refuses this request.
pub(super) fn no_answer(check: &'static str, failure: &Failure) -> Finding {
    Finding::problem(
        check,
        format!("The request of this check got no response: {failure}."),
        "Look in the proxy's log for a request at this time that it refused or cut off.",
    )
}
