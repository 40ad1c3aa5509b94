//! Implements `GET /protected` and the user's own account: `GET /account`,
//! `POST /account/password`, `DELETE /account`.

use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::grant::{Answer, Done, Grant, granted};
use super::responses::Message;
use super::tags::ACCOUNT;
use crate::server::accounts::PasswordChange;
use crate::server::body::JsonBody;
use crate::server::fields;
use crate::server::state::AppState;
use tokenpair::session::{End, Pair, RequestContext};
use tokenpair::token::TokenError;
use tokenpair::web::{Access, Fresh, KnownClient, Rejection};
use tokenpair_store::User;
use tokenpair_store::password::Password;

/// The user whom the access token names.
#[derive(Serialize, ToSchema)]
pub(super) struct LoggedInAs<'a> {
    logged_in_as: &'a str,
}

/// Without it actix would copy its own text for each answer.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Tells who is logged in.
///
/// Verifies the access token without asking the database, as a service of your own would.
#[utoipa::path(
    get,
    path = "/protected",
    operation_id = "getProtected",
    tag = ACCOUNT,
    responses((status = 200, body = LoggedInAs<'static>, description = "The user whom the token names.")),
    security(("access" = []))
)]
pub(super) async fn protected(user: Access) -> HttpResponse {
    let name = user.claims().username.as_deref();
    let logged_in_as = name.unwrap_or_else(|| user.identity());
    // Of the size that a plain name needs, since a larger text would be moved to a smaller place.
    let mut body = Vec::with_capacity(r#"{"logged_in_as":""}"#.len() + logged_in_as.len());
    match serde_json::to_writer(&mut body, &LoggedInAs { logged_in_as }) {
        Ok(()) => HttpResponse::Ok()
            .append_header((CONTENT_TYPE, JSON))
            .body(body),
        Err(error) => HttpResponse::from_error(Rejection::internal(error)),
    }
}

/// The logged-in user.
#[derive(Serialize, ToSchema)]
pub(super) struct Account {
    id: String,
    username: String,
    roles: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// Returns the account.
///
/// The roles are those in the database now, which an older token may not have yet.
#[utoipa::path(
    get,
    path = "/account",
    operation_id = "getAccount",
    tag = ACCOUNT,
    responses((status = 200, body = Account, description = "The account of the token's user.")),
    security(("access" = []))
)]
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

/// A change of password.
#[derive(Deserialize, ToSchema)]
#[schema(as = PasswordChange)]
pub(super) struct PasswordChangeBody {
    #[serde(rename = "current_password", deserialize_with = "fields::password")]
    #[schema(value_type = String, format = Password, min_length = 1)]
    current: Password,
    #[serde(rename = "new_password", deserialize_with = "fields::password")]
    #[schema(value_type = String, format = Password, min_length = 8)]
    new: Password,
}

/// Password confirmation.
#[derive(Deserialize, ToSchema)]
pub(super) struct Confirmation {
    #[serde(deserialize_with = "fields::password")]
    #[schema(value_type = String, format = Password, min_length = 1)]
    password: Password,
}

/// Changes the password.
///
/// Needs a fresh access token. All other sessions end. This one continues with the new pair in the response, and its earlier
/// tokens are revoked.
#[utoipa::path(
    post,
    path = "/account/password",
    operation_id = "changePassword",
    tag = ACCOUNT,
    request_body = PasswordChangeBody,
    responses((status = 200, body = Grant, description = "The password was changed. The tokens are new.")),
    security(("access" = []))
)]
pub(super) async fn change_password(
    state: web::Data<AppState>,
    user: Fresh,
    _: KnownClient,
    context: RequestContext,
    JsonBody(wanted): JsonBody<PasswordChangeBody>,
) -> Result<HttpResponse, Rejection> {
    let pair = changed(&state, &user, wanted, &context).await?;
    Ok(granted(
        &state,
        &pair,
        Done::Password,
        Answer::from(user.location()),
    ))
}

/// Changes the password, and returns the new pair of this session.
pub(super) async fn changed(
    state: &AppState,
    user: &Fresh,
    wanted: PasswordChangeBody,
    context: &RequestContext,
) -> Result<Pair, Rejection> {
    let id = user.identity();
    // A token of another server's (JWT_ACCEPT_FOREIGN) has no session that could go on.
    let sid = user.claims().sid.as_deref();
    let missing = || {
        state
            .auth
            .format_error(TokenError::Missing("sid".into()).into())
    };
    let sid = sid.ok_or_else(missing)?;
    let passwords = PasswordChange {
        current: wanted.current,
        new: wanted.new,
    };
    let changed = state
        .accounts
        .change_password(id, sid, passwords, context)
        .await?;
    state.record_revocation(&changed);
    let pair = state.sessions.renew(id, sid, context.at).await?;
    Ok(pair.ok_or(End::Revoked)?)
}

/// Deletes the account and ends its sessions.
///
/// Needs a fresh access token, and the password as confirmation. It cannot be undone.
#[utoipa::path(
    delete,
    path = "/account",
    operation_id = "deleteAccount",
    tag = ACCOUNT,
    request_body = Confirmation,
    responses((status = 200, body = Message, description = "The account was deleted.")),
    security(("access" = []))
)]
pub(super) async fn delete(
    state: web::Data<AppState>,
    user: Fresh,
    _: KnownClient,
    context: RequestContext,
    JsonBody(confirmed): JsonBody<Confirmation>,
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
