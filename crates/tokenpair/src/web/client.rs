//! Finds the address of a request's client, from its peer and the headers of trusted proxies.

use std::future::{Ready, ready};
use std::net::IpAddr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::auth::Auth;
use super::error_code::ErrorCode;
use super::proxies::Disputed;
use super::rejection::Rejection;

/// Rejects requests whose client is unknown because `Forwarded` and `X-Forwarded-For` disagree
/// ([`TrustedProxies`](super::TrustedProxies)): 400 `conflicting_forwarded_headers`. For routes
/// that count attempts by address: with either header, a client could otherwise claim another
/// client's address, or a new address for each attempt.
#[derive(Clone, Copy, Debug)]
pub struct KnownClient;

/// Returns the address of the request's client: the peer's, or the address that a proxy trusted by
/// [`WebPolicy`](super::WebPolicy) reports. `None` if the peer has no address, as on a Unix socket.
pub fn client_ip(request: &HttpRequest) -> Option<IpAddr> {
    client(request).unwrap_or_else(|Disputed| peer(request))
}

fn client(request: &HttpRequest) -> Result<Option<IpAddr>, Disputed> {
    let peer = peer(request);
    match Auth::registered(request) {
        Ok(auth) => {
            let proxies = &auth.policy().trusted_proxies;
            proxies.client(peer, request.headers())
        }
        Err(_) => Ok(peer),
    }
}

fn peer(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|peer| peer.ip().to_canonical())
}

impl FromRequest for KnownClient {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(client(request).map(|_| Self).map_err(|Disputed| {
            Rejection::from(ErrorCode::ConflictingForwardedHeaders).hint(
                "Send neither header. If you run the server, set SERVER_FORWARDED_HEADER to the header that your proxy writes, or \
                 let the proxy remove the other.",
            )
        }))
    }
}
