//! Implements `POST /introspect` (RFC 7662) and `POST /revoke` (RFC 7009), where services with
//! credentials of their own ask about tokens and revoke them.

use std::rc::Rc;

use actix_web::middleware::from_fn;
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, Resource, ResponseError, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::endpoint::{Endpoint, endpoint};
use super::responses::Message;
use super::tags::SERVICES;
use crate::server::clients::denied;
use crate::server::error_code::ServerErrorCode::{
    BadRequest, InvalidClient, TooManyAttempts, UnauthorizedClient, UnsupportedTokenType,
};
use crate::server::oauth::{ClientRequest, with_members};
use crate::server::panics::CatchPanics;
use crate::server::state::AppState;
use tokenpair::clock::Timestamp;
use tokenpair::session::{Authority, RequestContext, Revocation, Revoked, SessionError};
use tokenpair::token::{Claims, Expiry, Freshness, TokenKind};
use tokenpair::web::ErrorCode::ConflictingForwardedHeaders;
use tokenpair::web::{Guard, KnownClient, Rejection, Verified};
use tokenpair_store::ClientPermission;

/// Returns the routes.
pub(super) fn endpoints() -> [Endpoint; 2] {
    let introspect = endpoint!(self::introspect);
    let revoke = endpoint!(self::revoke).refuses(&[UnsupportedTokenType]);
    [introspect, revoke].map(|endpoint| {
        endpoint
            .refuses(&[InvalidClient, UnauthorizedClient])
            .refuses(&[TooManyAttempts, BadRequest])
            .refuses(&[ConflictingForwardedHeaders])
            .mounted_by(mount)
    })
}

fn mount(resource: Resource, app: &mut ServiceConfig) {
    let resource = resource.wrap(CatchPanics);
    app.service(resource.wrap(from_fn(with_members)));
}

/// The token in question.
#[derive(ToSchema)]
#[expect(dead_code, reason = "`ClientRequest` reads the form")]
pub(super) struct TokenForm {
    /// The token.
    #[schema(min_length = 1)]
    token: String,
    /// `refresh_token` asks about a refresh token. Other words have no effect.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
}

/// What is known of a token. An inactive one has `active` alone.
#[derive(Serialize, ToSchema)]
pub(super) struct Introspection<'a> {
    /// Whether the token is acceptable now.
    active: bool,
    #[serde(flatten)]
    #[schema(inline)]
    token: Option<ActiveToken<'a>>,
}

/// The claims of an active token. Times are Unix seconds.
#[derive(Serialize, ToSchema)]
struct ActiveToken<'a> {
    /// The id of the user, which never changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sub: Option<&'a str>,
    /// The name of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<usize>, nullable = false)]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<usize>, nullable = false)]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<usize>, nullable = false)]
    nbf: Option<i64>,
    /// The id of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jti: Option<&'a str>,
    /// The issuer, if the settings name one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iss: Option<&'a str>,
    /// The audience, if the settings name one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<String>>, nullable = false)]
    aud: Vec<&'a str>,
    /// `Bearer` for an access token (RFC 6749 section 7.1). A refresh token has no such type.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_type: Option<&'static str>,
    /// `access` or `refresh`, as in the token itself.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>, nullable = false)]
    kind: TokenKind,
    /// The id of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sid: Option<&'a str>,
    /// The roles of the user. Only for an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    roles: Option<&'a [String]>,
    /// Whether the token comes from a login with a password. Only for an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    fresh: Option<bool>,
}

impl<'a> ActiveToken<'a> {
    fn of(claims: &'a Claims, now: Timestamp) -> Self {
        let is_access = claims.kind == TokenKind::Access;
        let seconds = |at: Option<Timestamp>| at.map(Timestamp::unix);
        Self {
            sub: claims.identity.as_str(),
            username: claims.username.as_deref(),
            exp: seconds(claims.exp),
            iat: seconds(claims.iat),
            nbf: seconds(claims.nbf),
            jti: claims.jti.as_deref(),
            iss: claims.iss.as_deref(),
            aud: claims.aud.iter().map(String::as_str).collect(),
            token_type: is_access.then_some("Bearer"),
            kind: claims.kind,
            sid: claims.sid.as_deref(),
            roles: is_access.then_some(claims.roles.as_slice()),
            fresh: is_access.then(|| Freshness::is_fresh(claims.fresh, now)),
        }
    }
}

