//! Implements the audit trail: one row for each event of an account or a session, written in the
//! transaction that causes it. A routine refresh is not an event. No event contains a secret: no
//! password, no token, and no name without an account, since people type passwords into the wrong
//! field.

use diesel::prelude::*;
use uuid::Uuid;

use super::connection::{Conn, MultiBackend, on_its_own};
use super::event_kind::EventKind;
use super::noted::note;
use super::schema::audit_events;
use super::store::DieselStore;
use tokenpair::clock::Timestamp;
use tokenpair::session::{EndReason, RequestContext, StoreError};

/// An event in the audit trail.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Event {
    /// UUIDv7, so that ids sort by time.
    pub id: String,
    /// The time of the event.
    pub at: Timestamp,
    /// A word of [`EventKind`], or of a later version's.
    pub kind: String,
    /// The user it happened to. `None` if a login named no existing user.
    pub user_id: Option<String>,
    /// The session it happened to.
    pub session_id: Option<String>,
    /// The user or the client who did it ([`RequestContext::by`]).
    pub actor_id: Option<String>,
    /// The client's address.
    pub ip: Option<String>,
    /// Further details.
    pub detail: Option<String>,
}

/// A wrong password, at a login or at the confirmation of a change, or a client's wrong secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Whether it was a login, a confirmation or a client.
    pub kind: EventKind,
    /// The user it was meant for, if the user exists.
    pub user_id: Option<String>,
    /// The reason.
    pub detail: &'static str,
}

/// A query for events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventQuery {
    /// Only events of this kind.
    pub kind: Option<EventKind>,
    /// Only events of this user.
    pub user_id: Option<String>,
    /// Only events before the one with this id.
    pub before: Option<String>,
    /// The maximum number of events.
    pub limit: i64,
}

/// An event to write.
pub(super) struct NewEvent<'a> {
    kind: EventKind,
    context: &'a RequestContext,
    user_id: Option<String>,
    session_id: Option<String>,
    detail: Option<String>,
}

impl<'a> NewEvent<'a> {
    pub(super) const fn new(kind: EventKind, context: &'a RequestContext) -> Self {
        Self {
            kind,
            context,
            user_id: None,
            session_id: None,
            detail: None,
        }
    }

    /// Returns the event of a session's end.
    pub(super) fn of_end(reason: EndReason, context: &'a RequestContext) -> Self {
        match reason {
            EndReason::Logout => Self::new(EventKind::Logout, context),
            EndReason::Reuse => Self::new(EventKind::RefreshTokenReused, context),
            _ => Self::new(EventKind::SessionRevoked, context).detail(reason.word()),
        }
    }

    pub(super) fn of_refusal(refusal: Refusal, context: &'a RequestContext) -> Self {
        Self {
            user_id: refusal.user_id,
            ..Self::new(refusal.kind, context).detail(refusal.detail)
        }
    }

    /// Returns its kind and its detail, for a statement that writes many events.
    pub(super) fn parts(&self) -> (EventKind, &str) {
        (self.kind, self.detail.as_deref().unwrap_or_default())
    }

    pub(super) fn maybe_user(self, id: Option<&str>) -> Self {
        Self {
            user_id: id.map(str::to_owned),
            ..self
        }
    }

    pub(super) fn user(self, id: impl Into<String>) -> Self {
        Self {
            user_id: Some(id.into()),
            ..self
        }
    }

    pub(super) fn session(self, id: impl Into<String>) -> Self {
        Self {
            session_id: Some(id.into()),
            ..self
        }
    }

    pub(super) fn detail(self, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }

    pub(super) fn record(self, conn: &mut Conn) -> QueryResult<()> {
        let kind = self.kind;
        diesel::insert_into(audit_events::table)
            .values(self.row())
            .execute(conn)?;
        note(kind, 1);
        Ok(())
    }

    /// Writes one statement, so there must not be too many.
    pub(super) fn record_all(
        events: impl Iterator<Item = Self>,
        conn: &mut Conn,
    ) -> QueryResult<()> {
        let mut kinds = Vec::new();
        let rows: Vec<NewEventRow> = events
            .inspect(|event| kinds.push(event.kind))
            .map(Self::row)
            .collect();
        let insert = diesel::insert_into(audit_events::table).values(rows);
        on_its_own!(conn => insert.execute(conn))?;
        kinds.into_iter().for_each(|kind| note(kind, 1));
        Ok(())
    }

