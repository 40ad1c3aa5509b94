//! Implements [`SessionStore`] on the rows of sessions, each operation as a single conditional
//! statement.

use async_trait::async_trait;
use diesel::prelude::*;

use super::alerts;
use super::audit::NewEvent;
use super::authority::{Scope, lock_users};
use super::connection::{Conn, on_its_own};
use super::end_all;
use super::event_kind::EventKind;
use super::many;
use super::models::{RecordRows, SessionRow, SubjectRow, record_of};
#[cfg(feature = "postgres")]
use super::quiet_query;
use super::revocations;
use super::rotate_query::swap;
use super::schema::{sessions, users};
use super::store::DieselStore;
use super::url::DatabaseUrl;
use super::user_changes;
use tokenpair::clock::Timestamp;
use tokenpair::session::{
    Advanced, Authorized, CountedRevocations, EndReason, ManySessions, RequestContext, Revocation,
    Revoked, RotationCase, RotationRule, Session, SessionPage, SessionQuery, SessionRecord,
    SessionStore, Step, StoreError, Subject,
};

/// Returns the event of a step; `None` for a routine one.
const fn told(case: RotationCase) -> Option<EventKind> {
    match case {
        RotationCase::LostResponse => Some(EventKind::RefreshRecovered),
        RotationCase::LostCommit => Some(EventKind::RefreshForward),
        RotationCase::Rotate
        | RotationCase::RepeatCurrent
        | RotationCase::ReplayPrevious
        | RotationCase::Reissue => None,
    }
}

/// Returns whether a step needs a transaction, because it records an event.
const fn needs_transaction(step: &Step) -> bool {
    told(step.case).is_some()
}

/// Records an event of a session. Returns its user.
fn record(conn: &mut Conn, event: NewEvent<'_>, id: &str) -> QueryResult<String> {
    let user_id: String = sessions::table
        .find(id)
        .select(sessions::user_id)
        .get_result(conn)?;
    event.user(&user_id).session(id).record(conn)?;
    Ok(user_id)
}

/// Not Diesel's `first`: its LIMIT is a parameter, which makes SQLite plan the statement anew at
/// each execution.
fn load(conn: &mut Conn, id: &str) -> QueryResult<Option<SessionRecord>> {
    let found = on_its_own!(conn => {
        let joined = sessions::table.inner_join(users::table);
        joined
            .filter(sessions::id.eq(id))
            .select((SessionRow::as_select(), SubjectRow::as_select()))
            .get_result::<RecordRows>(conn)
            .optional()
    });
    Ok(found?.map(record_of))
}

/// Executes the rule's common case, where that saves a round trip. `None` if the rule has to be
/// asked.
fn rotate_quietly(conn: &mut Conn, id: &str, rule: &RotationRule) -> QueryResult<Option<Advanced>> {
    let Some(quiet) = rule.quiet() else {
        return Ok(None);
    };
    let rotated = on_its_own!(
        conn,
        postgres: conn => quiet_query::rotate(conn, id, quiet)?,
        sqlite: _ => None,
    );
    Ok(rotated.map(|record| Advanced::quietly(quiet, record)))
}

/// Stores a new session, unless its user has changed. Locks the owners of the sessions that it
/// replaces as well, because locks on users come before those on sessions.
fn create(
    conn: &mut Conn,
    row: &SessionRow,
    replaced: &[String],
    context: &RequestContext,
) -> QueryResult<bool> {
    let owners = owners(conn, replaced)?;
    let locked = owners
        .iter()
        .map(String::as_str)
        .chain([row.user_id.as_str()]);
    let users = lock_users(conn, &Vec::from_iter(locked), false)?;
    let user = users
        .into_iter()
        .find(|user| user.subject.id == row.user_id);
    let subject = user.map(|user| user.subject);
    if subject.is_none_or(|subject| subject.disabled || subject.epoch != row.epoch) {
        let event = NewEvent::new(EventKind::LoginFailed, context).user(&row.user_id);
        event.detail("changed during login").record(conn)?;
        return Ok(false);
    }
    diesel::insert_into(sessions::table)
        .values(row)
        .execute(conn)?;
    let event = NewEvent::new(EventKind::Login, context).user(&row.user_id);
    event.session(&row.id).record(conn)?;
    Ok(true)
}

