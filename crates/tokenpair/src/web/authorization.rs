//! Reads the credentials in the header that carries a token, usually `Authorization`.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, HeaderValue};

use super::location::HeaderPolicy;

/// Returns whether the header has credentials of the policy's scheme.
pub(super) fn has_credentials(request: &HttpRequest, policy: &HeaderPolicy) -> bool {
    let value = joined(request, &policy.name);
    match policy.scheme.as_str() {
        "" => !value.trim().is_empty(),
        _ => !of_scheme(&value, policy).is_empty(),
    }
}

/// Returns the words after the scheme, for each credential of that scheme.
pub(super) fn of_scheme<'v>(value: &'v str, policy: &HeaderPolicy) -> Vec<Vec<&'v str>> {
    let is_scheme = |word: &str| {
        if policy.any_case {
            word.eq_ignore_ascii_case(&policy.scheme)
        } else {
            word == policy.scheme
        }
    };
    let behind_scheme = |credential: &'v str| {
        let mut words = credential.split_whitespace();
        words.next().is_some_and(is_scheme).then(|| words.collect())
    };
    value.split(',').filter_map(behind_scheme).collect()
}

/// Repeated headers count as one, joined by commas (RFC 9110 section 5.3). A header that is not
/// text has no token.
pub(super) fn joined(request: &HttpRequest, name: &HeaderName) -> String {
    let values = request.headers().get_all(name).map(HeaderValue::as_bytes);
    values
        .map(String::from_utf8_lossy)
        .collect::<Vec<_>>()
        .join(", ")
}
