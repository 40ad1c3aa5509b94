//! `GET /protected` and `GET /account`.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::json;

use crate::server::State;
use crate::session::End;
use crate::store::User;
use crate::web::{Access, Rejection};

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
    let user = found
        .map_err(Rejection::unavailable)?
        .filter(|user| user.disabled_at.is_none());
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
