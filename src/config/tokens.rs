//! Defines the settings of tokens and of the ways they are sent. The library reads them, by the
//! names of Flask-JWT-Extended; the defaults and limits here are the server's.

use std::time::Duration;

use url::Url;

use super::setting::{Known, seconds};
use super::urls::is_loopback;
use tokenpair::config::{Never, Reader, read_token_policy, read_web_policy, reissue_within};
use tokenpair::token::TokenPolicy;
use tokenpair::web::{CookiePolicy, Location, TrustedProxies, WebPolicy};

pub(super) const KNOWN: &[Known] = &[
    Known::new(
        "JWT_ACCESS_TOKEN_EXPIRES",
        "1h",
        "Lifetime of an access token.",
    ),
    Known::new(
        "JWT_REFRESH_TOKEN_EXPIRES",
        "30d",
        "Lifetime of a refresh token, and idle timeout of its session.",
    ),
    Known::new(
        "JWT_REISSUE_WITHIN",
        "30m, or half of JWT_ACCESS_TOKEN_EXPIRES if that is less",
        "An access cookie with less time left is replaced, if the refresh cookie comes with it; 0: never.",
    ),
    Known::new(
        "JWT_TOKEN_LOCATION",
        "cookies,headers",
        "Where to look for tokens, in this order.",
    ),
    Known::new(
        "JWT_HEADER_NAME",
        "Authorization",
        "Header that carries a token.",
    ),
    Known::new(
        "JWT_HEADER_TYPE",
        "Bearer",
        "Scheme before the token in that header; none for a bare token.",
    ),
    Known::new(
        "JWT_ENCODE_ISSUER",
        "none",
        "iss claim written into tokens.",
    ),
    Known::new("JWT_DECODE_ISSUER", "none", "Required iss claim."),
    Known::new(
        "JWT_ENCODE_AUDIENCE",
        "none",
        "aud claim written into tokens, comma-separated.",
    ),
    Known::new(
        "JWT_DECODE_AUDIENCE",
        "none",
        "Accepted values of the aud claim, comma-separated; a token needs at least one.",
    ),
    Known::new(
        "JWT_ACCEPT_FOREIGN",
        "false",
        "Accepts access tokens without a session too, such as those of a Flask app with the same secret; they cannot be revoked.",
    ),
    Known::new(
        "JWT_INVALID_TOKEN_STATUS",
        "422",
        "Status for a malformed, forged or misplaced token: 422, as in Flask-JWT-Extended, or 401, so that clients need only one rule.",
    ),
    Known::new(
        "JWT_ENCODE_NBF",
        "true",
        "Whether tokens carry an nbf claim.",
    ),
    Known::new(
        "JWT_DECODE_LEEWAY",
        "0s",
        "How long a token stays valid after its exp; if more than 5s, also how far in the future iat and nbf may be. At most 5m.",
    ),
    Known::new(
        "JWT_CACHE",
        "10000",
        "Number of verified access tokens to cache, so that no signature is verified twice; 0: no cache.",
    ),
];

/// How far ahead the clock of another replica may be. NTP keeps clocks much closer.
const EARLY_LEEWAY: Duration = seconds(5);

pub(super) fn tokens(reader: &mut Reader<'_>) -> TokenPolicy {
    let default = TokenPolicy {
        early_leeway: EARLY_LEEWAY,
        ..TokenPolicy::default()
    };
    let tokens = read_token_policy(reader, default, Never::Refused);
    if tokens.leeway > seconds(300) {
        reader.problem(
            "JWT_DECODE_LEEWAY",
            "is more than 5m; synchronize the servers' clocks with NTP",
        );
    }
    tokens
}

pub(super) fn web(
    reader: &mut Reader<'_>,
    public_url: Option<&Url>,
    trusted_proxies: TrustedProxies,
    tokens: &TokenPolicy,
) -> WebPolicy {
    let default = WebPolicy::default();
    let cookies = CookiePolicy {
        secure: secure_by_default(public_url),
        ..default.cookies
    };
    let allowed = [Location::Cookies, Location::Headers];
    let default = WebPolicy {
        cookies,
        reissue_within: reissue_within(default.reissue_within, tokens),
        trusted_proxies,
        ..default
    };
    read_web_policy(reader, default, &allowed)
}

/// Returns whether cookies are Secure by default: always, except on plain http on loopback, where
/// curl, Postman and Safari would drop a Secure cookie.
fn secure_by_default(public_url: Option<&Url>) -> bool {
    !public_url.is_some_and(|url| url.scheme() == "http" && is_loopback(url))
}

/// Returns whether tokens carry a CSRF value: where they may travel in protected cookies.
pub(super) fn carries_csrf(web: &WebPolicy) -> bool {
    web.csrf.protect && web.locations.contains(&Location::Cookies)
}
