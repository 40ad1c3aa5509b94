//! Defines what the settings know of URLs, hosts and origins.

use url::{Host, Url};

/// Parses a URL that consists of a scheme, a host and a port only.
pub(super) fn bare(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    (bare && names_nobody(&url)).then_some(url)
}

/// Returns whether a URL is an address of http or https without a user. Others can read addresses,
/// in arguments and in logs, so a password must not be in them.
pub(crate) fn is_address(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && names_nobody(url)
}

fn names_nobody(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
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

/// Returns whether the host domain-matches `domain` (RFC 6265 section 5.1.3).
pub(super) fn is_within(host: &str, domain: &str) -> bool {
    let rest = host.strip_suffix(domain);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Returns whether a path is `above` or below it. Browsers send a cookie with the path `above` to
/// exactly these paths (RFC 6265 section 5.1.4).
pub(crate) fn is_under(path: &str, above: &str) -> bool {
    let rest = path.strip_prefix(above);
    rest.is_some_and(|rest| rest.is_empty() || above.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::is_under;

    #[test]
    fn a_cookie_is_sent_to_its_path_and_below() {
        for path in ["/", "/auth", "/auth/", "/auth/refresh"] {
            assert!(is_under("/auth/refresh", path), "{path}");
        }
        for path in ["/refresh", "/au", "/auth/refresh/", "/auth/refreshed"] {
            assert!(!is_under("/auth/refresh", path), "{path}");
        }
    }
}
