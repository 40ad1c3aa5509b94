//! The rows of sessions: what [`SessionStore`] asks for, each a single conditional statement.

use async_trait::async_trait;
use diesel::prelude::*;

use super::audit::{EventKind, NewEvent};
use super::connection::{Conn, DieselStore, MultiBackend};
use super::revocations;
use super::schema::{sessions, users};
use super::swap::swap;
use super::users::UserRow;
use crate::clock::Timestamp;
use crate::session::{
    Act, Case, EndReason, Revocation, Revoked, Rotation, Seed, Session, SessionRecord,
    SessionStore, Step, StoreError, Subject,
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, check_for_backend(MultiBackend))]
struct SessionRow {
    id: String,
    user_id: String,
    epoch: i64,
    #[diesel(embed)]
    rotation: RotationColumns,
    seed: String,
    remember: bool,
    created_at: i64,
    last_used_at: i64,
    expires_at: i64,
    user_agent: Option<String>,
    ip: Option<String>,
    revoked_at: Option<i64>,
    revoke_reason: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, check_for_backend(MultiBackend))]
struct RotationColumns {
    generation: i64,
    previous_generation: Option<i64>,
    previous_barred: bool,
    rotated_at: i64,
    handed_at: Option<i64>,
    confirmed_at: Option<i64>,
}

impl From<Rotation> for RotationColumns {
    fn from(rotation: Rotation) -> Self {
        Self {
            generation: rotation.generation,
            previous_generation: rotation.previous,
            previous_barred: rotation.previous_barred,
            rotated_at: rotation.rotated_at.unix(),
            handed_at: rotation.handed_at.map(Timestamp::unix),
            confirmed_at: rotation.confirmed_at.map(Timestamp::unix),
        }
    }
}

impl From<RotationColumns> for Rotation {
    fn from(columns: RotationColumns) -> Self {
        Self {
            generation: columns.generation,
            previous: columns.previous_generation,
            previous_barred: columns.previous_barred,
            rotated_at: Timestamp::from_unix(columns.rotated_at),
            handed_at: columns.handed_at.map(Timestamp::from_unix),
            confirmed_at: columns.confirmed_at.map(Timestamp::from_unix),
        }
    }
}

impl From<&Session> for SessionRow {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id.clone(),
            user_id: session.user_id.clone(),
            epoch: session.epoch,
            rotation: session.rotation.into(),
            seed: session.seed.expose().to_owned(),
            remember: session.remember,
            created_at: session.created_at.unix(),
            last_used_at: session.last_used_at.unix(),
            expires_at: session.expires_at.unix(),
            user_agent: session.user_agent.clone(),
            ip: session.ip.clone(),
            revoked_at: session.revoked.map(|(at, _)| at.unix()),
            revoke_reason: session.revoked.map(|(_, reason)| reason.word().to_owned()),
        }
    }
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        let reason = EndReason::from_word(row.revoke_reason.as_deref().unwrap_or_default());
        Self {
            id: row.id,
            user_id: row.user_id,
            epoch: row.epoch,
            rotation: row.rotation.into(),
            seed: Seed::from_text(row.seed),
            remember: row.remember,
            created_at: Timestamp::from_unix(row.created_at),
            last_used_at: Timestamp::from_unix(row.last_used_at),
            expires_at: Timestamp::from_unix(row.expires_at),
            user_agent: row.user_agent,
            ip: row.ip,
            revoked: row.revoked_at.map(|at| (Timestamp::from_unix(at), reason)),
        }
    }
}

/// What there is to tell of a step; nothing of a routine one.
const fn told(case: Case) -> Option<EventKind> {
    match case {
        Case::Recover => Some(EventKind::RefreshRecovered),
        Case::Forward => Some(EventKind::RefreshForward),
        Case::Rotate | Case::Again | Case::Same => None,
    }
}

/// Records what happened to a session.
fn record(conn: &mut Conn, event: NewEvent<'_>, id: &str) -> QueryResult<()> {
    let user_id: String = sessions::table
        .find(id)
        .select(sessions::user_id)
        .first(conn)?;
    event.user(user_id).session(id).record(conn)
}

