//! Defines the greeting of a starting server: its address, what to open, and who keeps its cookies.
//!
//! Other programs read the first line, and the last one begins with `try:`.

use std::net::SocketAddr;

use super::health::reachable;
use crate::command::command;
use crate::config::{Registration, Settings, is_loopback};
use tokenpair::web::Location;

/// Returns the greeting.
pub(super) fn greeting(
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    settings: &Settings,
    has_users: bool,
) -> String {
    let scheme = settings.tls.as_ref().map_or("http", |_| "https");
    let version = env!("CARGO_PKG_VERSION");
    let url = url(address, scheme, settings);
    let mut lines = vec![
        format!("tokenpair {version} listens on {scheme}://{address}"),
        format!("database: {}", settings.database),
        open(&url, pages(settings)),
    ];
    if let Some(metrics) = metrics {
        lines.push(format!("metrics: http://{metrics}/metrics"));
    }
    if !has_users {
        let add = command("user add NAME --admin");
        lines.push(format!("users: none yet; add the first with: {add}"));
    }
    lines.push(cookies(settings));
    lines.push(try_it(&url, settings.registration));
    lines.join("\n") + "\n"
}

/// Returns the URL for the reader.
fn url(address: SocketAddr, scheme: &str, settings: &Settings) -> String {
    // Port 0 lets the system choose, and only then is the port known.
    let chosen = settings.bind.port() != 0;
    let url = settings.public_url.as_ref().filter(|_| chosen);
    let own = || format!("{scheme}://{}/", reachable(address));
    url.map_or_else(own, ToString::to_string)
}

/// Returns the paths of the pages that a person can open. The only place that lists them.
fn pages(settings: &Settings) -> &'static [&'static str] {
    if settings.docs {
        &["/", "/docs", "/demo"]
    } else {
        &["/"]
    }
}

fn open(url: &str, pages: &[&str]) -> String {
    let base = url.trim_end_matches('/');
    match pages {
        [first, rest @ ..] if !rest.is_empty() => {
            format!("open: {base}{first} (also {})", rest.join(", "))
        }
        _ => format!("open: {base}/"),
    }
}

/// Says which clients store the cookies under these settings.
fn cookies(settings: &Settings) -> String {
    let web = &settings.web;
    if !web.locations.contains(&Location::Cookies) {
        return "cookies: none; tokens travel in headers, so browsers cannot log in on the page /"
            .to_owned();
    }
    // Without a public URL, other machines use an address that the server does not know.
    let loopback = settings.public_url.as_ref().is_some_and(is_loopback);
    let https = settings.public_url.as_ref().map_or_else(
        || settings.tls.is_some(),
        |public| public.scheme() == "https",
    );
    let who = match (web.cookies.secure, https, loopback) {
        (true, true, _) => "browsers, curl and Postman keep them over https only",
        (true, false, true) => {
            "Secure; Chrome, Firefox and curl keep them here, Safari and Postman do not"
        }
        (true, false, false) => {
            "Secure, so browsers, curl and Postman drop them over http; serve https"
        }
        (false, false, true) => {
            "browsers, curl and Postman keep them (localhost and 127.0.0.1 apart)"
        }
        (false, _, _) => "all clients keep them, also over http, where others can read them",
    };
    format!("cookies: {who}")
}

fn try_it(url: &str, registration: Registration) -> String {
    let route = match registration {
        Registration::Open => "register",
        Registration::Closed => "login",
    };
    let body = r#"{"username": "alan", "password": "imitation game"}"#;
    format!("try: curl {url}{route} -H 'Content-Type: application/json' -d '{body}'")
}
