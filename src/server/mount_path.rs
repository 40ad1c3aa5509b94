//! Checks the prefix of mounted routes, and that the cookies reach the routes behind it.

use crate::config::Problems;
use tokenpair::config::Reader;
use tokenpair::web::{Location, WebPolicy};

/// Checks the prefix, and the paths of the tokens' cookies: a browser would otherwise never send
/// them to the routes that need them.
pub(super) fn check(prefix: &str, web: &WebPolicy) -> Result<(), Problems> {
    let mut reader = Reader::new(|_| Ok(None), Vec::new());
    if !is_prefix(prefix) {
        let complaint = format!(
            "is {prefix:?}; write a path without a slash at the end, such as \"/auth\", or \"\" for none"
        );
        reader.problem("AccountRoutesBuilder::prefix", complaint);
        return reader.finish(());
    }
    if !web.locations.contains(&Location::Cookies) {
        return Ok(());
    }
    let cookies = &web.cookies;
    let needed = [
        ("JWT_ACCESS_COOKIE_PATH", &cookies.access_path, "/account"),
        ("JWT_ACCESS_COOKIE_PATH", &cookies.access_path, "/sessions"),
        ("JWT_REFRESH_COOKIE_PATH", &cookies.refresh_path, "/refresh"),
    ];
    for (name, path, route) in needed {
        let address = format!("{prefix}{route}");
        if !is_sent_to(path, &address) {
            let complaint = format!(
                "is {path:?}, so browsers do not send the cookie to {address}; set it to {:?} or \"/\"",
                if prefix.is_empty() { "/" } else { prefix }
            );
            reader.problem(name, complaint);
        }
    }
    reader.finish(())
}

/// Returns whether each segment of the prefix means itself in an address and in Actix's patterns.
fn is_prefix(prefix: &str) -> bool {
    let is_plain =
        |letter: char| letter.is_ascii_alphanumeric() || ['-', '.', '_', '~'].contains(&letter);
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(is_plain);
    match prefix.strip_prefix('/') {
        Some(segments) => segments.split('/').all(is_segment),
        None => prefix.is_empty(),
    }
}

/// Returns whether a browser sends a cookie with this path to an address (RFC 6265 section 5.1.4).
fn is_sent_to(path: &str, address: &str) -> bool {
    address
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || path.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::{is_prefix, is_sent_to};

    #[test]
    fn a_prefix_is_none_or_plain_segments() {
        for prefix in ["", "/auth", "/api/v1", "/a.b-c_d~e"] {
            assert!(is_prefix(prefix), "{prefix}");
        }
        for prefix in [
            "/", "auth", "/auth/", "//auth", "/{id}", "/a b", "/..", "/%61", "/a?b",
        ] {
            assert!(!is_prefix(prefix), "{prefix}");
        }
    }

    #[test]
    fn a_cookie_is_sent_to_its_path_and_below() {
        for path in ["/", "/auth", "/auth/", "/auth/refresh"] {
            assert!(is_sent_to(path, "/auth/refresh"), "{path}");
        }
        for path in ["/refresh", "/au", "/auth/refresh/", "/auth/refreshed"] {
            assert!(!is_sent_to(path, "/auth/refresh"), "{path}");
        }
    }
}
