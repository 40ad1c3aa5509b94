//! Implements `tokenpair healthcheck`, for containers without curl.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use serde::Deserialize;
use ureq::http::Response;
use ureq::http::header::LOCATION;
use ureq::tls::TlsConfig;
use url::Url;

use super::{CommandError, settings};
use crate::config::{Settings, is_address};
use crate::no_answer::Asked;

const TIMEOUT: Duration = Duration::from_secs(5);

const READY: &str = "/health/ready";

/// Maximum size of the response body in bytes. A reason has a few hundred.
const BODY_LIMIT: u64 = 65_536;

/// How much of an address that another program redirects to is shown, in characters.
const SHOWN: usize = 200;

/// Why the server is not ready.
#[derive(Deserialize)]
struct Reason {
    msg: String,
    code: String,
    #[serde(default)]
    hint: String,
}

/// The answer of a server that is ready.
#[derive(Deserialize)]
struct Health {
    status: String,
}

pub(super) fn run(address: Option<&str>, out: &mut dyn Write) -> Result<(), CommandError> {
    let (url, named_in) = match address {
        Some(address) => (readiness_of(address)?, "the command"),
        None => (own_readiness()?, "SERVER_BIND"),
    };
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        // Another address is another server's.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .tls_config(accept_any_certificate())
        .build()
        .new_agent();
    let not_ready = |why: String| CommandError::from(format!("{url} is not ready: {why}"));
    let asked = Asked {
        url: &url,
        program: "the server",
        named_in,
    };
    let mut response = agent
        .get(url.as_str())
        .call()
        .map_err(|error| not_ready(asked.no_answer(&error)))?;
    let body = response.body_mut().with_config().limit(BODY_LIMIT);
    let body = body.read_to_string().unwrap_or_default();
    if response.status().is_success() {
        let health: Option<Health> = serde_json::from_str(&body).ok();
        if health.is_some_and(|health| health.status == "ready") {
            return Ok(writeln!(out, "ready")?);
        }
    }
    Err(not_ready(match serde_json::from_str(&body) {
        Ok(Reason { msg, code, hint }) => format!("{msg} ({code}). {hint}").trim_end().to_owned(),
        Err(_) => of_another_program(&response),
    }))
}

/// Says what answered in the server's place, such as a proxy.
fn of_another_program(response: &Response<ureq::Body>) -> String {
    let status = response.status();
    let place = response.headers().get(LOCATION);
    if let Some(place) = place.filter(|_| status.is_redirection()) {
        let place: String = String::from_utf8_lossy(place.as_bytes())
            .chars()
            .take(SHOWN)
            .collect();
        return format!(
            "it answers {status} and redirects to {place}, which is not followed; name the server's own address"
        );
    }
    let cure = match status.as_u16() {
        502..=504 => {
            "start the server, which the proxy there does not reach, or correct the proxy's target"
        }
        404 => {
            "correct the address; if the routes are under a path, add it, as in https://example.org/auth/health/ready"
        }
        _ => "correct the address or the port",
    };
    format!("another program answers there, with {status}; {cure}")
}

fn own_readiness() -> Result<Url, CommandError> {
    Ok(Url::parse(&own_address(&settings()?))?.join(READY)?)
}

/// Returns the URL of the address in `SERVER_BIND`, without a path.
pub(super) fn own_address(settings: &Settings) -> String {
    let scheme = settings.tls.as_ref().map_or("http", |_| "https");
    format!("{scheme}://{}", reachable(settings.bind.first()))
}

/// Returns the URL to check. An address without a path gets the path of the readiness check.
fn readiness_of(address: &str) -> Result<Url, CommandError> {
    let url = Url::parse(address).ok();
    let mut url = url
        .filter(is_address)
        .ok_or("write the server's address, as in http://127.0.0.1:8080")?;
    if url.path() == "/" {
        url.set_path(READY);
    }
    Ok(url)
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
