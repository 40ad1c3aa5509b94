//! Defines the headers of every response. Unless its handler sets other values, it is not cached,
//! and browsers do not sniff, frame it or send a referrer.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CROSS_ORIGIN_RESOURCE_POLICY, HeaderMap, HeaderName,
    HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS,
};

use crate::config::{Settings, is_loopback};

/// The default headers. A handler's own value takes precedence.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    // Without effect on pages that CORS allows to read: browsers apply it only to requests without
    // CORS.
    (
        CROSS_ORIGIN_RESOURCE_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
];

/// Makes browsers use https only, for two years (RFC 6797 section 6.1).
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// The headers that depend on the settings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeaderDefaults {
    /// Whether the public address is https and not on loopback, where the header would apply to
    /// other programs too.
    pub(super) hsts: bool,
    /// Whether responses differ by the page's origin.
    pub(super) cors: bool,
}

impl HeaderDefaults {
    pub(super) fn of(settings: &Settings) -> Self {
        let url = settings.public_url.as_ref();
        Self {
            hsts: url.is_some_and(|url| url.scheme() == "https" && !is_loopback(url)),
            cors: !settings.cors_origins.is_empty(),
        }
    }

    /// Returns the headers for routes in another app, which decides for its whole host whether
    /// browsers use https only.
    pub(super) fn without_hsts(settings: &Settings) -> Self {
        Self {
            hsts: false,
            ..Self::of(settings)
        }
    }
}

pub(super) fn add_defaults(headers: &mut HeaderMap, edge: Option<HeaderDefaults>) {
    for (name, value) in HEADERS {
        if !headers.contains_key(&name) {
            headers.append(name, value);
        }
    }
    if edge.is_some_and(|edge| edge.hsts) {
        headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
    // Also for responses without CORS headers: a cache must not serve them to another origin
    // (Fetch, 3.3.3).
    if edge.is_some_and(|edge| edge.cors) && !varies_by_origin(headers) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}

/// Sets a header. Responses mostly do not have it yet, and `insert` would move room for several
/// values around.
pub(super) fn set(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if headers.contains_key(&name) {
        headers.insert(name, value);
    } else {
        headers.append(name, value);
    }
}

fn varies_by_origin(headers: &HeaderMap) -> bool {
    let mut values = headers
        .get_all(VARY)
        .filter_map(|value| value.to_str().ok());
    values.any(|value| value.to_ascii_lowercase().contains("origin"))
}
