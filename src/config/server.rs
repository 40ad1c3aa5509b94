//! Defines the settings of the server itself: its address, connections, TLS, and the origins and
//! proxies that it trusts.

use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use super::bind::{self, Bind, read_bind};
use super::setting::{Known, SECRET, Setting, duration_within, seconds};
use super::urls::{bare, is_loopback, serialized_origin};
use tokenpair::config::Reader;
use tokenpair::web::{ForwardedHeader, TrustedProxies};

pub(super) const KNOWN: &[Known] = &[
    BIND.known(),
    WORKERS.known(),
    MAX_CONNECTIONS.known(),
    KEEP_ALIVE.known(),
    DRAIN.known(),
    TLS_CERT.known(),
    TLS_KEY.known(),
    CORS_ORIGINS.known(),
    TRUSTED_PROXIES.known(),
    FORWARDED_HEADER.known(),
    PUBLIC_URL.known(),
    DOCS.known(),
];

pub(super) const BIND: Setting<Bind> = Setting::new(
    "SERVER_BIND",
    bind::DEFAULT,
    "The address, or a host name with all its addresses, and the port to listen on.",
    read_bind,
);

pub(super) const WORKERS: Setting<usize> = Setting::new(
    "SERVER_WORKERS",
    "one per core",
    "Threads that serve requests.",
    |reader, name| reader.number(name, cores(), 1..=MAX_WORKERS),
);

pub(super) const MAX_CONNECTIONS: Setting<usize> = Setting::new(
    "SERVER_MAX_CONNECTIONS",
    "10000",
    "Maximum concurrent connections across all threads. Past it only /health/ is answered, and other requests get 503.",
    |reader, name| reader.number(name, 10_000, 1..=1_000_000),
);

/// Must be longer than that of proxies (60 s is usual), or a connection could close just as a
/// request arrives.
pub(super) const KEEP_ALIVE: Setting<Duration> = Setting::new(
    "SERVER_KEEP_ALIVE",
    "75s",
    "Idle timeout of a connection; make it longer than that of a proxy in front of the server. 1s to 1h.",
    |reader, name| duration_within(reader, name, seconds(75), 1..=3600, "from 1s to 1h"),
);

pub(super) const DRAIN: Setting<Duration> = Setting::new(
    "SERVER_DRAIN",
    "5s, or 0 on a terminal",
    "How long a stopping server reports not ready but still accepts connections, so that load balancers notice. 0s to 5m.",
    |reader, name| {
        let default = if on_a_terminal() { 0 } else { 5 };
        duration_within(reader, name, seconds(default), 0..=300, "from 0s to 5m")
    },
);

const TLS_CERT: Setting<Option<PathBuf>> = Setting::new(
    "SERVER_TLS_CERT",
    "none",
    "Path of a PEM certificate and its chain. The server then serves https, and reloads the certificate when it changes.",
    path,
)
.shown_by(unless_pem);

const TLS_KEY: Setting<Option<PathBuf>> = Setting::new(
    "SERVER_TLS_KEY",
    "none",
    "Path of the certificate's PEM private key.",
    path,
)
.shown_by(unless_pem);

/// Wildcards are rejected, and so is `null`, an origin that any page can have. Any scheme is
/// allowed, since app shells (Capacitor, Ionic, Tauri) load their pages with custom schemes.
pub(super) const CORS_ORIGINS: Setting<Vec<String>> = Setting::new(
    "SERVER_CORS_ORIGINS",
    "none",
    "Other origins whose pages may use the server, comma-separated, such as https://app.example.org or capacitor://localhost.",
    |reader, name| {
        let wanted = "write origins with commas, each in full and without a path, as in https://app.example.org or \
                      capacitor://localhost";
        reader.parsed_list(name, Vec::new(), wanted, |text| {
            let url = bare(text).filter(|_| !text.contains('*'))?;
            serialized_origin(&url)
        })
    },
);

const TRUSTED_PROXIES: Setting<Vec<IpNet>> = Setting::new(
    "SERVER_TRUSTED_PROXIES",
    "none",
    "Addresses or networks of trusted proxies, whose Forwarded or X-Forwarded-For header gives the client's address.",
    |reader, name| {
        let wanted = "write the proxies' addresses or networks with commas, as in 10.0.0.1,10.1.0.0/16; \
                      trusting all addresses (/0) lets anyone claim any address";
        reader.parsed_list(name, Vec::new(), wanted, network)
    },
);

const FORWARDED_HEADER: Setting<ForwardedHeader> = Setting::new(
    "SERVER_FORWARDED_HEADER",
    "auto",
    "Header that the proxies write: forwarded, x-forwarded-for, or auto. auto: either; if both are present and disagree, logins are rejected.",
    |reader, name| {
        let choices = [
            ("auto", ForwardedHeader::Auto),
            ("forwarded", ForwardedHeader::Forwarded),
            ("x-forwarded-for", ForwardedHeader::XForwardedFor),
        ];
        reader.choice(name, ForwardedHeader::Auto, &choices)
    },
);

