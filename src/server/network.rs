//! Defines the network that a client belongs to, the unit that rate limits and the password queue count by.

use std::net::{IpAddr, Ipv6Addr};

use crate::session::Act;

/// Returns the client's network: the address for IPv4 and the /64 for IPv6, since a household has at least that much
/// (RFC 6177). Clients without an address share one network.
pub(super) fn network(act: &Act) -> String {
    match address(act) {
        Some(IpAddr::V6(address)) => prefix(address, 64),
        Some(IpAddr::V4(address)) => address.to_string(),
        None => String::new(),
    }
}

fn address(act: &Act) -> Option<IpAddr> {
    act.ip.as_deref()?.parse().ok()
}

/// Returns the network of `bits` bits, 1 to 128, around an address.
fn prefix(address: Ipv6Addr, bits: u32) -> String {
    let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits)));
    format!("{network}/{bits}")
}