/// Returns the users of these sessions.
fn owners(conn: &mut Conn, ids: &[String]) -> QueryResult<Vec<String>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    on_its_own!(conn => sessions::table
        .filter(sessions::id.eq_any(ids))
        .select(sessions::user_id)
        .distinct()
        .load(conn))
}

/// Revokes a session that has not ended, and records the revocation with it.
pub(super) fn revoke(
    conn: &mut Conn,
    id: &str,
    reason: EndReason,
    context: &RequestContext,
) -> QueryResult<bool> {
    on_its_own!(
        conn,
        postgres: postgres => super::revoke_query::revoke(postgres, id, reason, context),
        sqlite: _ => revoke_in_turn(conn, id, reason, context),
    )
}

#[cfg(feature = "sqlite")]
fn revoke_in_turn(
    conn: &mut Conn,
    id: &str,
    reason: EndReason,
    context: &RequestContext,
) -> QueryResult<bool> {
    let living = sessions::table
        .find(id)
        .filter(sessions::revoked_at.is_null());
    let end = (
        sessions::revoked_at.eq(context.at.unix()),
        sessions::revoke_reason.eq(reason.word()),
    );
    let ended = diesel::update(living).set(end).execute(conn)? == 1;
    if ended {
        let subject = Revoked::Session(id.to_owned());
        let at = context.at;
        revocations::record(conn, &Revocation { subject, at })?;
        record(conn, NewEvent::of_end(reason, context), id)?;
    }
    Ok(ended)
}

/// Revokes again a session whose revocation was lost. Returns false if it was not lost.
fn restore(conn: &mut Conn, lost: &Revocation, context: &RequestContext) -> QueryResult<bool> {
    match &lost.subject {
        Revoked::Session(id) => Ok(revoke(conn, id, EndReason::Restored, context)?
            || revocations::record_lost(conn, lost)?),
        Revoked::User { id, lowest_epoch } => {
            user_changes::restore(conn, id, *lowest_epoch, lost, context)
        }
        Revoked::All => end_all::restore(conn, lost, context),
    }
}

#[async_trait]
impl SessionStore for DieselStore {
    type Error = StoreError;

    async fn create(&self, session: &Session) -> Result<bool, StoreError> {
        let created = self.create_in_place_of(session, &[]).await?;
        Ok(created.is_some())
    }

    async fn create_in_place_of(
        &self,
        session: &Session,
        replaced: &[String],
    ) -> Result<Option<Vec<String>>, StoreError> {
        let row = SessionRow::from(session);
        let context = RequestContext::of_login(session);
        let mut replaced = replaced.to_vec();
        replaced.sort_unstable();
        self.write(move |conn| {
            if !create(conn, &row, &replaced, &context)? {
                return Ok(None);
            }
            let mut revoked = Vec::new();
            for id in &replaced {
                if revoke(conn, id, EndReason::Replaced, &context)? {
                    revoked.push(id.clone());
                }
            }
            many::delete_old_tombstones(conn, &row.user_id)?;
            Ok(Some(revoked))
        })
        .await
    }

    async fn load(&self, id: &str) -> Result<Option<SessionRecord>, StoreError> {
        let id = id.to_owned();
        self.read(move |conn| load(conn, &id)).await
    }

    async fn subject(&self, user_id: &str) -> Result<Option<Subject>, StoreError> {
        Ok(self.user_by_id(user_id).await?.map(|user| user.subject))
    }

    async fn rotate(&self, step: &Step) -> Result<bool, StoreError> {
        let step = step.clone();
        let Some(kind) = told(step.case) else {
            return self.write_one(move |conn| swap(conn, &step)).await;
        };
        self.write(move |conn| {
            let taken = swap(conn, &step)?;
            if taken {
                let user_id = record(conn, NewEvent::new(kind, &step.context), &step.id)?;
                alerts::note_recovery(conn, kind, &user_id, &step)?;
            }
            Ok(taken)
        })
        .await
    }

