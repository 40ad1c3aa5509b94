//! Implements `/openapi.json` (OpenAPI 3.1): completes the routes' description with what the
//! settings decide, and with the answers that all operations of a kind have.

use actix_web::http::header::AUTHORIZATION;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Server};

use tokenpair::token::TokenKind;
use tokenpair::web::{Auth, Location};

/// The description of routes, and the URL that their paths are relative to.
pub(super) struct Described {
    pub(super) routes: OpenApi,
    pub(super) server: Option<String>,
}

impl Described {
    /// Returns the description as JSON, with the names that the settings give to cookies and
    /// headers.
    pub(super) fn complete(self, auth: &Auth) -> Result<String, serde_json::Error> {
        let mut description = self.routes;
        // Where the description itself came from, unless the operator names another address.
        let server = self.server.as_deref().unwrap_or("/");
        description.servers = Some(vec![Server::new(server)]);
        complete(&mut description, auth);
        serde_json::to_string(&description)
    }
}

fn complete(description: &mut OpenApi, auth: &Auth) {
    if !auth.looks_in(Location::Cookies) {
        description.paths.paths.remove("/csrf");
    }
    let components = description.components.get_or_insert_default();
    for (name, scheme) in schemes(auth) {
        components.add_security_scheme(name, scheme);
    }
    for item in description.paths.paths.values_mut() {
        let operations = [
            (&mut item.get, false),
            (&mut item.post, true),
            (&mut item.put, true),
            (&mut item.patch, true),
            (&mut item.delete, true),
        ];
        for (operation, is_unsafe) in operations {
            if let Some(operation) = operation {
                complete_operation(operation, is_unsafe, auth);
            }
        }
    }
}

/// Returns a security scheme for each place where the settings look for a token.
fn schemes(auth: &Auth) -> Vec<(&'static str, SecurityScheme)> {
    let policy = auth.policy();
    let api_key = |name: &str| ApiKeyValue::new(name);
    let mut schemes = Vec::new();
    if auth.looks_in(Location::Headers) {
        let header = &policy.header;
        let scheme = match header.scheme.as_str() {
            "Bearer" if header.name == AUTHORIZATION => {
                SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer))
            }
            _ => SecurityScheme::ApiKey(ApiKey::Header(api_key(header.name.as_str()))),
        };
        // The same header, but another kind of token.
        schemes.push(("access_header", scheme.clone()));
        schemes.push(("refresh_header", scheme));
    }
    if auth.looks_in(Location::Cookies) {
        let cookies = &policy.cookies;
        for (name, kind) in [
            ("access_cookie", TokenKind::Access),
            ("refresh_cookie", TokenKind::Refresh),
        ] {
            let key = api_key(cookies.token_name(kind));
            schemes.push((name, SecurityScheme::ApiKey(ApiKey::Cookie(key))));
        }
        let csrf = &policy.csrf;
        for (name, header) in [
            ("access_csrf", &csrf.access_header),
            ("refresh_csrf", &csrf.refresh_header),
        ] {
            let key = api_key(header.as_str());
            schemes.push((name, SecurityScheme::ApiKey(ApiKey::Header(key))));
        }
    }
    schemes
}

/// Adds the responses that every operation of its kind has, so that handlers need not list them.
fn complete_operation(operation: &mut Operation, is_unsafe: bool, auth: &Auth) {
    let has_body = operation.request_body.is_some();
    let has_parameters = operation.parameters.is_some();
    let security = operation.security.take().unwrap_or_default();
    let is_open = security.contains(&SecurityRequirement::default());
    let mut requirements = Vec::new();
    for requirement in security {
        match kind_of(&requirement) {
            Some(kind) => requirements.extend(alternatives(kind, is_unsafe, auth)),
            None => requirements.push(requirement),
        }
    }
    operation.security = Some(requirements);
    let invalid = auth.policy().invalid_token_status;
    let may_happen = [
        (
            "400",
            "A field or parameter is missing or invalid.",
            has_body || has_parameters,
        ),
        ("401", "The token is missing, expired or revoked.", !is_open),
        (
            "403",
            "The request came from a page of another site.",
            is_unsafe,
        ),
        ("408", "The body took too long to arrive.", has_body),
        ("413", "The body is too large.", has_body),
        ("415", "The body has another media type.", has_body),
        (
            invalid.as_str(),
            "The token is malformed, forged or of the wrong type.",
            !is_open,
        ),
        (
            "429",
            "Too many attempts. Try again after the seconds in `Retry-After`.",
            has_body,
        ),
        (
            "503",
            "The server cannot answer at the moment. Try again.",
            true,
        ),
    ];
    for (status, description, may) in may_happen {
        if may && !operation.responses.responses.contains_key(status) {
            operation
                .responses
                .responses
                .insert(status.to_owned(), problem(description));
        }
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            response.description = usual_description(status).to_owned();
        }
    }
}

/// Returns the description of a response whose handler gives none: OpenAPI requires one.
fn usual_description(status: &str) -> &'static str {
    match status {
        "200" => "Done.",
        "201" => "Created.",
        "303" => "For a browser: the page to go on with is in `Location`.",
        "400" => "A field or parameter is missing or invalid.",
        "401" => "The credentials or the token are missing, expired or revoked.",
        "403" => "The request is not allowed. `code` names the reason.",
        "404" => "There is no such user or session.",
        "409" => "The request conflicts with the present state. `code` names the reason.",
        "429" => "Too many attempts. Try again after the seconds in `Retry-After`.",
        _ => "An error. `code` names the reason.",
    }
}

fn problem(description: &str) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    let response = ResponseBuilder::new().description(description);
    RefOr::T(
        response
            .content("application/json", content.build())
            .build(),
    )
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

/// Returns the ways in which the settings let a client present a token of this kind.
fn alternatives(kind: TokenKind, is_unsafe: bool, auth: &Auth) -> Vec<SecurityRequirement> {
    let (header, cookie, csrf) = match kind {
        TokenKind::Access => ("access_header", "access_cookie", "access_csrf"),
        TokenKind::Refresh => ("refresh_header", "refresh_cookie", "refresh_csrf"),
    };
    let by_cookie: &[&str] = if is_unsafe && auth.policy().csrf.protect {
        &[cookie, csrf]
    } else {
        &[cookie]
    };
    let by_cookie = auth.looks_in(Location::Cookies).then(|| named(by_cookie));
    let by_header = auth.looks_in(Location::Headers).then(|| named(&[header]));
    by_cookie.into_iter().chain(by_header).collect()
}
