//! Defines the address that `tokenpair doctor` looks at.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use url::{Host, Url};

use super::exchange::Failure;
use crate::config::{is_address, is_loopback};

/// A server's URL, with the path in front of its routes.
#[derive(Clone, Debug)]
pub(super) struct Target(Url);

impl Target {
    /// Parses a URL. `None` if it is not one of http or https, or has a part that no server has.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Url::parse(text).ok().and_then(Self::of)
    }

    pub(super) fn of(url: Url) -> Option<Self> {
        let whole = url.query().is_none() && url.fragment().is_none() && url.has_host();
        (is_address(&url) && whole).then_some(Self(url))
    }

    pub(super) const fn url(&self) -> &Url {
        &self.0
    }

    pub(super) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Returns whether browsers trust the address as they trust https.
    pub(super) fn is_trustworthy(&self) -> bool {
        self.is_https() || self.is_loopback()
    }

    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Returns the origin as browsers send it.
    pub(super) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Returns the value of `Host`, without the scheme's own port.
    pub(super) fn authority(&self) -> String {
        match self.0.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_owned(),
        }
    }

    /// Returns the path of a route, such as `/auth/login`.
    pub(super) fn path(&self, route: &str) -> String {
        format!("{}{route}", self.0.path().trim_end_matches('/'))
    }

    /// Returns the URL of a route.
    pub(super) fn address(&self, route: &str) -> String {
        let mut url = self.0.clone();
        url.set_path(&self.path(route));
        url.into()
    }

    /// Resolves the host. A resolver may not answer, so it has a thread of its own.
    pub(super) fn resolve(&self, timeout: Duration) -> Result<Vec<SocketAddr>, Failure> {
        let port = self.0.port_or_known_default().unwrap_or_default();
        let name = match self.0.host() {
            Some(Host::Ipv4(ip)) => return Ok(vec![(ip, port).into()]),
            Some(Host::Ipv6(ip)) => return Ok(vec![(ip, port).into()]),
            Some(Host::Domain(name)) => name.to_owned(),
            None => String::new(),
        };
        let (found, answer) = mpsc::channel();
        let resolve = move || {
            let addresses = (name.as_str(), port).to_socket_addrs();
            let _late = found.send(addresses.map(Iterator::collect::<Vec<_>>));
        };
        let no_address = |why: &str| Failure::NoAddress(self.host().to_owned(), why.to_owned());
        thread::Builder::new()
            .spawn(resolve)
            .map_err(|error| no_address(&error.to_string()))?;
        match answer.recv_timeout(timeout) {
            Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
            Ok(Ok(_)) => Err(no_address("the resolver found none")),
            Ok(Err(error)) => Err(no_address(&error.to_string())),
            Err(_) => Err(no_address("the resolver does not answer")),
        }
    }
}
