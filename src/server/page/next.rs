//! Defines [`Next`], the path to return to after a login.

use std::borrow::Cow;

use actix_web::{HttpRequest, web};
use percent_encoding::percent_decode_str;
use url::{Position, Url};

use crate::config::{is_address, serialized_origin};
use crate::server::origins::Origins;
use crate::server::state::AppState;

/// The longest path, in bytes. Proxies refuse longer request lines.
const MAX: usize = 2048;

/// How often a proxy and an application might decode a path one after the other.
const DECODINGS: usize = 4;

/// A path of this server's own origin, with its query and fragment, as `Location` has it, or the
/// address of a page of an origin in `SERVER_CORS_ORIGINS`.
///
/// Browsers take `//evil` and `/\evil` for another host, and drop tabs and line feeds from an
/// address. A proxy may decode a path, or remove its dot segments, before it redirects. So a path
/// has none of these in any of its decodings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::server) struct Next(String);

impl Next {
    /// Returns the page that a request names, unless a browser must not be sent there.
    pub(super) fn of(request: &HttpRequest, text: &str) -> Option<Self> {
        let state = request.app_data::<web::Data<AppState>>();
        let listed = || Self::listed(text, &state?.origins);
        Self::parse(text).or_else(listed)
    }

    /// Returns the address of a page whose origin the operator trusts.
    fn listed(text: &str, origins: &Origins) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let origin = serialized_origin(&url)?;
        let is_page = is_address(&url) && origins.listed.contains(&origin);
        // What a proxy cannot decode, it does not take for the logout.
        let is_safe = || each_decoding(url.path(), |path| !leads_to_logout(path)) != Some(false);
        // As a browser reads it, so that both mean the same host.
        (is_page && url.as_str().len() <= MAX && is_safe()).then(|| Self(url.into()))
    }

    /// Returns the path, unless a browser could be led to another origin with it, or it would log
    /// the user out again.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX || text.chars().any(|letter| letter.is_control()) {
            return None;
        }
        let end = text.find(['?', '#']).unwrap_or(text.len());
        let (path, rest) = text.split_at(end);
        match each_decoding(path, is_local) {
            Some(true) => Self::normalized(path, rest),
            _ => None,
        }
    }

    fn normalized(path: &str, rest: &str) -> Option<Self> {
        let url = resolve(&format!("{path}{rest}"))?;
        let relative = &url[Position::BeforePath..];
        (relative.len() <= MAX).then(|| Self(relative.to_owned()))
    }

    pub(in crate::server) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The end of the only address at which a GET has an effect, also where the routes have a prefix.
const LOG_OUT: &str = "/logout";

/// Returns whether a browser, and whoever removes dot segments, takes this for a path, and not for
/// that of the logout.
fn is_local(path: &str) -> bool {
    let is_plain = |path: &str| {
        let mut letters = path.chars();
        letters.next() == Some('/') && letters.next() != Some('/')
    };
    let has_traps = path.contains(|letter: char| letter.is_control() || letter == '\\');
    let resolved = resolve(path).is_some_and(|url| is_plain(url.path()) && !is_logout(url.path()));
    !has_traps && is_plain(path) && resolved
}

fn is_logout(path: &str) -> bool {
    path.trim_end_matches('/').ends_with(LOG_OUT)
}

/// Returns whether the path, or what is left of it without dot segments, is that of the logout.
fn leads_to_logout(path: &str) -> bool {
    is_logout(path) || resolve(path).is_some_and(|url| is_logout(url.path()))
}

/// Returns whether something holds for the path and for each of its decodings. One that can be
/// decoded further and further might be anything, so it does not. `None` if it holds until one is
/// not UTF-8.
fn each_decoding(path: &str, holds: fn(&str) -> bool) -> Option<bool> {
    let mut decoded = Cow::Borrowed(path);
    for _ in 0..DECODINGS {
        if !holds(&decoded) {
            return Some(false);
        }
        let further = decode(&decoded)?;
        if further == decoded {
            return Some(true);
        }
        decoded = Cow::Owned(further);
    }
    Some(false)
}

fn resolve(path: &str) -> Option<Url> {
    let base = Url::parse("http://next.invalid/").ok()?;
    let url = base.join(path).ok()?;
    (url.origin() == base.origin()).then_some(url)
}

/// Returns the path with its percent-encoding decoded once. `None` if that is not UTF-8.
fn decode(path: &str) -> Option<String> {
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::{MAX, Next};

    #[test]
    fn a_path_of_this_origin_is_kept_with_its_query() {
        for (text, kept) in [
            ("/", "/"),
            ("/app", "/app"),
            ("/app/", "/app/"),
            ("/a/b?c=d&e=%0A#f", "/a/b?c=d&e=%0A#f"),
            ("/?show=password", "/?show=password"),
            (
                "/search?to=https://other.example/",
                "/search?to=https://other.example/",
            ),
            ("/a+b=c&d", "/a+b=c&d"),
            ("/a:b@c", "/a:b@c"),
            ("/caf%C3%A9", "/caf%C3%A9"),
            ("/café au lait", "/caf%C3%A9%20au%20lait"),
            ("/a/../b", "/b"),
            ("/100%25", "/100%25"),
            ("/logout/x", "/logout/x"),
        ] {
            let next = Next::parse(text);
            assert_eq!(next.as_ref().map(Next::as_str), Some(kept), "{text}");
        }
    }

    #[test]
    fn whatever_could_lead_elsewhere_is_none() {
        let long = format!("/{}", "a".repeat(MAX));
        for text in [
            "",
            "app",
            "?a",
            "#a",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "\\/evil.example",
            "/a\\b",
            "/\t/evil.example",
            "/\n/evil.example",
            "\t//evil.example",
            " //evil.example",
            " /app",
            "/a\u{7f}",
            "/a\u{85}",
            "/%2Fevil.example",
            "/%2f%2Fevil.example",
            "%2F%2Fevil.example",
            "/%5Cevil.example",
            "/%5cevil.example",
            "/%09/evil.example",
            "/a%0D%0ASet-Cookie:%20a=b",
            "/%252Fevil.example",
            "/%25252Fevil.example",
            "/%25255Cevil.example",
            "/%2525252525252Fevil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/a/..//evil.example",
            "/%2e//evil.example",
            "/%2e%2e/%2Fevil.example",
            "/%252e/%252Fevil.example",
            "/%FF",
            "http://evil.example",
            "https://evil.example/app",
            "https:evil.example",
            "http:/evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "/logout",
            "/logout/",
            "/logout?a",
            "/a/../logout",
            "/%6Cogout",
            "/auth/logout",
            "/auth/%6cogout",
            long.as_str(),
        ] {
            assert_eq!(Next::parse(text), None, "{text:?}");
        }
    }
}
