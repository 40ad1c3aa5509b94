//! `GET /sessions`, `DELETE /sessions/{id}` and `DELETE /sessions`: where one is logged in, and to end that.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::admin::paged;
use crate::server::device;
use crate::server::openapi::{Ended, Message, Problem};
use crate::server::state::AppState;
use tokenpair::session::{RequestContext, Session, SessionPage};
use tokenpair::web::{Access, Rejection};

/// A session, as its user sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct Listed {
    id: String,
    device: String,
    ip: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    last_used_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    current: bool,
}

impl Listed {
    fn new(state: &AppState, session: Session, current: &str) -> Self {
        Self {
            current: session.id == current,
            device: device::in_words(session.user_agent.as_deref()),
            created_at: session.created_at.to_string(),
            last_used_at: session.last_used_at.to_string(),
            expires_at: state.sessions.end_of(&session).to_string(),
            id: session.id,
            ip: session.ip,
        }
    }
}

/// A page of a user's live sessions, newest login first.
#[derive(Serialize, ToSchema)]
pub(super) struct Sessions {
    sessions: Vec<Listed>,
    page: i64,
    per_page: i64,
    /// How many there are on all pages.
    total: usize,
}

/// As many as the default of `SESSION_LIMIT`.
const PER_PAGE: i64 = 100;

/// Where one is logged in.
#[utoipa::path(
    get,
    path = "/sessions",
    params(
        ("page" = Option<i64>, Query, minimum = 1, maximum = 1_000_000),
        ("per_page" = Option<i64>, Query, minimum = 1, maximum = 200, description = "Default: 100."),
    ),
    responses((status = 200, body = Sessions), (status = 400, body = Problem)),
    security(("access" = []))
)]
pub(super) async fn list(
    state: web::Data<AppState>,
    user: Access,
    request: HttpRequest,
) -> Result<HttpResponse, Rejection> {
    let page = paged(&request, PER_PAGE)?;
    let count = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    let (skipped, most) = (count(page.offset()), count(page.size));
    let found = state
        .sessions
        .page(user.identity(), skipped, most, state.auth.now());
    let SessionPage { sessions, total } = found.await?;
    let listed = sessions
        .into_iter()
        .map(|session| Listed::new(&state, session, sid(&user)));
    Ok(HttpResponse::Ok().json(Sessions {
        sessions: listed.collect(),
        page: page.number,
        per_page: page.size,
        total,
    }))
}

/// Ends one of one's own sessions.
#[utoipa::path(
    delete,
    path = "/sessions/{id}",
    params(("id" = String, Path, pattern = r"^[^\u0000]*$")),
    responses((status = 200, body = Message), (status = 404, body = Problem)),
    security(("access" = []))
)]
pub(super) async fn end_one(
    state: web::Data<AppState>,
    user: Access,
    context: RequestContext,
    id: web::Path<String>,
) -> Result<HttpResponse, Rejection> {
    if !state
        .sessions
        .end_own(user.identity(), &id, &context)
        .await?
    {
        return Err(Rejection::new(
            StatusCode::NOT_FOUND,
            "session_not_found",
            "No such session",
        )
        .hint("GET /sessions lists yours."));
    }
    let mut response = HttpResponse::Ok().json(Message::of("Session ended"));
    if *id == sid(&user) {
        state.auth.cookies().unset_all(response.headers_mut());
    }
    Ok(response)
}

/// Ends all of one's sessions but this one.
#[utoipa::path(delete, path = "/sessions", responses((status = 200, body = Ended)), security(("access" = [])))]
pub(super) async fn end_others(
    state: web::Data<AppState>,
    user: Access,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    let ended = state
        .sessions
        .end_others(user.identity(), sid(&user), &context)
        .await?;
    Ok(HttpResponse::Ok().json(Ended::of("All other sessions ended", ended)))
}

fn sid(user: &Access) -> &str {
    user.claims().sid.as_deref().unwrap_or_default()
}
