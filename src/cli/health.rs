//! Implements `tokenpair healthcheck`, for containers without curl.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use serde::Deserialize;
use ureq::tls::TlsConfig;
use url::Url;

use super::{CommandError, settings};
use crate::config::{Settings, is_address};

const TIMEOUT: Duration = Duration::from_secs(5);

const READY: &str = "/health/ready";

/// Maximum size of the response body in bytes. A reason has a few hundred.
const BODY_LIMIT: u64 = 65_536;

/// Why the server is not ready.
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
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .proxy(None)
        .tls_config(accept_any_certificate())
        .build()
        .new_agent();
    let not_ready = |why: String| CommandError::from(format!("{url} is not ready: {why}"));
    let mut response = agent
        .get(&url)
        .call()
        .map_err(|error| not_ready(error.to_string()))?;
    if response.status().is_success() {
        return Ok(writeln!(out, "ready")?);
    }
    let body = response.body_mut().with_config().limit(BODY_LIMIT);
    let reason = body.read_to_string().unwrap_or_default();
    Err(not_ready(match serde_json::from_str(&reason) {
        Ok(Reason { msg, code, hint }) => format!("{msg} ({code}). {hint}").trim_end().to_owned(),
        // Another program responded, such as a proxy.
        Err(_) => response.status().to_string(),
    }))
}

fn own_readiness() -> Result<String, CommandError> {
    Ok(format!("{}{READY}", own_address(&settings()?)))
}

/// Returns the URL of the address in `SERVER_BIND`, without a path.
pub(super) fn own_address(settings: &Settings) -> String {
    let scheme = settings.tls.as_ref().map_or("http", |_| "https");
    format!("{scheme}://{}", reachable(settings.bind.first()))
}

/// Returns the URL to check. An address without a path gets the path of the readiness check.
fn readiness_of(address: &str) -> Result<String, CommandError> {
    let url = Url::parse(address).ok();
    let mut url = url
        .filter(is_address)
        .ok_or("write the server's address, as in http://127.0.0.1:8080")?;
    if url.path() == "/" {
        url.set_path(READY);
    }
    Ok(url.into())
}

/// Accepts any certificate. It names the public address and not the one used here, and it may be
/// private or just expired. The request holds no secret, so a wrong server learns nothing.
fn accept_any_certificate() -> TlsConfig {
    TlsConfig::builder()
        .disable_verification(true)
        .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
        .build()
}

/// Replaces an unspecified address, which accepts no connections, by loopback.
pub(super) fn reachable(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}
