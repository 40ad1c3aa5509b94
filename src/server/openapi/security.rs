//! Describes how a request presents a token: the security schemes, and which of them an operation
//! takes.

use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};

use tokenpair::token::TokenKind;
use tokenpair::web::{Auth, Location};

/// The tokens that an operation takes.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Tokens {
    pub(super) access: bool,
    pub(super) refresh: bool,
    /// Whether the operation can also be called without a token.
    pub(super) optional: bool,
}

impl Tokens {
    /// Reads what a handler asks for by the bare names `access` and `refresh`, or by the name of a
    /// cookie.
    pub(super) fn of(security: &[SecurityRequirement]) -> Self {
        let asks = |name: &str| security.contains(&named(&[name]));
        Self {
            access: asks("access") || asks(ACCESS_COOKIE),
            refresh: asks("refresh") || asks(REFRESH_COOKIE),
            optional: security.contains(&SecurityRequirement::default()),
        }
    }

    pub(super) const fn any(self) -> bool {
        self.access || self.refresh
    }
}

const ACCESS_COOKIE: &str = "access_cookie";
const REFRESH_COOKIE: &str = "refresh_cookie";

/// Returns a security scheme for each place where the settings look for a token.
pub(super) fn schemes(auth: &Auth) -> Vec<(&'static str, SecurityScheme)> {
    let mut schemes = Vec::new();
    if auth.looks_in(Location::Headers) {
        let access = in_header(auth, "The access token in a header.");
        schemes.push(("access_header", access));
        // The same header, but another kind of token.
        let refresh = in_header(auth, "The refresh token in a header.");
        schemes.push(("refresh_header", refresh));
    }
    if auth.looks_in(Location::Cookies) {
        let cookies = &auth.policy().cookies;
        let cookie = |kind, description| {
            let name = cookies.token_name(kind);
            SecurityScheme::ApiKey(ApiKey::Cookie(key(name, description)))
        };
        let access = cookie(TokenKind::Access, "The access token in a cookie.");
        let refresh = cookie(TokenKind::Refresh, "The refresh token in a cookie.");
        schemes.extend([(ACCESS_COOKIE, access), (REFRESH_COOKIE, refresh)]);
        let csrf = &auth.policy().csrf;
        let header = |name: &str, description| {
            SecurityScheme::ApiKey(ApiKey::Header(key(name, description)))
        };
        let access = header(
            csrf.access_header.as_str(),
            "The CSRF token of the access token, beside its cookie.",
        );
        let refresh = header(
            csrf.refresh_header.as_str(),
            "The CSRF token of the refresh token, beside its cookie.",
        );
        schemes.extend([("access_csrf", access), ("refresh_csrf", refresh)]);
    }
    schemes
}

fn in_header(auth: &Auth, description: &str) -> SecurityScheme {
    let header = &auth.policy().header;
    match header.scheme.as_str() {
        "Bearer" if header.name == AUTHORIZATION => {
            let mut bearer = Http::new(HttpAuthScheme::Bearer);
            bearer.bearer_format = Some("JWT".to_owned());
            bearer.description = Some(description.to_owned());
            SecurityScheme::Http(bearer)
        }
        _ => SecurityScheme::ApiKey(ApiKey::Header(key(header.name.as_str(), description))),
    }
}

fn key(name: &str, description: &str) -> ApiKeyValue {
    ApiKeyValue::with_description(name, description)
}

/// Returns the requirements of an operation, in the order in which the server looks for tokens. No
/// token at all comes last: tools suggest the first.
pub(super) fn requirements(
    asked: Vec<SecurityRequirement>,
    method: &Method,
    auth: &Auth,
) -> Vec<SecurityRequirement> {
    let (open, asked): (Vec<_>, Vec<_>) = asked
        .into_iter()
        .partition(|requirement| *requirement == SecurityRequirement::default());
    let mut requirements = Vec::new();
    for requirement in asked {
        match kind_of(&requirement) {
            Some(kind) => requirements.extend(alternatives(kind, method, auth)),
            None => requirements.push(requirement),
        }
    }
    requirements.extend(open);
    requirements
}

/// Returns the kind of token that a handler asks for by the bare name `access` or `refresh`.
fn kind_of(requirement: &SecurityRequirement) -> Option<TokenKind> {
    let is = |name: &str| *requirement == named(&[name]);
    if is("access") {
        Some(TokenKind::Access)
    } else {
        is("refresh").then_some(TokenKind::Refresh)
    }
}

fn named(names: &[&str]) -> SecurityRequirement {
    let none = SecurityRequirement::default();
    names
        .iter()
        .fold(none, |all, name| all.add(*name, Vec::<String>::new()))
}

/// Returns whether a cookie needs its CSRF token in requests of this method.
pub(super) fn needs_csrf(method: &Method, auth: &Auth) -> bool {
    let csrf = &auth.policy().csrf;
    auth.looks_in(Location::Cookies) && csrf.protect && csrf.methods.contains(method)
}

/// Returns the ways in which the settings let a client present a token of this kind.
fn alternatives(kind: TokenKind, method: &Method, auth: &Auth) -> Vec<SecurityRequirement> {
    let (header, cookie, csrf) = match kind {
        TokenKind::Access => ("access_header", ACCESS_COOKIE, "access_csrf"),
        TokenKind::Refresh => ("refresh_header", REFRESH_COOKIE, "refresh_csrf"),
    };
    let by_cookie: &[&str] = if needs_csrf(method, auth) {
        &[cookie, csrf]
    } else {
        &[cookie]
    };
    let locations = auth.policy().locations.iter();
    let ways = locations.filter_map(|location| match location {
        Location::Cookies => Some(named(by_cookie)),
        Location::Headers => Some(named(&[header])),
        Location::QueryString | Location::Json => None,
    });
    ways.collect()
}
