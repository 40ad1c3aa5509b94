//! Reads what a server says about itself in `/openapi.json`: its cookies, headers and PUBLIC_URL.

use serde_json::Value;
use url::Url;

use super::exchange::Response;
use crate::config::serialized_origin;

/// What a server says about itself, or the defaults if it does not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Described {
    /// Names of the access cookie and the refresh cookie. `None` if tokens do not travel in
    /// cookies.
    pub(super) cookies: Option<[String; 2]>,
    /// Whether tokens travel in `Authorization: Bearer`. False also for another header.
    pub(super) bearer: bool,
    /// Headers that carry the CSRF values of the access token and the refresh token.
    pub(super) csrf_headers: [String; 2],
    /// The origin in PUBLIC_URL, if it is set.
    pub(super) public: Option<String>,
    /// Whether responses have an `X-Request-Id`. Routes in another app have none of their own.
    pub(super) request_id: bool,
}

impl Default for Described {
    fn default() -> Self {
        Self {
            cookies: Some(["access_token_cookie", "refresh_token_cookie"].map(str::to_owned)),
            bearer: true,
            csrf_headers: ["X-CSRF-TOKEN", "X-CSRF-TOKEN"].map(str::to_owned),
            public: None,
            request_id: false,
        }
    }
}

impl Described {
    /// Returns the description. `None` if it is not one of tokenpair.
    pub(super) fn of(response: &Response) -> Option<Self> {
        Self::parse(&response.json()?)
    }

    fn parse(text: &Value) -> Option<Self> {
        let title = text.pointer("/info/title")?.as_str()?;
        if !title.to_ascii_lowercase().contains("tokenpair") {
            return None;
        }
        let scheme = |name: &str| text.pointer(&format!("/components/securitySchemes/{name}"));
        let named = |name: &str| {
            let named = scheme(name)?.get("name")?.as_str()?;
            is_token(named).then(|| named.to_owned())
        };
        let default = Self::default();
        let [access_header, refresh_header] = default.csrf_headers;
        let server = text.pointer("/servers/0/url").and_then(Value::as_str);
        // Of routes in another app, it has their prefix.
        let public = server.and_then(|url| serialized_origin(&Url::parse(url).ok()?));
        let request_id = "/paths/~1account/get/responses/401/headers/X-Request-Id";
        Some(Self {
            cookies: named("access_cookie")
                .zip(named("refresh_cookie"))
                .map(|(access, refresh)| [access, refresh]),
            bearer: scheme("access_header").is_some_and(|scheme| scheme.get("scheme").is_some()),
            csrf_headers: [
                named("access_csrf").unwrap_or(access_header),
                named("refresh_csrf").unwrap_or(refresh_header),
            ],
            public,
            request_id: text.pointer(request_id).is_some(),
        })
    }
}

/// Returns whether a text can be the name of a header or a cookie (RFC 9110 section 5.6.2), so that
/// it can be sent.
fn is_token(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=100).contains(&text.len()) && text.bytes().all(plain)
}