const PUBLIC_URL: Setting<Option<Url>> = Setting::new(
    "PUBLIC_URL",
    "SERVER_BIND, on loopback",
    "Address that browsers use. It decides whether cookies are Secure; writes from pages under another host name are rejected.",
    |reader, name| {
        let wanted =
            "write the address browsers use, without a path, as in https://login.example.org";
        reader.parsed(name, None, wanted, |text| {
            let url = bare(text).filter(|url| matches!(url.scheme(), "http" | "https"));
            url.map(Some)
        })
    },
);

/// `None` if the address decides.
const DOCS: Setting<Option<bool>> = Setting::new(
    "SERVER_DOCS",
    "on, on loopback only",
    "on: serves /docs, where people call the routes from the API's description, and /demo. off: both are 404.",
    |reader, name| reader.text(name).map(|_| reader.truth(name, false)),
);

/// The paths of the TLS certificate and its key, both in PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// `SERVER_TLS_CERT`: the certificate and its chain.
    pub certificate: PathBuf,
    /// `SERVER_TLS_KEY`
    pub key: PathBuf,
}

/// The address that browsers use.
pub(super) struct PublicUrl {
    pub(super) url: Option<Url>,
    /// Whether it was set instead of derived.
    pub(super) is_set: bool,
}

/// The maximum of actix-server.
const MAX_WORKERS: usize = 512;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_WORKERS))
}

/// Returns whether a person, not a supervisor, runs the server. Ctrl-C should then stop it at once.
fn on_a_terminal() -> bool {
    io::stdin().is_terminal() || io::stderr().is_terminal()
}

fn path(reader: &mut Reader<'_>, name: &'static str) -> Option<PathBuf> {
    let text = reader.text(name)?;
    if is_pem(&text) {
        // Not quoted: it may be the key.
        let complaint = "holds the PEM itself; write the path of a file that holds it";
        reader.problem(name, complaint);
        return None;
    }
    Some(PathBuf::from(text))
}

fn is_pem(text: &str) -> bool {
    text.contains("-----BEGIN")
}

/// Hides a key that the operator wrote here instead of its path.
fn unless_pem(text: &str) -> String {
    if is_pem(text) {
        SECRET(text)
    } else {
        text.to_owned()
    }
}

fn network(text: &str) -> Option<IpNet> {
    let network: Option<IpNet> = text.parse().ok();
    let address = || text.parse().ok().map(|address: IpAddr| address.into());
    network
        .or_else(address)
        .filter(|network| network.prefix_len() > 0)
}

pub(super) fn trusted_proxies(reader: &mut Reader<'_>) -> TrustedProxies {
    TrustedProxies::new(TRUSTED_PROXIES.read(reader)).reading(FORWARDED_HEADER.read(reader))
}

pub(super) fn tls(reader: &mut Reader<'_>) -> Option<TlsFiles> {
    let (missing, given) = match (TLS_CERT.read(reader), TLS_KEY.read(reader)) {
        (Some(certificate), Some(key)) => return Some(TlsFiles { certificate, key }),
        (Some(_), None) => (TLS_KEY.name(), TLS_CERT.name()),
        (None, Some(_)) => (TLS_CERT.name(), TLS_KEY.name()),
        (None, None) => return None,
    };
    // A value that is not a path, or cannot be read, was reported already.
    if !reader.has_problem(missing) {
        reader.problem(
            missing,
            format!("is needed with {given}: TLS requires both"),
        );
    }
    None
}

/// Returns whether `/docs` and `/demo` are served. Default: only where no other machine can reach
/// them, neither directly nor through a proxy.
pub(super) fn docs(reader: &mut Reader<'_>, bind: &Bind, public_url: &PublicUrl) -> bool {
    let at_home = || bind.is_loopback() && public_url.url.as_ref().is_none_or(is_loopback);
    DOCS.read(reader).unwrap_or_else(at_home)
}

pub(super) fn public_url(
    reader: &mut Reader<'_>,
    bind: &Bind,
    tls: Option<&TlsFiles>,
) -> PublicUrl {
    let set = PUBLIC_URL.read(reader);
    let is_set = set.is_some();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = set.or_else(|| bind.own_url(scheme));
    if tls.is_some() && url.as_ref().is_some_and(|url| url.scheme() == "http") {
        let certificate = TLS_CERT.name();
        let complaint =
            format!("is http, and with {certificate} the server speaks https; write https://");
        reader.problem(PUBLIC_URL.name(), complaint);
    }
    PublicUrl { url, is_set }
}
