//! Reads cookies raw from the request.
//!
//! actix's own reader percent-decodes names and trims Unicode blanks, by which a sibling host can
//! forge a `__Host-` name, and gives up on all cookies when one of them is malformed. Here names
//! are compared byte by byte (RFC 6265 section 5.4), and a bad sibling hides nothing.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::header::COOKIE;
use memchr::memchr;

use super::cookies::CookiePolicy;
use crate::token::TokenKind;

/// Maximum number of cookies of one name that are tried. Limits the signatures that a request can
/// cost, since other hosts of the domain can set cookies too.
const CANDIDATES: usize = 4;

impl CookiePolicy {
    /// Returns whether the request has a cookie for tokens of that kind. It need not be valid.
    ///
    /// ```
    /// use actix_web::test::TestRequest;
    /// use tokenpair::token::TokenKind;
    /// use tokenpair::web::CookiePolicy;
    ///
    /// let request = TestRequest::default().insert_header(("Cookie", "refresh_token_cookie=x"));
    /// let request = request.to_http_request();
    /// let policy = CookiePolicy::default();
    /// assert!(policy.is_presented(&request, TokenKind::Refresh));
    /// assert!(!policy.is_presented(&request, TokenKind::Access));
    /// ```
    pub fn is_presented(&self, request: &HttpRequest, kind: TokenKind) -> bool {
        self.presented(request, kind).next().is_some()
    }

    /// Returns the non-empty values of the cookies for tokens of that kind, in the order of the
    /// request: longer paths first, then older cookies (RFC 6265 section 5.4).
    pub(super) fn presented<'a>(
        &self,
        request: &'a HttpRequest,
        kind: TokenKind,
    ) -> impl Iterator<Item = Cow<'a, str>> {
        self.presented_raw(request, kind)
            .map(String::from_utf8_lossy)
    }

    /// Returns the same values as they came.
    pub(super) fn presented_raw<'a>(
        &self,
        request: &'a HttpRequest,
        kind: TokenKind,
    ) -> impl Iterator<Item = &'a [u8]> {
        let most = if self.first_that_verifies {
            CANDIDATES
        } else {
            1
        };
        let values = values(request, self.token_name(kind)).take(most);
        // Emptiness is checked last: an empty first cookie still counts as the first.
        values.filter(|value| !value.is_empty())
    }
}

/// Returns the values of all cookies of exactly that name.
pub(super) fn values<'a, 'n>(
    request: &'a HttpRequest,
    name: &'n str,
) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
    let headers = request.headers().get_all(COOKIE);
    let pairs = headers.flat_map(|header| Pairs(Some(header.as_bytes())));
    pairs.filter_map(move |pair| value_of(pair, name.as_bytes()))
}

/// Iterator over the `name=value` pairs of a `Cookie` header.
struct Pairs<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Pairs<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let pairs = self.0?;
        let end = memchr(b';', pairs).unwrap_or(pairs.len());
        let (pair, rest) = pairs.split_at_checked(end)?;
        self.0 = rest.get(1..);
        Some(pair)
    }
}

fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    // Most cookies have another name, which shows before their values are searched for its end.
    if !trim_start(pair).starts_with(name) {
        return None;
    }
    let (found, value) = pair.split_at_checked(memchr(b'=', pair)?)?;
    (trim(found) == name).then(|| trim(value.get(1..).unwrap_or_default()))
}

/// Removes blanks and tabs only: RFC 9110's optional white space, not Unicode's.
const fn trim(bytes: &[u8]) -> &[u8] {
    let mut bytes = trim_start(bytes);
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

const fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::value_of;

    #[test]
    fn a_cookie_is_found_by_its_whole_name_and_without_the_blanks_around_it() {
        for (pair, value) in [
            ("token=a", Some("a")),
            (" \ttoken \t= \ta=b\t ", Some("a=b")),
            ("token=", Some("")),
            ("token", None),
            ("token_old=a", None),
            ("tokens=a", None),
            ("toke=a", None),
            ("my token=a", None),
            ("Token=a", None),
            ("other=token=a", None),
            ("\u{a0}token=a", None),
            ("%74oken=a", None),
            ("=token", None),
            ("", None),
        ] {
            let found = value_of(pair.as_bytes(), b"token");
            assert_eq!(found, value.map(str::as_bytes), "{pair:?}");
        }
    }
}
