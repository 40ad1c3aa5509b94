//! `GET /admin/events`: the audit trail, a page at a time, the latest first.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::admin::whole;
use crate::server::body::bad;
use crate::server::openapi::Problem;
use crate::server::state::AppState;
use tokenpair::session::RequestContext;
use tokenpair::web::{Access, Rejection};
use tokenpair_store::{Event, EventKind, EventQuery};

/// An event, as an admin sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct Listed {
    id: String,
    #[schema(format = DateTime)]
    at: String,
    kind: String,
    user_id: Option<String>,
    session_id: Option<String>,
    actor_id: Option<String>,
    ip: Option<String>,
    detail: Option<String>,
}

impl From<Event> for Listed {
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

/// A page of events, the latest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Events {
    events: Vec<Listed>,
    /// The `before` of the next page; null where there is none.
    next: Option<String>,
}

/// The words of [`EventKind`], for the description alone.
struct Kind;

impl PartialSchema for Kind {
    fn schema() -> RefOr<Schema> {
        let words = EventKind::ALL.map(EventKind::word);
        let schema = ObjectBuilder::new().schema_type(Type::String);
        schema.enum_values(Some(words)).into()
    }
}

impl ToSchema for Kind {}

/// What happened to users and sessions. Pages stay whole while new events come.
#[utoipa::path(
    get,
    path = "/admin/events",
    params(
        ("kind" = inline(Option<Kind>), Query),
        ("user_id" = Option<String>, Query, pattern = r"^[^\u0000]*$"),
        ("before" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "The `next` of the page before."),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 200, description = "50 unless it is said."),
    ),
    responses((status = 200, body = Events), (status = 400, body = Problem), (status = 403, body = Problem)),
    security(("access" = []))
)]
pub(super) async fn events(
    state: web::Data<AppState>,
    _: Access,
    context: RequestContext,
    request: HttpRequest,
) -> Result<HttpResponse, Rejection> {
    state.admit_admin(&context).await?;
    let query = asked_for(&request)?;
    let page = usize::try_from(query.limit).unwrap_or_default();
    // One more than is shown, which tells whether there is a next page.
    let more = EventQuery {
        limit: query.limit + 1,
        ..query
    };
    let mut events = state.store.events(more).await?;
    let is_last = events.len() <= page;
    events.truncate(page);
    let next = events.last().map(|event| event.id.clone());
    let next = next.filter(|_| !is_last);
    let events = events.into_iter().map(Listed::from).collect();
    Ok(HttpResponse::Ok().json(Events { events, next }))
}

fn asked_for(request: &HttpRequest) -> Result<EventQuery, Rejection> {
    let mut query = EventQuery {
        kind: None,
        user_id: None,
        before: None,
        limit: 50,
    };
    for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
        match name.as_ref() {
            "kind" => query.kind = Some(kind(&value)?),
            "user_id" => query.user_id = Some(value.into_owned()),
            "before" => query.before = Some(value.into_owned()),
            "limit" => query.limit = whole(&value, 200, "limit")?,
            _ => {}
        }
    }
    Ok(query)
}

fn kind(word: &str) -> Result<EventKind, Rejection> {
    EventKind::from_word(word).ok_or_else(|| {
        bad(
            "invalid_parameter",
            "The parameter kind has to be a kind of event",
        )
        .hint(format!("One of {}.", EventKind::words()))
    })
}
