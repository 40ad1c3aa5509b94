//! Implements `GET /admin/events`, the audit trail in pages, latest event first.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::tags::ADMIN;
use crate::server::error_code::ServerErrorCode;
use crate::server::guards::Admin;
use crate::server::query::{Whole, query};
use crate::server::state::AppState;
use tokenpair::web::Rejection;
use tokenpair_store::{Event, EventKind, EventQuery};

/// An audit event.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventEntry {
    id: String,
    #[schema(format = DateTime)]
    at: String,
    kind: String,
    /// The user whom it concerns.
    #[schema(required = true)]
    user_id: Option<String>,
    #[schema(required = true)]
    session_id: Option<String>,
    /// The admin who did it.
    #[schema(required = true)]
    actor_id: Option<String>,
    #[schema(required = true)]
    ip: Option<String>,
    #[schema(required = true)]
    detail: Option<String>,
}

impl From<Event> for EventEntry {
    fn from(event: Event) -> Self {
        Self {
            id: event.id,
            at: event.at.to_string(),
            kind: event.kind,
            user_id: event.user_id,
            session_id: event.session_id,
            actor_id: event.actor_id,
            ip: event.ip,
            detail: event.detail,
        }
    }
}

/// A page of events, latest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Events {
    events: Vec<EventEntry>,
    /// The `before` of the next page, or null on the last one.
    #[schema(required = true)]
    next: Option<String>,
}

/// Describes the words of [`EventKind`].
struct Kind;

impl PartialSchema for Kind {
    fn schema() -> RefOr<Schema> {
        let words = EventKind::ALL.map(EventKind::word);
        let schema = ObjectBuilder::new().schema_type(Type::String);
        schema.enum_values(Some(words)).into()
    }
}

impl ToSchema for Kind {}

/// The query of `GET /admin/events`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventSearch {
    /// Only events of this kind.
    #[param(inline, value_type = Option<Kind>)]
    kind: Option<String>,
    /// Only events that concern this user.
    #[param(pattern = r"^[^\u0000]*$")]
    user_id: Option<String>,
    /// The `next` of the page before.
    #[param(pattern = r"^[^\u0000]*$")]
    before: Option<String>,
    /// Default: 50.
    #[param(inline, required = false)]
    limit: EventsPerPage,
}

type EventsPerPage = Whole<200, 50>;

/// Lists what happened to users and sessions, latest event first.
///
/// Pages do not shift while new events arrive.
#[utoipa::path(
    get,
    path = "/admin/events",
    operation_id = "listEvents",
    tag = ADMIN,
    params(EventSearch),
    responses((status = 200, body = Events, description = "A page of events.")),
    security(("access" = []))
)]
pub(super) async fn events(
    state: web::Data<AppState>,
    _: Admin,
    request: HttpRequest,
) -> Result<HttpResponse, Rejection> {
    let wanted: EventSearch = query(&request)?;
    let Whole(limit) = wanted.limit;
    let query = EventQuery {
        kind: wanted.kind.as_deref().map(kind).transpose()?,
        user_id: wanted.user_id,
        before: wanted.before,
        // One more than is shown, which tells whether there is a next page.
        limit: limit + 1,
    };
    let mut events = state.store.events(query).await?;
    let limit = usize::try_from(limit).unwrap_or_default();
    let is_last = events.len() <= limit;
    events.truncate(limit);
    let next = events.last().map(|event| event.id.clone());
    let next = next.filter(|_| !is_last);
    let events = events.into_iter().map(EventEntry::from).collect();
    Ok(HttpResponse::Ok().json(Events { events, next }))
}

fn kind(word: &str) -> Result<EventKind, Rejection> {
    EventKind::from_word(word).ok_or_else(|| {
        Rejection::from(ServerErrorCode::InvalidParameter)
            .msg("The parameter kind has to be a kind of event")
            .hint(format!("Use one of {}.", EventKind::words()))
    })
}
