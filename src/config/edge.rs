//! Reads the settings of the server's edge: its public address, TLS, and the origins that may use
//! it.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::{AccessLog, Settings, TlsFiles};
use tokenpair::config::Reader;

const CERTIFICATE: &str = "SERVER_TLS_CERT";
const KEY: &str = "SERVER_TLS_KEY";

pub(super) fn tls(reader: &mut Reader<'_>) -> Option<TlsFiles> {
    let files = (path(reader, CERTIFICATE), path(reader, KEY));
    let missing = match files {
        (Some(certificate), Some(key)) => return Some(TlsFiles { certificate, key }),
        (Some(_), None) => (KEY, CERTIFICATE),
        (None, Some(_)) => (CERTIFICATE, KEY),
        (None, None) => return None,
    };
    let (name, given) = missing;
    // A value that is not a path was reported already.
    if reader.text(name).is_none() {
        reader.problem(name, format!("is needed with {given}: TLS requires both"));
    }
    None
}

fn path(reader: &mut Reader<'_>, name: &str) -> Option<PathBuf> {
    let text = reader.text(name)?;
    if is_pem(&text) {
        // Not quoted: it may be the key.
        reader.problem(
            name,
            "holds the PEM itself; write the path of a file that holds it",
        );
        return None;
    }
    Some(PathBuf::from(text))
}

pub(super) fn is_pem(text: &str) -> bool {
    text.contains("-----BEGIN")
}

pub(super) fn public_url(
    reader: &mut Reader<'_>,
    bind: SocketAddr,
    tls: Option<&TlsFiles>,
) -> Option<Url> {
    const NAME: &str = "PUBLIC_URL";
    let scheme = if tls.is_some() { "https" } else { "http" };
    let own = format!("{scheme}://{bind}").parse().ok();
    let own: Option<Url> = own.filter(|_| bind.ip().is_loopback());
    let wanted = "write the address browsers use, without a path, as in https://login.example.org";
    let url = reader.parsed(NAME, own, wanted, |text| {
        let url = bare(text).filter(|url| matches!(url.scheme(), "http" | "https"));
        url.map(Some)
    });
    if tls.is_some() && url.as_ref().is_some_and(|url| url.scheme() == "http") {
        let complaint =
            format!("is http, and with {CERTIFICATE} the server speaks https; write https://");
        reader.problem(NAME, complaint);
    }
    url
}

/// Parses a URL that consists of a scheme, a host and a port only.
fn bare(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    (bare && nobody).then_some(url)
}

/// Returns the origin of a URL as browsers write it (RFC 6454 section 6.1), or `None` without a
/// host. Schemes of app shells, such as `capacitor://localhost`, have an origin too, though not in
/// the URL standard.
pub(crate) fn serialized_origin(url: &Url) -> Option<String> {
    let origin = url.origin();
    if origin.is_tuple() {
        return Some(origin.ascii_serialization());
    }
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let port = url.port().map(|port| format!(":{port}"));
    let (scheme, host) = (url.scheme(), host.to_ascii_lowercase());
    Some(format!("{scheme}://{host}{}", port.unwrap_or_default()))
}

/// Reads the idle timeout of connections. It must be longer than that of proxies (60 s is usual),
/// or a connection could close just as a request arrives.
pub(super) fn keep_alive(reader: &mut Reader<'_>) -> Duration {
    const NAME: &str = "SERVER_KEEP_ALIVE";
    let keep_alive = reader.duration(NAME, Duration::from_secs(75));
    if !(1..=3600).contains(&keep_alive.as_secs()) {
        reader.problem(NAME, "has to be from 1s to 1h");
    }
    keep_alive
}

/// Reads how long a stopping server stays reachable, so that load balancers notice.
pub(super) fn drain(reader: &mut Reader<'_>) -> Duration {
    const NAME: &str = "SERVER_DRAIN";
    let default = if on_a_terminal() { 0 } else { 5 };
    let drain = reader.duration(NAME, Duration::from_secs(default));
    if drain > Duration::from_secs(300) {
        reader.problem(NAME, "has to be from 0s to 5m");
    }
    drain
}

/// Returns whether a person, not a supervisor, runs the server. Ctrl-C should then stop it at once.
fn on_a_terminal() -> bool {
    io::stdin().is_terminal() || io::stderr().is_terminal()
}

/// Reads the allowed origins. Wildcards are rejected, and so is `null`, an origin that any page can
/// have. Any scheme is allowed, since app shells (Capacitor, Ionic, Tauri) load their pages with
/// custom schemes.
pub(super) fn cors_origins(reader: &mut Reader<'_>) -> Vec<String> {
    let wanted = "write origins with commas, each in full and without a path, as in https://app.example.org or \
                  capacitor://localhost";
    reader.parsed_list("SERVER_CORS_ORIGINS", Vec::new(), wanted, |text| {
        let url = bare(text).filter(|_| !text.contains('*'))?;
        serialized_origin(&url)
    })
}

pub(super) fn access_log(reader: &mut Reader<'_>) -> AccessLog {
    match reader.truth("SERVER_ACCESS_LOG", true) {
        true => AccessLog::On,
        false => AccessLog::Off,
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host().is_some_and(|host| is_loopback_host(&host))
}

/// Returns whether a host is the loopback address. Names that end in `.localhost` resolve to it too
/// (RFC 6761 section 6.3).
pub(crate) fn is_loopback_host(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Returns notes on settings that work, but may be a mistake.
pub(super) fn remarks(settings: &Settings) -> Vec<String> {
    let url = settings.public_url.as_ref();
    let cookies = &settings.web.cookies;
    let public = !settings.bind.ip().is_loopback();
    let mut remarks = Vec::new();
    if public && !settings.web.csrf.protect {
        let remark = "JWT_COOKIE_CSRF_PROTECT is false: any site can act for a logged-in user";
        remarks.push(remark.to_owned());
    }
    // A proxy may serve the address that browsers use, so the listening address does not decide.
    let own = |url: &Url| url.scheme() == "http" && is_loopback(url);
    if !cookies.secure && !url.map_or(!public, own) {
        let remark = "JWT_COOKIE_SECURE is false: tokens travel unencrypted over plain http";
        remarks.push(remark.to_owned());
    }
    if cookies.secure && settings.tls.is_none() && url.is_none_or(|url| url.scheme() == "http") {
        let remark = "cookies are Secure, and browsers and curl keep them only over https: \
                      set PUBLIC_URL to the https address that browsers use";
        remarks.push(remark.to_owned());
    }
    let https = url.is_some_and(|url| url.scheme() == "https");
    if https && settings.tls.is_none() && settings.web.trusted_proxies.is_empty() {
        let remark = "PUBLIC_URL is https, and SERVER_TRUSTED_PROXIES names no proxy: \
                      behind a proxy, all clients would appear to have its address";
        remarks.push(remark.to_owned());
    }
    remarks
}

/// Returns whether scripts in pages of that origin can read this server's cookies. Ports do not
/// separate cookies.
pub(super) fn reads_cookies_of(origin: &Url, settings: &Settings) -> bool {
    let host = origin.host_str().unwrap_or_default();
    let own = settings.public_url.as_ref().and_then(Url::host_str);
    let shared = settings.web.cookies.domain.as_deref();
    matches!(origin.scheme(), "http" | "https")
        && (own == Some(host) || shared.is_some_and(|domain| is_within(host, domain)))
}

/// Returns whether the host domain-matches `domain` (RFC 6265 section 5.1.3).
pub(super) fn is_within(host: &str, domain: &str) -> bool {
    let rest = host.strip_suffix(domain);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
