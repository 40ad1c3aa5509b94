//! `GET /protected` and `GET /account`.

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::server::State;
use crate::session::End;
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

pub(super) async fn account(
    state: web::Data<State>,
    user: Access,
) -> Result<HttpResponse, Rejection> {
    let found = state
        .store
        .user_by_id(user.identity())
        .await
        .map_err(Rejection::unavailable)?;
    let user = found
        .filter(|user| user.disabled_at.is_none())
        .ok_or(End::UserDisabled)?;
    Ok(HttpResponse::Ok().json(json!({
        "id": user.subject.id,
        "username": user.subject.username,
        "roles": user.subject.roles,
        "created_at": user.created_at.to_string(),
    })))
}
