//! Implements checks of settings against each other.

use std::time::Duration;

use actix_web::http::header::AUTHORIZATION;

use super::Settings;
use super::text::is_blank;
use super::urls::is_within;
use crate::printable::has_unseen;
use tokenpair::config::Reader;
use tokenpair::token::TokenPolicy;
use tokenpair::web::{CookiePolicy, SameSite, WebPolicy};

/// The name of the server's device cookie, without `JWT_COOKIE_PREFIX`.
pub(crate) const DEVICE_COOKIE: &str = "device_cookie";

/// Revocations are kept for longer than this.
const MAX_ACCESS: Duration = Duration::from_secs(28 * 86_400);

pub(super) fn lifetimes(reader: &mut Reader<'_>, settings: &Settings) {
    let access = settings.tokens.access_expires.unwrap_or_default();
    let refresh = settings.tokens.refresh_expires.unwrap_or_default();
    let within = settings.web.reissue_within;
    // A lifetime of zero is reported elsewhere.
    if within >= access && !access.is_zero() {
        // Half of a second would be written as 0, which means never.
        let half = match access.as_secs() / 2 {
            0 => String::new(),
            half => format!("{half}s, or "),
        };
        let complaint = format!(
            "is {}s and has to be less than JWT_ACCESS_TOKEN_EXPIRES, which is {}s, or every response would carry a \
             new token; write {half}0 for never",
            within.as_secs(),
            access.as_secs(),
        );
        reader.problem("JWT_REISSUE_WITHIN", complaint);
    }
    if access > MAX_ACCESS {
        let complaint =
            "is more than 28d; to keep users logged in for longer, set JWT_REFRESH_TOKEN_EXPIRES";
        reader.problem("JWT_ACCESS_TOKEN_EXPIRES", complaint);
    }
    if refresh <= access {
        let complaint =
            "has to be more than JWT_ACCESS_TOKEN_EXPIRES, or a refresh would come too late";
        reader.problem("JWT_REFRESH_TOKEN_EXPIRES", complaint);
    }
    if refresh < settings.sessions.rotation_window * 2 {
        let complaint = "has to be at least twice SESSION_ROTATION_WINDOW, or it could end before it is rotated";
        reader.problem("JWT_REFRESH_TOKEN_EXPIRES", complaint);
    }
    if settings.sessions.max_age < access {
        reader.problem(
            "SESSION_MAX_AGE",
            "is less than JWT_ACCESS_TOKEN_EXPIRES; a session must outlive an access token",
        );
    }
}

/// Checks the cookies' domain. Browsers drop a cookie for a domain that its host is not part of
/// (RFC 6265 section 5.3).
pub(super) fn domain(reader: &mut Reader<'_>, settings: &Settings) {
    let host = settings.public_url.as_ref().and_then(|url| url.host_str());
    let (Some(host), Some(domain)) = (host, &settings.web.cookies.domain) else {
        return;
    };
    if !is_within(host, domain) {
        let complaint = format!("is {domain:?}, and PUBLIC_URL's host {host:?} is not part of it");
        reader.problem("JWT_COOKIE_DOMAIN", complaint);
    }
}

pub(super) fn parties(reader: &mut Reader<'_>, tokens: &TokenPolicy) {
    let lists = [
        ("JWT_ENCODE_ISSUER", tokens.encode_issuer.as_slice()),
        ("JWT_DECODE_ISSUER", tokens.decode_issuer.as_slice()),
        ("JWT_ENCODE_AUDIENCE", &tokens.encode_audience),
        ("JWT_DECODE_AUDIENCE", &tokens.decode_audience),
    ];
    for (name, parties) in lists {
        // Other programs compare them byte by byte.
        let is_odd = |text: &&String| is_blank(text) || has_unseen(text) || text.trim() != **text;
        if let Some(text) = parties.iter().find(is_odd) {
            let complaint = format!(
                "has {text:?}; write a name such as https://login.example.org, without invisible characters or blanks around it"
            );
            reader.problem(name, complaint);
        }
    }
    if tokens.decode_issuer.is_some() && tokens.decode_issuer != tokens.encode_issuer {
        reader.problem(
            "JWT_DECODE_ISSUER",
            "is not JWT_ENCODE_ISSUER: the server would reject its own tokens",
        );
    }
    let shared = |audience: &String| tokens.decode_audience.contains(audience);
    if !tokens.decode_audience.is_empty() && !tokens.encode_audience.iter().any(shared) {
        reader.problem(
            "JWT_DECODE_AUDIENCE",
            "shares no value with JWT_ENCODE_AUDIENCE: the server would reject its own tokens",
        );
    }
}

/// Maximum length in bytes. Browsers drop a cookie whose name and value have more than 4096 bytes
/// (RFC 6265bis section 5.6); the rest is for the longest name, all roles, and base64.
const MAX_PARTIES: usize = 1024;

pub(super) fn length(reader: &mut Reader<'_>, tokens: &TokenPolicy) {
    let issuer = tokens.encode_issuer.iter().map(String::len).sum::<usize>();
    let audience = tokens
        .encode_audience
        .iter()
        .map(String::len)
        .sum::<usize>();
    if issuer + audience > MAX_PARTIES {
        let complaint = format!(
            "and JWT_ENCODE_AUDIENCE have more than {MAX_PARTIES} bytes: browsers would drop cookies with such tokens"
        );
        reader.problem("JWT_ENCODE_ISSUER", complaint);
    }
}

/// Checks that a CSRF token and a token have headers of their own.
pub(super) fn headers(reader: &mut Reader<'_>, web: &WebPolicy) {
    let named = [
        ("JWT_ACCESS_CSRF_HEADER_NAME", &web.csrf.access_header),
        ("JWT_REFRESH_CSRF_HEADER_NAME", &web.csrf.refresh_header),
    ];
    for (setting, name) in named {
        if *name == web.header.name || *name == AUTHORIZATION {
            let complaint = format!(
                "is {:?}, which is the header of a token (JWT_HEADER_NAME); write a name of its own, as in X-CSRF-TOKEN",
                name.as_str()
            );
            reader.problem(setting, complaint);
        }
    }
}

pub(super) fn cookies(reader: &mut Reader<'_>, cookies: &CookiePolicy) {
    if cookies.same_site == Some(SameSite::None) && !cookies.secure {
        let complaint = "is None, which browsers accept only on Secure cookies; set JWT_COOKIE_SECURE=true and serve by https";
        reader.problem("JWT_COOKIE_SAMESITE", complaint);
    }
    let named = [
        ("JWT_ACCESS_COOKIE_NAME", &cookies.access_name),
        ("JWT_REFRESH_COOKIE_NAME", &cookies.refresh_name),
        ("JWT_ACCESS_CSRF_COOKIE_NAME", &cookies.access_csrf_name),
        ("JWT_REFRESH_CSRF_COOKIE_NAME", &cookies.refresh_csrf_name),
    ];
    for (setting, name) in named {
        let bare = name
            .trim_start_matches("__Host-")
            .trim_start_matches("__Secure-");
        if bare == DEVICE_COOKIE {
            let complaint = format!("is {name:?}, which is the name of the server's device cookie");
            reader.problem(setting, complaint);
        }
    }
    for (index, (setting, name)) in named.into_iter().enumerate() {
        let mut others = named.iter().skip(index + 1);
        if others.any(|(_, other)| *other == name) {
            reader.problem(
                setting,
                format!("is {name:?}, which is also the name of another cookie"),
            );
        }
    }
}
