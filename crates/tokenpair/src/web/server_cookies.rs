//! Implements cookies beside the four of tokens: the app's own, and removals of those that earlier
//! settings left in browsers.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, SET_COOKIE};

use super::cookie_header::values;
use super::cookies::{CookiePolicy, Keep, Shape, append, sets};
use crate::token::TokenKind;

impl CookiePolicy {
    /// Adds a cookie of the app, hidden from scripts: with the attributes of the token cookies, for
    /// the whole host, and with the prefix of the access token's cookie.
    pub fn set_own(&self, headers: &mut HeaderMap, name: &str, value: &str, lifetime: Duration) {
        let name = self.own_name(name);
        let shape = Shape {
            name: &name,
            path: "/",
            domain: self.domain.as_deref(),
            http_only: true,
        };
        append(headers, &self.cookie(&shape, value, &Keep::For(lifetime)));
    }

    /// Returns the values of all cookies that [`CookiePolicy::set_own`] could have set under that
    /// name.
    pub fn read_own<'a>(&self, request: &'a HttpRequest, name: &str) -> Vec<Cow<'a, str>> {
        let name = self.own_name(name);
        let values = values(request, &name);
        values.map(String::from_utf8_lossy).collect()
    }

    fn own_name(&self, name: &str) -> String {
        const PREFIXES: [&str; 4] = ["__Host-Http-", "__Http-", "__Host-", "__Secure-"];
        let prefix = PREFIXES.iter().find_map(|prefix| {
            let start = self.access_name.get(..prefix.len())?;
            start.eq_ignore_ascii_case(prefix).then_some(start)
        });
        format!("{}{name}", prefix.unwrap_or_default())
    }
}

/// The places where cookies of earlier settings may remain in a browser.
#[derive(Clone, Copy, Debug)]
pub struct Leftovers<'a> {
    /// The server's host name, whose parent domains may hold cookies. Never taken from the request,
    /// because it appears in the response.
    pub host: Option<&'a str>,
    /// Whether the response answers a login. The request's cookie may then belong to another user,
    /// in a place where the new cookie does not replace it.
    pub new_session: bool,
}

impl CookiePolicy {
    /// Expires the twins of the cookies that a response sets or removes: cookies of the same name
    /// with another domain or path.
    ///
    /// A request does not reveal the domain and path of its cookies. So twins are expired only
    ///
    /// - if the request has several cookies of one name, or a cookie that our path does not account
    ///   for;
    /// - at a login, in the domains of the host;
    /// - if a domain is configured, for the host alone.
    ///
    /// There is one removal for each place where a change of a single setting can have left a twin.
    pub fn remove_twins(
        &self,
        request: &HttpRequest,
        headers: &mut HeaderMap,
        leftovers: Leftovers<'_>,
    ) {
        let mut removals = HeaderMap::new();
        for kind in [TokenKind::Access, TokenKind::Refresh] {
            for shape in [self.token_shape(kind), self.csrf_shape(kind)] {
                if sets(headers, shape.name) {
                    for twin in twins(&shape, request, leftovers) {
                        append(&mut removals, &self.cookie(&twin, "", &Keep::Remove));
                    }
                }
            }
        }
        if removals.is_empty() {
            return;
        }
        // Removals go first, for simple clients that identify cookies by name alone.
        let own = headers.remove(SET_COOKIE);
        for value in removals.get_all(SET_COOKIE).cloned().chain(own) {
            headers.append(SET_COOKIE, value);
        }
    }
}

fn twins<'a>(
    shape: &Shape<'a>,
    request: &'a HttpRequest,
    Leftovers { host, new_session }: Leftovers<'a>,
) -> Vec<Shape<'a>> {
    let presented = values(request, shape.name).take(2).count();
    // RFC 6265bis section 4.1.3.2: such a cookie has no domain and the path `/`, so it has no
    // twins.
    let prefix = shape.name.get(.."__Host-".len());
    if presented == 0 || prefix.is_some_and(|start| start.eq_ignore_ascii_case("__Host-")) {
        return Vec::new();
    }
    // If our path does not cover the request, the cookie came from another path.
    let comes = paths(request.uri().path()).any(|path| path == shape.path);
    let several = presented > 1 || !comes;
    let parents = host
        .filter(|_| several || new_session)
        .map(domains)
        .into_iter()
        .flatten()
        .map(Some);
    let elsewhere = [None].into_iter().chain(parents);
    let of_domains = elsewhere
        .filter(|domain| *domain != shape.domain)
        .map(|domain| Shape { domain, ..*shape });
    let above = several.then(|| paths(request.uri().path()));
    let of_paths = above
        .into_iter()
        .flatten()
        .filter(|path| *path != shape.path)
        .map(|path| Shape { path, ..*shape });
    of_domains.chain(of_paths).collect()
}

/// Maximum number of domains, and of paths, to expire twins in. Keeps the response headers below
/// the limits of proxies.
const PLACES: usize = 4;

/// Returns the domains that a host belongs to, beginning with its own name. An IP address has none.
fn domains(host: &str) -> impl Iterator<Item = &str> {
    let name = Some(host).filter(|host| {
        let last = host.rsplit('.').next().unwrap_or_default();
        !host.contains(':') && last.bytes().any(|byte| byte.is_ascii_alphabetic())
    });
    std::iter::successors(name, |name| Some(name.split_once('.')?.1))
        .take_while(|name| name.contains('.'))
        .take(PLACES)
}

/// Returns the cookie paths that cover a request to `path` (RFC 6265 section 5.1.4), if they need
/// no quoting.
fn paths(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').skip(1).map(|(end, _)| end);
    let whole = Some(path.len()).filter(|end| *end > 1);
    let ends = [1].into_iter().chain(ends).chain(whole);
    let clean = |path: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
        path.starts_with('/') && path.bytes().all(plain)
    };
    ends.filter_map(move |end| path.get(..end))
        .filter(clean)
        .take(PLACES)
}