/// Ends a session that has not ended, and records that with it.
fn revoke(conn: &mut Conn, id: &str, reason: EndReason, act: &Act) -> QueryResult<bool> {
    let living = sessions::table
        .find(id)
        .filter(sessions::revoked_at.is_null());
    let end = (
        sessions::revoked_at.eq(act.at.unix()),
        sessions::revoke_reason.eq(reason.word()),
    );
    let ended = diesel::update(living).set(end).execute(conn)? == 1;
    if ended {
        let subject = Revoked::Session(id.to_owned());
        let at = act.at;
        revocations::record(conn, &Revocation { subject, at })?;
        record(conn, NewEvent::of_end(reason, act), id)?;
    }
    Ok(ended)
}

#[async_trait]
impl SessionStore for DieselStore {
    async fn create(&self, session: &Session) -> Result<(), StoreError> {
        let row = SessionRow::from(session);
        let act = Act {
            ip: session.ip.clone(),
            ..Act::at(session.created_at)
        };
        self.write(move |conn| {
            let event = NewEvent::new(EventKind::Login, &act).user(&row.user_id);
            let event = event.session(&row.id);
            diesel::insert_into(sessions::table)
                .values(&row)
                .execute(conn)?;
            event.record(conn)
        })
        .await
    }

    async fn load(&self, id: &str) -> Result<Option<SessionRecord>, StoreError> {
        let id = id.to_owned();
        let found: Option<(SessionRow, UserRow)> = self
            .read(move |conn| {
                let joined = sessions::table
                    .inner_join(users::table)
                    .filter(sessions::id.eq(&id));
                joined
                    .select((SessionRow::as_select(), UserRow::as_select()))
                    .first(conn)
                    .optional()
            })
            .await?;
        Ok(found.map(|(session, user)| SessionRecord {
            session: session.into(),
            subject: user.into(),
        }))
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
                record(conn, NewEvent::new(kind, &step.act), &step.id)?;
            }
            Ok(taken)
        })
        .await
    }

    async fn touch(
        &self,
        id: &str,
        now: Timestamp,
        idle_since: Timestamp,
    ) -> Result<bool, StoreError> {
        let id = id.to_owned();
        let touch = move |conn: &mut Conn| {
            let living = sessions::table
                .find(&id)
                .filter(sessions::revoked_at.is_null())
                .filter(sessions::expires_at.gt(now.unix()))
                .filter(sessions::last_used_at.gt(idle_since.unix()));
            diesel::update(living)
                .set(sessions::last_used_at.eq(now.unix()))
                .execute(conn)
        };
        self.write_one(touch).await.map(|rows| rows == 1)
    }

    async fn revoke(&self, id: &str, reason: EndReason, act: &Act) -> Result<bool, StoreError> {
        let (id, act) = (id.to_owned(), act.clone());
        self.write(move |conn| revoke(conn, &id, reason, &act))
            .await
    }

    async fn list(&self, user_id: &str) -> Result<Vec<Session>, StoreError> {
        let user_id = user_id.to_owned();
        let list = move |conn: &mut Conn| {
            sessions::table
                .filter(sessions::user_id.eq(&user_id))
                .order((sessions::created_at.desc(), sessions::id.desc()))
                .select(SessionRow::as_select())
                .load(conn)
        };
        let rows = self.read(list).await?;
        Ok(rows.into_iter().map(Session::from).collect())
    }

    async fn revoke_others(
        &self,
        user_id: &str,
        keep: &str,
        reason: EndReason,
        act: &Act,
    ) -> Result<Vec<String>, StoreError> {
        let (user_id, keep, act) = (user_id.to_owned(), keep.to_owned(), act.clone());
        self.write(move |conn| {
            let others: Vec<String> = sessions::table
                .filter(sessions::user_id.eq(&user_id))
                .filter(sessions::id.ne(&keep))
                .filter(sessions::revoked_at.is_null())
                .select(sessions::id)
                .load(conn)?;
            let mut ended = Vec::new();
            for id in others {
                if revoke(conn, &id, reason, &act)? {
                    ended.push(id);
                }
            }
            Ok(ended)
        })
        .await
    }

    async fn revocations_since(&self, at: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        self.read(move |conn| revocations::since(conn, at)).await
    }
}
