//! `tokenpair healthcheck`: for containers, which have no curl.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::{Failure, settings};

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(out: &mut dyn Write) -> Result<(), Failure> {
    let url = format!("http://{}/health/ready", reachable(settings()?.bind));
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .proxy(None)
        .build()
        .new_agent();
    match agent.get(&url).call() {
        Ok(_) => Ok(writeln!(out, "ready")?),
        Err(error) => Err(format!("{url} is not ready: {error}").into()),
    }
}

/// Every address cannot be asked; one's own can.
fn reachable(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}
