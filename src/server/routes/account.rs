//! `GET /protected`, and one's own account: `GET /account`, `POST /account/password`, `DELETE /account`.

use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::session::{Answer, Done, Granted, granted};
use crate::server::body::{Body, Fields, FromFields};
use crate::server::openapi::{Message, Problem};
use crate::server::state::AppState;
use tokenpair::session::{End, RequestContext};
use tokenpair::token::TokenError;
use tokenpair::web::{Access, Fresh, KnownClient, Rejection};
use tokenpair_store::User;
use tokenpair_store::password::Password;

/// Who an access token says one is.
#[derive(Serialize, ToSchema)]
pub(super) struct LoggedInAs<'a> {
    logged_in_as: &'a str,
}

/// Without it actix would copy its own text for each answer.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Tells who is logged in, without asking the database.
#[utoipa::path(get, path = "/protected", responses((status = 200, body = LoggedInAs<'static>)), security(("access" = [])))]
pub(super) async fn protected(user: Access) -> HttpResponse {
    let name = user.claims().username.as_deref();
    let logged_in_as = name.unwrap_or_else(|| user.identity());
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, JSON))
        .json(LoggedInAs { logged_in_as })
}

/// A user, as it sees itself.
#[derive(Serialize, ToSchema)]
pub(super) struct Account {
    id: String,
    username: String,
    roles: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// The user, as the database has it now.
#[utoipa::path(get, path = "/account", responses((status = 200, body = Account)), security(("access" = [])))]
pub(super) async fn account(
    state: web::Data<AppState>,
    user: Access,
) -> Result<HttpResponse, Rejection> {
    let found = state.store.user_by_id(user.identity()).await;
    let user = found?.filter(|user| user.disabled_at.is_none());
    let User {
        subject,
        created_at,
        ..
    } = user.ok_or(End::UserDisabled)?;
    Ok(HttpResponse::Ok().json(Account {
        id: subject.id,
        username: subject.username,
        roles: subject.roles,
        created_at: created_at.to_string(),
    }))
}

/// The present password and the one that shall be.
#[derive(ToSchema)]
pub(super) struct PasswordChange {
    #[schema(rename = "current_password", value_type = String, format = Password, min_length = 1)]
    current: Password,
    #[schema(rename = "new_password", value_type = String, format = Password, min_length = 8)]
    new: Password,
}

impl FromFields for PasswordChange {
    fn from_fields(fields: &Fields, _: &HttpRequest) -> Result<Self, Rejection> {
        Ok(Self {
            current: fields.password("current_password")?,
            new: fields.password("new_password")?,
        })
    }
}

/// The password, said again.
#[derive(ToSchema)]
pub(super) struct Confirmation {
    #[schema(value_type = String, format = Password, min_length = 1)]
    password: Password,
}

impl FromFields for Confirmation {
    fn from_fields(fields: &Fields, _: &HttpRequest) -> Result<Self, Rejection> {
        let password = fields.password("password")?;
        Ok(Self { password })
    }
}

/// Another password. All other sessions end; this one goes on with the new pair in the answer, and its older tokens buy
/// nothing.
#[utoipa::path(
    post,
    path = "/account/password",
    request_body = PasswordChange,
    responses((status = 200, body = Granted<'_>), (status = 403, body = Problem), (status = 429, body = Problem)),
    security(("access" = []))
)]
pub(super) async fn change_password(
    state: web::Data<AppState>,
    user: Fresh,
    _: KnownClient,
    context: RequestContext,
    Body(wanted): Body<PasswordChange>,
) -> Result<HttpResponse, Rejection> {
    let id = user.identity();
    // A token of another server's (JWT_ACCEPT_FOREIGN) has no session that could go on.
    let sid = user.claims().sid.as_deref();
    let missing = || {
        state
            .auth
            .format_error(TokenError::Missing("sid".into()).into())
    };
    let sid = sid.ok_or_else(missing)?;
    let passwords = (wanted.current, wanted.new);
    let changed = state
        .accounts
        .change_password(id, sid, passwords, &context)
        .await?;
    state.record_revocation(&changed);
    let pair = state.sessions.renew(id, sid, context.at).await?;
    let pair = pair.ok_or(End::Revoked)?;
    Ok(granted(
        &state.auth,
        &pair,
        Done::Password,
        Answer::from(user.location()),
    ))
}

/// Deletes the account and ends its sessions.
#[utoipa::path(
    delete,
    path = "/account",
    request_body = Confirmation,
    responses((status = 200, body = Message), (status = 403, body = Problem), (status = 409, body = Problem), (status = 429, body = Problem)),
    security(("access" = []))
)]
pub(super) async fn delete(
    state: web::Data<AppState>,
    user: Fresh,
    _: KnownClient,
    context: RequestContext,
    Body(confirmed): Body<Confirmation>,
) -> Result<HttpResponse, Rejection> {
    let sid = user.claims().sid.as_deref();
    let deleted = state
        .accounts
        .delete(user.identity(), sid, confirmed.password, &context);
    state.record_revocation(&deleted.await?);
    let mut response = HttpResponse::Ok().json(Message::of("Account deleted"));
    state.auth.cookies().unset_all(response.headers_mut());
    Ok(response)
}