    /// Returns the time from which its alert may be sent. `None` if it is no alert.
    pub(super) fn alert_due(&self) -> Option<i64> {
        self.kind.is_alert().then(|| self.context.at.unix())
    }

    fn row(self) -> NewEventRow {
        NewEventRow {
            alert_due: self.alert_due(),
            event: self.into_event(),
            alert_attempts: 0,
        }
    }

    fn into_event(self) -> EventRow {
        EventRow {
            id: Uuid::now_v7().to_string(),
            at: self.context.at.unix(),
            kind: self.kind.word().to_owned(),
            user_id: self.user_id,
            session_id: self.session_id,
            actor_id: self.context.by.clone(),
            ip: self.context.ip.map(|ip| ip.to_string()),
            detail: self.detail,
        }
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = audit_events, check_for_backend(MultiBackend), treat_none_as_default_value = false)]
pub(super) struct EventRow {
    id: String,
    at: i64,
    kind: String,
    user_id: Option<String>,
    session_id: Option<String>,
    actor_id: Option<String>,
    ip: Option<String>,
    detail: Option<String>,
}

/// A new event, with the time from which its alert may be sent.
#[derive(Insertable)]
#[diesel(table_name = audit_events, treat_none_as_default_value = false)]
struct NewEventRow {
    #[diesel(embed)]
    event: EventRow,
    alert_due: Option<i64>,
    alert_attempts: i64,
}

impl From<EventRow> for Event {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id,
            at: Timestamp::from_unix(row.at),
            kind: row.kind,
            user_id: row.user_id,
            session_id: row.session_id,
            actor_id: row.actor_id,
            ip: row.ip,
            detail: row.detail,
        }
    }
}

impl DieselStore {
    /// Returns events, latest first.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair_store::password::PasswordHash;
    /// # use tokenpair::session::RequestContext;
    /// # use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
    /// use tokenpair_store::{EventKind, EventQuery, Refusal};
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
    /// # let store = DieselStore::open(&url, StorePolicy::default())?;
    /// # store.migrate()?;
    /// # let context = RequestContext::at(Timestamp::from_unix(1_800_000_000));
    /// # let password_hash = PasswordHash::from_text("$2b$12$...".to_owned());
    /// # let username = Username::parse("ada")?;
    /// # let ada = store.create_user(NewUser { username, password_hash, roles: vec![] }, &context).await?;
    /// let kind = EventKind::LoginFailed;
    /// let refusal = Refusal { kind, user_id: Some(ada.id.clone()), detail: "wrong password" };
    /// store.record_refusal(refusal, vec![], &context).await?;
    /// let query = EventQuery { kind: None, user_id: Some(ada.id), before: None, limit: 10 };
    /// let events = store.events(query.clone()).await?;
    /// assert_eq!(events[0].kind, "login_failed");
    /// assert_eq!(events[1].kind, "user_created");
    ///
    /// // The next page.
    /// let older = EventQuery { before: Some(events[0].id.clone()), ..query };
    /// assert_eq!(store.events(older).await?, events[1..]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub async fn events(&self, query: EventQuery) -> Result<Vec<Event>, StoreError> {
        let select = move |conn: &mut Conn| {
            let mut rows = audit_events::table
                .order(audit_events::id.desc())
                .limit(query.limit)
                .select(EventRow::as_select())
                .into_boxed();
            if let Some(kind) = query.kind {
                rows = rows.filter(audit_events::kind.eq(kind.word()));
            }
            if let Some(user_id) = &query.user_id {
                rows = rows.filter(audit_events::user_id.eq(user_id));
            }
            if let Some(before) = &query.before {
                rows = rows.filter(audit_events::id.lt(before));
            }
            rows.load(conn)
        };
        let rows: Vec<EventRow> = self.read(select).await?;
        Ok(rows.into_iter().map(Event::from).collect())
    }
}
