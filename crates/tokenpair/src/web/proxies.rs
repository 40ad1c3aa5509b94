//! Defines trusted proxies, and reads the client's address from their headers.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};
use ipnet::IpNet;

/// The proxies in front of the app. Only their headers are trusted for the client's address.
///
/// Each proxy adds, on the right, the address of the peer that sent it the request: to `Forwarded`
/// (RFC 7239) or to `X-Forwarded-For`. The first address from the right that is not a proxy's is
/// the client's; the client may have written everything on its left. If that entry is unreadable or
/// not an address, the peer's address is used.
///
/// Most proxies write one of the two headers and pass the other on as the client wrote it.
/// [`ForwardedHeader`] names the proxies' own; by default, both headers must agree if both came. If
/// they disagree, the client is unknown: [`client_ip`](super::client_ip) returns the peer's
/// address, and [`KnownClient`](super::KnownClient) rejects the request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix_sockets: bool,
    header: ForwardedHeader,
}

/// The header in which trusted proxies report the client's address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ForwardedHeader {
    /// Either header; if both came, they must agree. Default.
    #[default]
    Auto,
    /// `Forwarded` (RFC 7239) alone.
    Forwarded,
    /// `X-Forwarded-For` alone.
    XForwardedFor,
}

/// The headers disagree, and the client may have written one of them.
pub(super) struct Disputed;

/// The header has no usable address.
struct Unreadable;

impl TrustedProxies {
    /// Trusts the proxies with an address in one of these networks.
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
            header: ForwardedHeader::Auto,
        }
    }

    /// Returns the same proxies, reading only that header.
    ///
    /// ```
    /// use tokenpair::web::{ForwardedHeader, TrustedProxies};
    ///
    /// let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse()?]);
    /// let nginx = proxies.reading(ForwardedHeader::XForwardedFor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reading(self, header: ForwardedHeader) -> Self {
        Self { header, ..self }
    }

    /// Trusts peers on Unix sockets too, which have no address.
    #[must_use]
    pub fn and_unix_sockets(self) -> Self {
        Self {
            unix_sockets: true,
            ..self
        }
    }

    /// Returns whether no proxy is trusted.
    pub const fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix_sockets
    }

    /// Returns whether the request's peer is a trusted proxy.
    pub fn handed_on(&self, request: &HttpRequest) -> bool {
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

    pub(super) fn client(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> Result<Option<IpAddr>, Disputed> {
        if !self.trusts(peer) {
            return Ok(peer);
        }
        let standard = || self.claim(headers, &FORWARDED, by_rfc_7239);
        let custom = || self.claim(headers, &X_FORWARDED_FOR, by_custom);
        let client = match self.header {
            ForwardedHeader::Forwarded => standard(),
            ForwardedHeader::XForwardedFor => custom(),
            ForwardedHeader::Auto => match (standard(), custom()) {
                (Ok(None), one) | (one, Ok(None)) => one,
                (Ok(one), Ok(other)) if one == other => Ok(one),
                _ => return Err(Disputed),
            },
        };
        Ok(client.unwrap_or_default().or(peer))
    }

    /// Returns the client's address by one header; `None` if the header did not come. If all
    /// addresses are proxies', the first of them.
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

/// Returns each hop's `for`; `None` where it is hidden, unknown or unreadable (RFC 7239 section 6).
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

/// Splits outside quoted strings (RFC 9110 section 5.6.4), in which a proxy may repeat the client's
/// text, such as its `host`. `None` if a quoted string does not end.
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

/// Parses an address; IPv6 in brackets or bare, and with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn who_comes_by_a_unix_socket_has_the_address_that_a_trusted_proxy_says_or_none() {
        let request = TestRequest::default()
            .insert_header(("X-Forwarded-For", "203.0.113.9"))
            .to_http_request();
        let any: IpNet = "127.0.0.0/8".parse().unwrap();
        let networks = TrustedProxies::new(vec![any]);
        assert!(matches!(networks.client(None, request.headers()), Ok(None)));
        let sockets = networks.and_unix_sockets();
        let client = sockets.client(None, request.headers());
        assert_eq!(client.ok().flatten(), "203.0.113.9".parse().ok());
        let silent = TestRequest::default().to_http_request();
        assert!(matches!(sockets.client(None, silent.headers()), Ok(None)));
    }
}