/// Tells a service whether a token is active (RFC 7662).
///
/// For services that must know of a logout at once. It takes the token from the body, and the
/// client's id and secret by HTTP Basic or as `client_id` and `client_secret` in the body. It asks
/// the database. A refresh token is active only with `token_type_hint=refresh_token`, so that it
/// never passes for an access token, and asking does not use it up.
#[utoipa::path(
    post,
    path = "/introspect",
    operation_id = "introspectToken",
    tag = SERVICES,
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Introspection<'_>, description = "Whether the token is active, and for whom.")),
    security(("client" = []))
)]
pub(super) async fn introspect(
    state: web::Data<AppState>,
    _: KnownClient,
    context: RequestContext,
    mut request: ClientRequest,
) -> Result<HttpResponse, Rejection> {
    let credentials = request.credentials()?;
    let may = ClientPermission::Introspect;
    state
        .clients
        .authenticate(credentials, may, &context)
        .await?;
    let token = request.token()?;
    let asks_for_refresh = request.hint() == Some("refresh_token");
    let found = active(&state, &token, &context).await?;
    let found = found.filter(|found| asks_for_refresh || found.claims.kind == TokenKind::Access);
    let token = found.as_ref();
    Ok(HttpResponse::Ok().json(Introspection {
        active: token.is_some(),
        token: token.map(|found| ActiveToken::of(&found.claims, context.at)),
    }))
}

/// Returns the token if it is acceptable now. The database is authoritative, since services ask to
/// learn of a revocation.
async fn active(
    state: &AppState,
    token: &str,
    context: &RequestContext,
) -> Result<Option<Rc<Verified>>, Rejection> {
    let verified = match state.auth.verify_text(token, Guard::AnyToken).await {
        Ok(verified) => verified,
        Err(rejection) if rejection.status_code().is_server_error() => return Err(rejection),
        Err(_) => return Ok(None),
    };
    if verified.claims.kind == TokenKind::Refresh {
        // Judged by the session's row already.
        return Ok(Some(verified));
    }
    let asked = RequestContext {
        authority: Some(Authority::of(&verified.claims)),
        ..RequestContext::at(context.at)
    };
    match state.sessions.check(&asked).await {
        Ok(()) => Ok(Some(verified)),
        Err(SessionError::Denied(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Ends the session of a token, for a service (RFC 7009).
///
/// Both tokens of the session end, whichever is sent, an expired one too. The response is the same
/// for a token that is unknown or has ended already. The client needs the permission `revoke`.
#[utoipa::path(
    post,
    path = "/revoke",
    operation_id = "revokeToken",
    tag = SERVICES,
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Message, description = "The token is not active any more.")),
    security(("client" = []))
)]
pub(super) async fn revoke(
    state: web::Data<AppState>,
    _: KnownClient,
    context: RequestContext,
    mut request: ClientRequest,
) -> Result<HttpResponse, Rejection> {
    let credentials = request.credentials()?;
    let may = ClientPermission::Revoke;
    let client = state
        .clients
        .authenticate(credentials, may, &context)
        .await?;
    let token = request.token()?;
    let done = || HttpResponse::Ok().json(Message::of("The token is not active"));
    let tokens = state.auth.tokens();
    let Ok(claims) = tokens.verify(&token, context.at, Expiry::Ignored) else {
        return Ok(done());
    };
    let sid = claims.sid.ok_or(UnsupportedTokenType)?;
    let ended = state
        .store
        .revoke_for_client(&client.id, &client.digest, &sid, &context)
        .await?;
    if ended.map_err(denied)? {
        state.sessions.record_revocation(&Revocation {
            subject: Revoked::Session(sid),
            at: context.at,
        });
    }
    Ok(done())
}
