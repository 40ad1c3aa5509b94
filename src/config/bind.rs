//! Defines the address to listen on, which may be a host name with several addresses.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};

use url::{Host, Url};

use super::urls::is_loopback_host;
use tokenpair::config::Reader;

pub(super) const DEFAULT: &str = "127.0.0.1:8080";

/// The address of `SERVER_BIND`, or every address of its host name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bind {
    /// The host name, if the setting has one.
    name: Option<String>,
    first: SocketAddr,
    others: Vec<SocketAddr>,
}

impl Bind {
    /// Returns the addresses of a host name, or `None` if it has none.
    pub(crate) fn of_name(
        name: &str,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Option<Self> {
        let addresses: BTreeSet<SocketAddr> = addresses.into_iter().collect();
        let mut addresses = addresses.into_iter();
        Some(Self {
            name: Some(name.to_owned()),
            first: addresses.next()?,
            others: addresses.collect(),
        })
    }

    /// Returns the addresses, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }

    /// Returns the address that stands for all of them in messages.
    pub const fn first(&self) -> SocketAddr {
        self.first
    }

    /// Returns the port. Zero lets the system choose.
    pub const fn port(&self) -> u16 {
        self.first.port()
    }

    /// Returns whether both listen on one port of one address. Port 0 is a free one.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let same = |one: SocketAddr, other: SocketAddr| {
            let any = one.ip().is_unspecified() || other.ip().is_unspecified();
            one.port() == other.port() && (one.ip() == other.ip() || any)
        };
        let pairs = self
            .addresses()
            .flat_map(|one| other.addresses().map(move |other| (one, other)));
        self.port() != 0 && pairs.into_iter().any(|(one, other)| same(one, other))
    }

    /// Returns whether only this machine can connect: every address is on loopback.
    pub fn is_loopback(&self) -> bool {
        self.addresses().all(|address| address.ip().is_loopback())
    }

    /// Returns the URL for browsers on this machine, or `None` if others can connect too. Only a
    /// name that is always loopback (RFC 6761 section 6.3) stands in it, since browsers trust no
    /// other one over http.
    pub(super) fn own_url(&self, scheme: &str) -> Option<Url> {
        let host = |name: &&String| is_loopback_host(&Host::Domain(name.as_str()));
        let host = match self.name.as_ref().filter(host) {
            Some(name) => format!("{name}:{}", self.port()),
            None => self.first.to_string(),
        };
        let url = format!("{scheme}://{host}").parse().ok();
        url.filter(|_| self.is_loopback())
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}:{}", self.port()),
            None => self.first.fmt(f),
        }
    }
}

impl From<SocketAddr> for Bind {
    fn from(address: SocketAddr) -> Self {
        Self {
            name: None,
            first: address,
            others: Vec::new(),
        }
    }
}

/// Reads `SERVER_BIND`.
pub(super) fn read_bind(reader: &mut Reader<'_>, name: &'static str) -> Bind {
    let default = Bind::from(SocketAddr::from(([127, 0, 0, 1], 8080)));
    read_address(reader, name, DEFAULT).unwrap_or(default)
}

/// Reads a setting with an address. A host name is resolved once, at start. `None` if it is not set,
/// or if it is wrong, which adds a problem.
pub(super) fn read_address(
    reader: &mut Reader<'_>,
    name: &'static str,
    example: &str,
) -> Option<Bind> {
    let text = reader.text(name)?;
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.into());
    }
    let Some((host, port)) = host_and_port(&text) else {
        let complaint = format!("is {text:?}; write an address and a port, as in {example}");
        reader.problem(name, complaint);
        return None;
    };
    let resolved = resolve(&host, port);
    if resolved.is_none() {
        let complaint = format!(
            "is {text:?}, and {host} does not resolve to an address; write a name that this machine resolves, or an \
             address and a port, as in {example}"
        );
        reader.problem(name, complaint);
    }
    resolved
}

/// Splits `name:port`. `None` for a name that is a number, which resolvers take for an address.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    match Host::parse(host).ok()? {
        Host::Domain(name) => Some((name, port.parse().ok()?)),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

fn resolve(name: &str, port: u16) -> Option<Bind> {
    Bind::of_name(name, (name, port).to_socket_addrs().ok()?)
}