    async fn advance(&self, id: &str, rule: RotationRule) -> Result<Option<Advanced>, StoreError> {
        let id = id.to_owned();
        let advance = move |conn: &mut Conn| {
            if let Some(rotated) = rotate_quietly(conn, &id, &rule)? {
                return Ok(Some(rotated));
            }
            let Some(record) = load(conn, &id)? else {
                return Ok(None);
            };
            let advanced = rule.decide(record);
            let taken = match advanced.step() {
                Some(step) if !needs_transaction(step) => swap(conn, step)?,
                _ => false,
            };
            Ok(Some(advanced.with_step_taken(taken)))
        };
        let Some(advanced) = self.write_one(advance).await? else {
            return Ok(None);
        };
        let taken = match advanced.step() {
            Some(step) if needs_transaction(step) => self.rotate(step).await?,
            _ => advanced.is_done(),
        };
        Ok(Some(advanced.with_step_taken(taken)))
    }

    async fn revoke(
        &self,
        id: &str,
        reason: EndReason,
        context: &RequestContext,
    ) -> Authorized<bool> {
        let id = id.to_owned();
        // A statement that needs no other in its transaction, and does no harm if executed twice.
        if context.authority.is_none() && matches!(self.url(), DatabaseUrl::Postgres(_)) {
            let context = context.clone();
            let revoke = move |conn: &mut Conn| revoke(conn, &id, reason, &context);
            return Ok(Ok(self.write_one(revoke).await?));
        }
        let scope = Scope {
            session: Some(id.clone()),
            ..Scope::default()
        };
        self.write_for(context, scope, move |conn, context, _| {
            revoke(conn, &id, reason, context)
        })
        .await
    }

    async fn list(&self, query: &SessionQuery) -> Result<SessionPage, StoreError> {
        let query = query.clone();
        self.read(move |conn| many::list(conn, &query)).await
    }

    async fn revoke_many(&self, many: &ManySessions) -> Authorized<usize> {
        let mut many = many.clone();
        let mut ended = 0;
        loop {
            let wanted = many.clone();
            let scope = Scope::user(&many.user_id);
            let some = self.write_for(&many.context, scope, move |conn, _, _| {
                many::end(conn, &wanted)
            });
            match some.await? {
                Err(denied) => return Ok(Err(denied)),
                Ok(some) if some < many::TOGETHER => return Ok(Ok(ended + some)),
                Ok(some) => ended += some,
            }
            // Only the first step is authorized, since it may have ended the session of the request
            // itself.
            many.context.authority = None;
        }
    }

    async fn restore(
        &self,
        lost: &[Revocation],
        context: &RequestContext,
    ) -> Result<Vec<Revocation>, StoreError> {
        let mut restored = Vec::new();
        for Revocation { subject, at } in lost {
            let at = match subject {
                // Tokens issued since are valid.
                Revoked::All => *at,
                Revoked::Session(_) | Revoked::User { .. } => context.at,
            };
            let subject = subject.clone();
            let revocation = Revocation { subject, at };
            let (lost, context) = (revocation.clone(), context.clone());
            if self
                .write(move |conn| restore(conn, &lost, &context))
                .await?
            {
                restored.push(revocation);
            }
        }
        Ok(restored)
    }

    async fn revocations_since(&self, at: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        self.read(move |conn| revocations::since(conn, at)).await
    }

    fn counted_revocations(&self) -> Option<&dyn CountedRevocations> {
        Some(self)
    }
}

impl DieselStore {
    /// Returns a user's newest sessions, live or ended, at most `most`: for a command that shows
    /// how each ended.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub async fn sessions_of(&self, user_id: &str, most: i64) -> Result<Vec<Session>, StoreError> {
        let user_id = user_id.to_owned();
        let list = move |conn: &mut Conn| {
            sessions::table
                .filter(sessions::user_id.eq(&user_id))
                .order((sessions::created_at.desc(), sessions::id.desc()))
                .limit(most)
                .select(SessionRow::as_select())
                .load(conn)
        };
        let rows = self.read(list).await?;
        Ok(rows.into_iter().map(Session::from).collect())
    }
}
