//! `/admin/users`: what an admin does with other users. Whether one is an admin is the database's to say, at every
//! request.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::server::accounts::{AccountError, applied};
use crate::server::body::{Body, Fields, FromFields, bad};
use crate::server::openapi::{Ended, Problem};
use crate::server::state::AppState;
use tokenpair::session::{RequestContext, SessionStore};
use tokenpair::web::{Access, Rejection};
use tokenpair_store::{ADMIN, Page, Role, User, UserChange};

/// A user, as an admin sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct Listed {
    id: String,
    username: String,
    roles: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    disabled_at: Option<String>,
}

/// A page of users, by name.
#[derive(Serialize, ToSchema)]
pub(super) struct Users {
    users: Vec<Listed>,
    page: i64,
    per_page: i64,
    /// How many there are on all pages.
    total: i64,
}

impl From<User> for Listed {
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

/// The users, by name.
#[utoipa::path(
    get,
    path = "/admin/users",
    params(
        ("search" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only names that hold this, in any case."),
        ("page" = Option<i64>, Query, minimum = 1, maximum = 1_000_000),
        ("per_page" = Option<i64>, Query, minimum = 1, maximum = 200, description = "50 unless it is said."),
    ),
    responses((status = 200, body = Users), (status = 400, body = Problem), (status = 403, body = Problem)),
    security(("access" = []))
)]
pub(super) async fn users(
    state: web::Data<AppState>,
    _: Access,
    context: RequestContext,
    request: HttpRequest,
) -> Result<HttpResponse, Rejection> {
    state.admit_admin(&context).await?;
    let Query { search, page } = Query::of(&request)?;
    let found = state.store.search_users(&search, page).await;
    let (users, total) = found?;
    let users: Vec<Listed> = users.into_iter().map(Listed::from).collect();
    Ok(HttpResponse::Ok().json(Users {
        users,
        page: page.number,
        per_page: page.size,
        total,
    }))
}

/// What is asked for in the address.
struct Query {
    search: String,
    page: Page,
}

impl Query {
    fn of(request: &HttpRequest) -> Result<Self, Rejection> {
        let search = parameters(request).filter(|(name, _)| name == "search");
        Ok(Self {
            search: search
                .map(|(_, value)| value.into_owned())
                .last()
                .unwrap_or_default(),
            page: paged(request, 50)?,
        })
    }
}

fn parameters(request: &HttpRequest) -> url::form_urlencoded::Parse<'_> {
    url::form_urlencoded::parse(request.query_string().as_bytes())
}

/// The page that the address asks for, by `page` and `per_page`.
pub(super) fn paged(request: &HttpRequest, size: i64) -> Result<Page, Rejection> {
    let mut page = Page { number: 1, size };
    for (name, value) in parameters(request) {
        match name.as_ref() {
            "page" => page.number = whole(&value, 1_000_000, "page")?,
            "per_page" => page.size = whole(&value, 200, "per_page")?,
            _ => {}
        }
    }
    Ok(page)
}

pub(super) fn whole(text: &str, most: i64, name: &'static str) -> Result<i64, Rejection> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| {
        bad(
            "invalid_parameter",
            format!("The parameter {name} has to be a whole number from 1 to {most}"),
        )
    })
}

/// What shall become of a user. One of the two has to be there.
#[derive(ToSchema)]
#[schema(min_properties = 1)]
pub(super) struct Patch {
    disabled: Option<bool>,
    /// Another list in the place of the present one.
    #[schema(max_items = 16)]
    roles: Option<Vec<String>>,
}

impl Patch {
    fn changes(self) -> Vec<UserChange> {
        let state = self.disabled.map(|disabled| match disabled {
            true => UserChange::Disable,
            false => UserChange::Enable,
        });
        let roles = self.roles.map(UserChange::Roles);
        roles.into_iter().chain(state).collect()
    }
}

impl FromFields for Patch {
    fn from_fields(fields: &Fields, _: &HttpRequest) -> Result<Self, Rejection> {
        let patch = Self {
            disabled: fields.truth("disabled")?,
            roles: roles(fields)?,
        };
        if patch.disabled.is_none() && patch.roles.is_none() {
            return Err(bad(
                "missing_parameter",
                "Missing disabled or roles parameter",
            ));
        }
        Ok(patch)
    }
}

fn roles(fields: &Fields) -> Result<Option<Vec<String>>, Rejection> {
    let complaint = |what: String| bad("invalid_parameter", what);
    let Some(roles) = fields.value("roles") else {
        return Ok(None);
    };
    let names = roles
        .as_array()
        .and_then(|names| names.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    let names = names.filter(|names| names.len() <= Role::MOST);
    let names = names.ok_or_else(|| {
        let most = Role::MOST;
        complaint(format!(
            "The parameter roles has to be a list of at most {most} texts"
        ))
    })?;
    let parsed = names
        .into_iter()
        .map(|name| Role::parse(name).map(Role::into_string));
    parsed
        .collect::<Result<_, _>>()
        .map(Some)
        .map_err(|error| complaint(format!("The parameter roles is wrong: {error}")))
}

/// Lets a user in or not, gives other roles; at once.
#[utoipa::path(
    patch,
    path = "/admin/users/{id}",
    params(("id" = String, Path, pattern = r"^[^\u0000]*$")),
    request_body = Patch,
    responses(
        (status = 200, body = Listed),
        (status = 403, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem),
    ),
    security(("access" = []))
)]
pub(super) async fn change(
    state: web::Data<AppState>,
    _: Access,
    context: RequestContext,
    id: web::Path<String>,
    Body(patch): Body<Patch>,
) -> Result<HttpResponse, Rejection> {
    let context = context.needing(ADMIN);
    let changed = state.store.change_user(&id, patch.changes(), &context);
    let changed = applied(changed.await?)?;
    state.record_revocation(&changed);
    Ok(HttpResponse::Ok().json(Listed::from(changed.user)))
}

/// Ends all of a user's sessions.
#[utoipa::path(
    delete,
    path = "/admin/users/{id}/sessions",
    params(("id" = String, Path, pattern = r"^[^\u0000]*$")),
    responses((status = 200, body = Ended), (status = 403, body = Problem), (status = 404, body = Problem)),
    security(("access" = []))
)]
pub(super) async fn end_sessions(
    state: web::Data<AppState>,
    _: Access,
    context: RequestContext,
    id: web::Path<String>,
) -> Result<HttpResponse, Rejection> {
    state.admit_admin(&context).await?;
    let found = state.store.user_by_id(&id).await?;
    found.ok_or(AccountError::NoSuchUser)?;
    let ended = state.sessions.end_all(&id, &context.needing(ADMIN)).await?;
    Ok(HttpResponse::Ok().json(Ended::of("Sessions ended", ended)))
}

impl AppState {
    /// Admits an act of a user who is an admin now, whatever its token says of roles.
    pub(super) async fn admit_admin(&self, context: &RequestContext) -> Result<(), Rejection> {
        let context = context.clone().needing(ADMIN);
        Ok(self.store.check(&context).await??)
    }
}
