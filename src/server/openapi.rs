//! The description of the API (OpenAPI 3.1), made from the handlers and from the settings, and the answers that many of
//! them give.

use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder, Server};
use utoipa::{OpenApi, ToSchema};

use super::routes;
use super::state::AppState;
use tokenpair::token::TokenKind;
use tokenpair::web::{Auth, Location};

/// That it was done.
#[derive(Serialize, ToSchema)]
pub(super) struct Message {
    msg: &'static str,
}

impl Message {
    pub(super) const fn of(msg: &'static str) -> Self {
        Self { msg }
    }
}

/// That sessions were ended, and how many.
#[derive(Serialize, ToSchema)]
pub(super) struct Ended {
    msg: &'static str,
    ended: usize,
}

impl Ended {
    pub(super) const fn of(msg: &'static str, ended: usize) -> Self {
        Self { msg, ended }
    }
}

/// An error.
#[expect(dead_code, reason = "a Rejection writes itself")]
#[derive(ToSchema)]
pub(super) struct Problem {
    /// For people.
    msg: String,
    /// For programs; it does not change.
    code: String,
    /// What to do.
    hint: Option<String>,
    /// After how many seconds to try again.
    #[schema(minimum = 0)]
    retry_after: Option<u32>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "tokenpair",
        description = "Logs people in with a pair of JSON Web Tokens: a short-lived access token and a refresh token.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(
        routes::login::register,
        routes::login::login,
        routes::account::protected,
        routes::session::refresh,
        routes::session::logout,
        routes::session::logout_by_link,
        routes::session::csrf,
        routes::account::account,
        routes::account::delete,
        routes::account::change_password,
        routes::sessions::list,
        routes::sessions::end_others,
        routes::sessions::end_one,
        routes::admin::users,
        routes::admin::change,
        routes::admin::end_sessions,
        routes::events::events,
        routes::public::live,
        routes::public::ready,
        routes::public::greet,
        routes::public::keys,
        openapi,
    ),
    components(schemas(Problem))
)]
struct Description;

/// This description.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, content_type = "application/json", body = serde_json::Value)), security(()))]
pub(super) async fn openapi(state: web::Data<AppState>) -> HttpResponse {
    let json = (CONTENT_TYPE, "application/json");
    HttpResponse::Ok()
        .insert_header(json)
        .body(state.openapi.clone())
}

/// As JSON, with the names that these settings give to cookies and headers.
pub(super) fn describe(
    auth: &Auth,
    public_origin: Option<&str>,
) -> Result<String, serde_json::Error> {
    let mut description = Description::openapi();
    description.servers = public_origin.map(|origin| vec![Server::new(origin)]);
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
            (&mut item.patch, true),
            (&mut item.delete, true),
        ];
        for (operation, is_unsafe) in operations {
            if let Some(operation) = operation {
                complete(operation, is_unsafe, auth);
            }
        }
    }
    serde_json::to_string(&description)
}

/// How a token is presented, each way that these settings know.
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
        // Both look the same, and the tokens in them differ.
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

/// What every operation of its kind has, so that no handler has to say it.
fn complete(operation: &mut Operation, is_unsafe: bool, auth: &Auth) {
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
            "Something is missing or malformed.",
            has_body || has_parameters,
        ),
        ("401", "No token, or none that is believed.", !is_open),
        ("403", "A page of another site sent this.", is_unsafe),
        ("408", "The body did not come.", has_body),
        ("413", "The body is too large.", has_body),
        ("415", "The body is of another type.", has_body),
        (
            invalid.as_str(),
            "A malformed, forged or misplaced token.",
            !is_open,
        ),
        (
            "429",
            "Too many attempts; try again after a while.",
            has_body,
        ),
        ("503", "For the moment it cannot be told; try again.", true),
    ];
    for (status, what, may) in may_happen {
        if may && !operation.responses.responses.contains_key(status) {
            operation
                .responses
                .responses
                .insert(status.to_owned(), problem(what));
        }
    }
}

fn problem(what: &str) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    let response = ResponseBuilder::new().description(what);
    RefOr::T(
        response
            .content("application/json", content.build())
            .build(),
    )
}

/// A handler names the kind of token; how that is presented is the settings' to say.
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
    by_header.into_iter().chain(by_cookie).collect()
}
