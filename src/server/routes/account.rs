//! `GET /protected`, and one's own account: `GET /account`, `POST /account/password`, `DELETE /account`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::json;

use super::session::{Answer, Done, granted};
use crate::password::Password;
use crate::server::State;
use crate::server::body::{Body, Fields, FromFields};
use crate::session::{Act, End};
use crate::store::User;
use crate::token::TokenError;
use crate::web::{Access, Fresh, Rejection};

/// Asks no database: all it says is in the token.
pub(super) async fn protected(user: Access) -> HttpResponse {
    let name = user
        .claims()
        .username
        .as_deref()
        .unwrap_or_else(|| user.identity());
    HttpResponse::Ok().json(json!({ "logged_in_as": name }))
}

/// A user, as it sees itself.
#[derive(Serialize)]
struct Account {
    id: String,
    username: String,
    roles: Vec<String>,
    created_at: String,
}

pub(super) async fn account(
    state: web::Data<State>,
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
pub(super) struct PasswordChange {
    current: Password,
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
pub(super) struct Confirmation(Password);

impl FromFields for Confirmation {
    fn from_fields(fields: &Fields, _: &HttpRequest) -> Result<Self, Rejection> {
        fields.password("password").map(Self)
    }
}

/// All other sessions end. This one goes on with the new pair in the answer, and its older tokens buy nothing.
pub(super) async fn change_password(
    state: web::Data<State>,
    user: Fresh,
    act: Act,
    Body(wanted): Body<PasswordChange>,
) -> Result<HttpResponse, Rejection> {
    let id = user.identity();
    // A token of another server's (JWT_ACCEPT_FOREIGN) has no session that could go on.
    let sid = user.claims().sid.as_deref();
    let sid = sid.ok_or(TokenError::Missing("sid".into()))?;
    let passwords = (wanted.current, wanted.new);
    let revocation = state
        .accounts
        .change_password(id, sid, passwords, &act)
        .await?;
    state.sessions.note(&revocation);
    let pair = state.sessions.renew(id, sid, act.at).await?;
    let pair = pair.ok_or(End::Revoked)?;
    Ok(granted(
        &state.auth,
        &pair,
        Done::Password,
        Answer::from(user.location()),
    ))
}

pub(super) async fn delete(
    state: web::Data<State>,
    user: Fresh,
    act: Act,
    Body(confirmed): Body<Confirmation>,
) -> Result<HttpResponse, Rejection> {
    let deleted = state.accounts.delete(user.identity(), confirmed.0, &act);
    state.sessions.note(&deleted.await?);
    let mut response = HttpResponse::Ok().json(json!({ "msg": "Account deleted" }));
    state.auth.cookies().unset_all(response.headers_mut());
    Ok(response)
}
