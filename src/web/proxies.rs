//! Proxies: whose word is taken for where a request came from, and what they say.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};
use ipnet::IpNet;

use super::auth::Auth;

/// The proxies that stand before the app. Of nobody else a header is believed that says where a request came from.
///
/// Each proxy adds, on the right, the address it was asked from: to `Forwarded` (RFC 7239) or to `X-Forwarded-For`. The
/// first address from the right that is not a proxy's is the client's; what stands left of it is anyone's to claim. Most
/// proxies write one of the two headers and pass on whatever came in the other, so where both came they have to agree. What
/// cannot be read, or names no address, leaves the peer's own.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix_sockets: bool,
}

/// A header that says nothing to go by.
struct Unreadable;

impl TrustedProxies {
    /// Those with an address in one of these networks.
    ///
    /// ```
    /// use tokenpair::web::{TrustedProxies, WebPolicy};
    ///
    /// let trusted_proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse()?]);
    /// let policy = WebPolicy { trusted_proxies, ..WebPolicy::default() };
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self {
            networks,
            unix_sockets: false,
        }
    }

    /// Also whoever comes by a Unix socket, and so has no address.
    #[must_use]
    pub fn and_unix_sockets(self) -> Self {
        Self {
            unix_sockets: true,
            ..self
        }
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix_sockets
    }

    /// Whether the request's peer is one of them.
    #[cfg(feature = "server")]
    pub(crate) fn handed_on(&self, request: &HttpRequest) -> bool {
        self.trusts(request.peer_addr().map(|peer| peer.ip().to_canonical()))
    }

    fn trusts(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            None => self.unix_sockets,
            Some(address) => self
                .networks
                .iter()
                .any(|network| network.contains(&address)),
        }
    }

    fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        if !self.trusts(peer) {
            return peer;
        }
        let claims = (
            self.claim(headers, &FORWARDED, by_rfc_7239),
            self.claim(headers, &X_FORWARDED_FOR, by_custom),
        );
        let client = match claims {
            (Ok(one), Ok(other)) if one.is_none() || other.is_none() || one == other => {
                one.or(other)
            }
            _ => None,
        };
        client.or(peer)
    }

    /// The client's address by one header; none if the header did not come. Where all are proxies, the first of them.
    fn claim(
        &self,
        headers: &HeaderMap,
        name: &HeaderName,
        read: fn(&str) -> Vec<Option<IpAddr>>,
    ) -> Result<Option<IpAddr>, Unreadable> {
        let lines: Vec<_> = headers.get_all(name).collect();
        let mut furthest = None;
        for line in lines.into_iter().rev() {
            for address in read(line.to_str().map_err(|_| Unreadable)?)
                .into_iter()
                .rev()
            {
                let address = address.ok_or(Unreadable)?.to_canonical();
                furthest = Some(address);
                if !self.trusts(furthest) {
                    return Ok(furthest);
                }
            }
        }
        Ok(furthest)
    }
}

/// Each hop's `for`; none where it is hidden, unknown or unreadable (RFC 7239 section 6).
fn by_rfc_7239(line: &str) -> Vec<Option<IpAddr>> {
    let Some(hops) = split(line, ',') else {
        return vec![None];
    };
    hops.into_iter().map(hop).collect()
}

fn hop(text: &str) -> Option<IpAddr> {
    let pairs = split(text, ';')?.into_iter();
    let mut given = pairs
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (_, node) = given.next().filter(|_| given.next().is_none())?;
    let node = node.trim();
    let quoted = node
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    address(quoted.unwrap_or(node))
}

/// Splits outside quoted strings (RFC 9110 section 5.6.4), in which a proxy may repeat what a client wrote, as its `host`. None
/// if one does not end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|letter| {
        let was_escaped = std::mem::take(&mut escaped);
        match letter {
            _ if was_escaped => false,
            '\\' if quoted => {
                escaped = true;
                false
            }
            '"' => {
                quoted = !quoted;
                false
            }
            letter => letter == separator && !quoted,
        }
    });
    let parts = parts.collect();
    (!quoted).then_some(parts)
}

fn by_custom(line: &str) -> Vec<Option<IpAddr>> {
    line.split(',').map(str::trim).map(address).collect()
}

/// An address; IPv6 in brackets or bare, and with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port)
}

/// Where a request came from: the peer's address, or what a proxy says that [`WebPolicy`](super::WebPolicy) trusts. None if
/// the peer has no address, as on a Unix socket.
pub fn client_ip(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
    match request.app_data::<Auth>() {
        Some(auth) => auth
            .policy()
            .trusted_proxies
            .client(peer, request.headers()),
        None => peer,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn who_comes_by_a_unix_socket_has_the_address_that_a_trusted_proxy_says_or_none() {
        let request = TestRequest::default().insert_header(("X-Forwarded-For", "203.0.113.9"));
        let request = request.to_http_request();
        let any: IpNet = "127.0.0.0/8".parse().unwrap();
        let networks = TrustedProxies::new(vec![any]);
        assert_eq!(networks.client(None, request.headers()), None);
        let sockets = networks.and_unix_sockets();
        let client = sockets.client(None, request.headers());
        assert_eq!(client, "203.0.113.9".parse().ok());
        let silent = TestRequest::default().to_http_request();
        assert_eq!(sockets.client(None, silent.headers()), None);
    }
}
