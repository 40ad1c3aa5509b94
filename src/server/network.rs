//! Defines the network that a client belongs to, the unit that rate limits and the password queue
//! count by.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokenpair::session::RequestContext;
use tokenpair_store::password::HashingClient;

/// A wider network around a client's own: the /56 of a home or the /48 of a site (RFC 6177).
pub(super) struct Wider {
    /// The network.
    pub(super) name: String,
    /// Its size, for the audit trail.
    pub(super) size: &'static str,
    /// Its limit, as a multiple of one network's.
    pub(super) times: u32,
}

/// Returns the wider networks around the client's own. IPv4 has no wider networks. One attacker may
/// own all 256 networks of a /56 or all 65,536 of a /48. A /48 may also be shared, as among a
/// carrier's phones, so its limit is above that of one network.
pub(super) fn wider(context: &RequestContext) -> Vec<Wider> {
    let Some(IpAddr::V6(address)) = address(context) else {
        return Vec::new();
    };
    [(56, "/56", 2), (48, "/48", 4)]
        .map(|(bits, size, times)| Wider {
            name: prefix(address, bits),
            size,
            times,
        })
        .into()
}

/// Returns the client's network: the address for IPv4 and the /64 for IPv6, since a household has
/// at least that much (RFC 6177). Clients without an address share one network.
pub(super) fn network(context: &RequestContext) -> String {
    match address(context) {
        Some(IpAddr::V6(address)) => prefix(address, 64),
        Some(IpAddr::V4(address)) => address.to_string(),
        None => String::new(),
    }
}

/// Returns the client's place in the password queue: its network within its site. A site is the /48
/// for IPv6, the most that one customer usually gets (RFC 6177), and the /24 for IPv4.
pub(super) fn client(context: &RequestContext) -> HashingClient {
    let site = match address(context) {
        Some(IpAddr::V6(address)) => prefix(address, 48),
        Some(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        None => String::new(),
    };
    HashingClient::new(site, network(context))
}

/// Returns the client's address. A translated IPv4 address counts as the IPv4 address (RFC 6052
/// section 2.1). Otherwise all clients behind the translator would share one network.
fn address(context: &RequestContext) -> Option<IpAddr> {
    match context.ip? {
        IpAddr::V6(translated) if translated.octets().starts_with(&WELL_KNOWN_PREFIX) => {
            let [.., a, b, c, d] = translated.octets();
            Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
        }
        address => Some(address),
    }
}

/// 64:ff9b::/96
const WELL_KNOWN_PREFIX: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];

/// Returns the network of `bits` bits, 1 to 128, around an address.
fn prefix(address: Ipv6Addr, bits: u32) -> String {
    let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits)));
    format!("{network}/{bits}")
}
