//! `tokenpair healthcheck`: for containers, which have no curl.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use ureq::tls::TlsConfig;

use super::{Failure, settings};

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(out: &mut dyn Write) -> Result<(), Failure> {
    let settings = settings()?;
    let scheme = settings.tls.as_ref().map_or("http", |_| "https");
    let url = format!("{scheme}://{}/health/ready", reachable(settings.bind));
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .proxy(None)
        .tls_config(whatever_certificate())
        .build()
        .new_agent();
    match agent.get(&url).call() {
        Ok(_) => Ok(writeln!(out, "ready")?),
        Err(error) => Err(format!("{url} is not ready: {error}").into()),
    }
}

/// The certificate names the public address, not the one asked here, and may be a private one or a moment too old. To
/// ask whether one's own server is ready nothing secret is sent, so nothing is lost if another should answer.
fn whatever_certificate() -> TlsConfig {
    TlsConfig::builder()
        .disable_verification(true)
        .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
        .build()
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
