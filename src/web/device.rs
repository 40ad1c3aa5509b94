//! Who and what is behind a request: the device for the list of sessions, the act for the audit trail.

use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::http::header::USER_AGENT;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::auth::Auth;
use super::rejection::Rejection;
use super::verify::Verified;
use crate::session::{Act, Device};

/// What is kept of a `User-Agent`, in characters.
const ENOUGH: usize = 256;

/// The browser's own words, and the peer's address.
pub fn device(request: &HttpRequest) -> Device {
    let words = request.headers().get(USER_AGENT).map(|words| {
        let words = String::from_utf8_lossy(words.as_bytes());
        let printable = words.chars().filter(|letter| !letter.is_control());
        printable.take(ENOUGH).collect()
    });
    Device {
        user_agent: words,
        ip: ip(request),
    }
}

/// The peer's address: what a header claims of addresses is anyone's to claim.
fn ip(request: &HttpRequest) -> Option<String> {
    request.peer_addr().map(|peer| peer.ip().to_string())
}

/// What is done by this request: now, from the peer's address, by the user of its access token if a guard has verified
/// one. So in a handler's signature it stands behind the guard.
impl FromRequest for Act {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Auth::of(request).map(|auth| act(auth, request)))
    }
}

pub(super) fn act(auth: &Auth, request: &HttpRequest) -> Act {
    Act {
        at: auth.now(),
        by: actor(request),
        ip: ip(request),
    }
}

fn actor(request: &HttpRequest) -> Option<String> {
    let extensions = request.extensions();
    let verified = extensions.get::<Rc<Verified>>()?;
    Some(verified.claims.sub().to_owned())
}
