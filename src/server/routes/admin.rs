//! Implements `/admin/users`, where admins manage users. The database is authoritative on who is an
//! admin, at every request.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::responses::Ended;
use super::tags::ADMIN;
use crate::server::account_error::{AccountError, applied};
use crate::server::body::JsonBody;
use crate::server::error_code::ServerErrorCode;
use crate::server::guards::Admin;
use crate::server::query::{PageNumber, Whole, query};
use crate::server::state::AppState;
use tokenpair::session::RequestContext;
use tokenpair::web::Rejection;
use tokenpair_store::{Page, Role, User, UserChange};

/// A user, as admins see it.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserEntry {
    id: String,
    username: String,
    roles: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime, required = true)]
    disabled_at: Option<String>,
}

/// A page of users, by name.
#[derive(Serialize, ToSchema)]
pub(super) struct Users {
    users: Vec<UserEntry>,
    #[schema(value_type = u32, minimum = 1)]
    page: i64,
    #[schema(value_type = u32, minimum = 1)]
    per_page: i64,
    /// Number of users on all pages.
    #[schema(value_type = u32)]
    total: i64,
}

impl From<User> for UserEntry {
    fn from(user: User) -> Self {
        Self {
            id: user.subject.id,
            username: user.subject.username,
            roles: user.subject.roles,
            created_at: user.created_at.to_string(),
            disabled_at: user.disabled_at.map(|at| at.to_string()),
        }
    }
}

/// The query of `GET /admin/users`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UserSearch {
    /// Only names that contain this, in any case.
    #[param(pattern = r"^[^\u0000]*$")]
    search: Option<String>,
    #[param(inline, required = false)]
    page: PageNumber,
    /// Default: 50.
    #[param(inline, required = false)]
    per_page: UsersPerPage,
}

type UsersPerPage = Whole<200, 50>;

/// Lists users by name.
///
/// In pages. `search` narrows the list.
#[utoipa::path(
    get,
    path = "/admin/users",
    operation_id = "listUsers",
    tag = ADMIN,
    params(UserSearch),
    responses((status = 200, body = Users, description = "A page of users.")),
    security(("access" = []))
)]
pub(super) async fn users(
    state: web::Data<AppState>,
    _: Admin,
    request: HttpRequest,
) -> Result<HttpResponse, Rejection> {
    let wanted: UserSearch = query(&request)?;
    let search = wanted.search.unwrap_or_default();
    let page = Page {
        number: wanted.page.0,
        size: wanted.per_page.0,
    };
    let found = state.store.search_users(&search, page).await?;
    Ok(HttpResponse::Ok().json(Users {
        users: found.users.into_iter().map(UserEntry::from).collect(),
        page: page.number,
        per_page: page.size,
        total: found.total,
    }))
}

/// Changes to a user. At least one of the two is required.
#[derive(Deserialize, ToSchema)]
#[schema(min_properties = 1)]
pub(super) struct Patch {
    disabled: Option<bool>,
    /// All roles that the user has from now on.
    #[serde(deserialize_with = "roles")]
    #[schema(max_items = 16)]
    roles: Option<Vec<String>>,
}

impl Patch {
    fn changes(self) -> Result<Vec<UserChange>, Rejection> {
        let state = self.disabled.map(|disabled| {
            if disabled {
                UserChange::Disable
            } else {
                UserChange::Enable
            }
        });
        let roles = self.roles.map(UserChange::Roles);
        let changes: Vec<UserChange> = roles.into_iter().chain(state).collect();
        if changes.is_empty() {
            return Err(Rejection::from(ServerErrorCode::MissingParameter)
                .msg("Missing disabled or roles parameter"));
        }
        Ok(changes)
    }
}

/// Reads names of roles that can be given.
fn roles<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Vec<String>>, D::Error> {
    let Some(value) = Option::<Value>::deserialize(field)? else {
        return Ok(None);
    };
    let names: Option<Vec<String>> = serde_json::from_value(value).ok();
    let names = names
        .filter(|names| names.len() <= Role::MOST)
        .ok_or_else(|| {
            let expected = format!("a list of at most {} texts", Role::MOST);
            D::Error::invalid_value(Unexpected::Other("roles"), &expected.as_str())
        })?;
    let parsed = names
        .iter()
        .map(|name| Role::parse(name).map(Role::into_string));
    parsed
        .collect::<Result<_, _>>()
        .map(Some)
        .map_err(D::Error::custom)
}

/// Disables or enables a user, or replaces its roles.
///
/// It takes effect at once: the user's sessions end, and roles apply to the next request.
#[utoipa::path(
    patch,
    path = "/admin/users/{id}",
    operation_id = "updateUser",
    tag = ADMIN,
    params(("id" = String, Path, pattern = r"^[^\u0000]*$", description = "An `id` of `GET /admin/users`.", example = "0199d0c6-0b3f-7d18-a7c4-9e5b1d2f6c08")),
    request_body = Patch,
    responses((status = 200, body = UserEntry, description = "The changed user.")),
    security(("access" = []))
)]
pub(super) async fn change(
    state: web::Data<AppState>,
    _: Admin,
    context: RequestContext,
    id: web::Path<String>,
    JsonBody(patch): JsonBody<Patch>,
) -> Result<HttpResponse, Rejection> {
    let changed = state.store.change_user(&id, patch.changes()?, &context);
    let changed = applied(changed.await?).map_err(|error| rejection(error, &state))?;
    state.record_revocation(&changed);
    Ok(HttpResponse::Ok().json(UserEntry::from(changed.user)))
}

/// Ends all sessions of a user.
///
/// Logs the user out on every device. The user can log in again.
#[utoipa::path(
    delete,
    path = "/admin/users/{id}/sessions",
    operation_id = "endUserSessions",
    tag = ADMIN,
    params(("id" = String, Path, pattern = r"^[^\u0000]*$", description = "An `id` of `GET /admin/users`.", example = "0199d0c6-0b3f-7d18-a7c4-9e5b1d2f6c08")),
    responses((status = 200, body = Ended, description = "The sessions ended.")),
    security(("access" = []))
)]
pub(super) async fn end_sessions(
    state: web::Data<AppState>,
    _: Admin,
    context: RequestContext,
    id: web::Path<String>,
) -> Result<HttpResponse, Rejection> {
    let found = state.store.user_by_id(&id).await?;
    found.ok_or_else(|| rejection(AccountError::NoSuchUser, &state))?;
    let ended = state.sessions.end_all(&id, &context).await?;
    Ok(HttpResponse::Ok().json(Ended::of("Sessions ended", ended)))
}

/// Tells where the users are listed if there is no such user.
fn rejection(error: AccountError, state: &AppState) -> Rejection {
    match error {
        AccountError::NoSuchUser => {
            let list = state.place.path("/admin/users");
            Rejection::from(error).hint(format!("List the users with GET {list}."))
        }
        error => error.into(),
    }
}
