//! Implements `GET /sessions`, `DELETE /sessions/{id}` and `DELETE /sessions`: users see where they
//! are logged in and log out there.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::responses::{Ended, Message};
use super::tags::SESSIONS;
use crate::server::device;
use crate::server::error_code::ServerErrorCode;
use crate::server::query::{PageNumber, Whole, query};
use crate::server::state::AppState;
use tokenpair::session::{RequestContext, Session, SessionPage};
use tokenpair::web::{Access, Rejection};
use tokenpair_store::Page;

/// A live session.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionEntry {
    id: String,
    /// The browser and its system, or the program.
    device: String,
    /// The address of the latest request.
    #[schema(required = true)]
    ip: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    last_used_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    /// Whether it is the session of the request.
    current: bool,
}

impl SessionEntry {
    fn new(state: &AppState, session: Session, current: &str) -> Self {
        Self {
            current: session.id == current,
            device: device::in_words(session.user_agent.as_deref()),
            created_at: session.created_at.to_string(),
            last_used_at: session.last_used_at.to_string(),
            expires_at: state.sessions.end_of(&session).to_string(),
            id: session.id,
            ip: session.ip.map(|ip| ip.to_string()),
        }
    }
}

/// A page of a user's live sessions, newest login first.
#[derive(Serialize, ToSchema)]
pub(super) struct Sessions {
    sessions: Vec<SessionEntry>,
    #[schema(value_type = u32, minimum = 1)]
    page: i64,
    #[schema(value_type = u32, minimum = 1)]
    per_page: i64,
    /// Number of sessions on all pages.
    #[schema(value_type = u32)]
    total: usize,
}

/// The query of `GET /sessions`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SessionSearch {
    #[param(inline, required = false)]
    page: PageNumber,
    /// Default: 100.
    #[param(inline, required = false)]
    per_page: SessionsPerPage,
}

/// The default is that of `SESSION_LIMIT`, so one page usually has all.
type SessionsPerPage = Whole<200, 100>;

/// Lists the user's live sessions.
///
/// The newest login comes first, in pages.
#[utoipa::path(
    get,
    path = "/sessions",
    operation_id = "listSessions",
    tag = SESSIONS,
    params(SessionSearch),
    responses((status = 200, body = Sessions, description = "A page of sessions.")),
    security(("access" = []))
)]
pub(super) async fn list(
    state: web::Data<AppState>,
    user: Access,
    request: HttpRequest,
) -> Result<HttpResponse, Rejection> {
    let wanted: SessionSearch = query(&request)?;
    let page = Page {
        number: wanted.page.0,
        size: wanted.per_page.0,
    };
    let count = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    let (skipped, most) = (count(page.offset()), count(page.size));
    let found = state
        .sessions
        .page(user.identity(), skipped, most, state.auth.now());
    let SessionPage { sessions, total } = found.await?;
    let listed = sessions
        .into_iter()
        .map(|session| SessionEntry::new(&state, session, sid(&user)));
    Ok(HttpResponse::Ok().json(Sessions {
        sessions: listed.collect(),
        page: page.number,
        per_page: page.size,
        total,
    }))
}

/// Ends one of the user's sessions.
///
/// Logs that device out. Ending the current session removes its cookies too.
#[utoipa::path(
    delete,
    path = "/sessions/{id}",
    operation_id = "endSession",
    tag = SESSIONS,
    params(("id" = String, Path, pattern = r"^[^\u0000]*$", description = "An `id` of `GET /sessions`.", example = "0199d0c4-11aa-7e3b-b0d5-0c9f7a3d5e42")),
    responses((status = 200, body = Message, description = "The session ended.")),
    security(("access" = []))
)]
pub(super) async fn end_one(
    state: web::Data<AppState>,
    user: Access,
    context: RequestContext,
    id: web::Path<String>,
) -> Result<HttpResponse, Rejection> {
    end_own(&state, &user, &id, &context).await?;
    let mut response = HttpResponse::Ok().json(Message::of("Session ended"));
    if *id == sid(&user) {
        state.auth.cookies().unset_all(response.headers_mut());
    }
    Ok(response)
}

/// Ends a session, if it is the user's.
pub(super) async fn end_own(
    state: &AppState,
    user: &Access,
    id: &str,
    context: &RequestContext,
) -> Result<(), Rejection> {
    // PostgreSQL rejects a statement with a NUL. In a path, every route refuses it before.
    let is_id = !id.contains('\0');
    if is_id && state.sessions.end_own(user.identity(), id, context).await? {
        return Ok(());
    }
    let list = state.place.path("/sessions");
    Err(Rejection::from(ServerErrorCode::SessionNotFound)
        .hint(format!("List your sessions with GET {list}.")))
}

/// Ends all other sessions of the user.
///
/// Logs all other devices out. The session of the request continues.
#[utoipa::path(
    delete,
    path = "/sessions",
    operation_id = "endOtherSessions",
    tag = SESSIONS,
    responses((status = 200, body = Ended, description = "The other sessions ended.")),
    security(("access" = []))
)]
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

pub(super) fn sid(user: &Access) -> &str {
    user.claims().sid.as_deref().unwrap_or_default()
}
