//! `tokenpair healthcheck`: for containers, which have no curl.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use serde::Deserialize;
use ureq::tls::TlsConfig;
use url::Url;

use super::{CommandError, settings};

const PATIENCE: Duration = Duration::from_secs(5);

const READY: &str = "/health/ready";

/// In bytes; a reason has a few hundred.
const BODY_LIMIT: u64 = 65_536;

/// What the server says of itself if it is not ready.
#[derive(Deserialize)]
struct Reason {
    msg: String,
    code: String,
    #[serde(default)]
    hint: String,
}

pub(super) fn run(address: Option<&str>, out: &mut dyn Write) -> Result<(), CommandError> {
    let url = match address {
        Some(address) => readiness_of(address)?,
        None => own_readiness()?,
    };
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .proxy(None)
        .tls_config(whatever_certificate())
        .build()
        .new_agent();
    let not_ready = |why: String| CommandError::from(format!("{url} is not ready: {why}"));
    let mut answer = agent
        .get(&url)
        .call()
        .map_err(|error| not_ready(error.to_string()))?;
    if answer.status().is_success() {
        return Ok(writeln!(out, "ready")?);
    }
    let body = answer.body_mut().with_config().limit(BODY_LIMIT);
    let reason = body.read_to_string().unwrap_or_default();
    Err(not_ready(match serde_json::from_str(&reason) {
        Ok(Reason { msg, code, hint }) => format!("{msg} ({code}). {hint}").trim_end().to_owned(),
        // Another program's answer, such as a proxy's.
        Err(_) => answer.status().to_string(),
    }))
}

fn own_readiness() -> Result<String, CommandError> {
    let settings = settings()?;
    let scheme = settings.tls.as_ref().map_or("http", |_| "https");
    Ok(format!("{scheme}://{}{READY}", reachable(settings.bind)))
}

/// Without a path, of the server at that address.
fn readiness_of(address: &str) -> Result<String, CommandError> {
    let url = Url::parse(address).ok();
    // No password belongs into arguments, which others on the machine can read.
    let fits = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
    };
    let mut url = url
        .filter(fits)
        .ok_or("write the server's address, as in http://127.0.0.1:8080")?;
    if url.path() == "/" {
        url.set_path(READY);
    }
    Ok(url.into())
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
