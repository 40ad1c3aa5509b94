//! Defines the rows of the tables, and converts them to and from the types of the API.

use std::iter;

use diesel::prelude::*;
use uuid::Uuid;

use super::audit::NewEvent;
use super::connection::MultiBackend;
use super::event_kind::EventKind;
use super::schema::{sessions, users};
use super::user::{ADMIN, ImportedUser, NewUser, User};
use crate::password::PasswordHash;
use tokenpair::clock::Timestamp;
use tokenpair::session::{
    Delivery, EndReason, RequestContext, Rotation, Session, SessionEnd, SessionRecord,
    SessionSecret, Subject,
};

#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = users, check_for_backend(MultiBackend))]
pub(super) struct UserRow {
    #[diesel(embed)]
    pub(super) subject: SubjectRow,
    username_key: String,
    password_hash: String,
    created_at: i64,
}

/// The data of a user that its sessions need.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = users, check_for_backend(MultiBackend), treat_none_as_default_value = false)]
pub(super) struct SubjectRow {
    id: String,
    username: String,
    roles: String,
    epoch: i64,
    disabled_at: Option<i64>,
}

impl UserRow {
    pub(super) fn new(user: NewUser, now: Timestamp) -> Self {
        Self {
            subject: SubjectRow {
                id: Uuid::now_v7().to_string(),
                username: user.username.typed,
                roles: user.roles.join(" "),
                epoch: 0,
                disabled_at: None,
            },
            username_key: user.username.key,
            password_hash: user.password_hash.expose().to_owned(),
            created_at: now.unix(),
        }
    }

    /// Keeps what is known about the user in the system it comes from.
    pub(super) fn imported(imported: ImportedUser, now: Timestamp) -> Self {
        let mut row = Self::new(imported.user, imported.created_at.unwrap_or(now));
        if let Some(id) = imported.id {
            row.subject.id = id;
        }
        row.subject.disabled_at = imported.disabled_at.map(Timestamp::unix);
        row
    }

    /// Returns the events of its creation.
    pub(super) fn created<'a>(
        &self,
        context: &'a RequestContext,
    ) -> impl Iterator<Item = NewEvent<'a>> {
        let is_admin = self
            .subject
            .roles
            .split_whitespace()
            .any(|role| role == ADMIN);
        let granted = is_admin.then_some(EventKind::AdminGranted);
        let kinds = iter::once(EventKind::UserCreated).chain(granted);
        let named = |kind| {
            NewEvent::new(kind, context)
                .user(&self.subject.id)
                .detail(&self.subject.username)
        };
        kinds.map(named).collect::<Vec<_>>().into_iter()
    }
}

impl From<SubjectRow> for Subject {
    fn from(row: SubjectRow) -> Self {
        Self {
            roles: row.roles.split_whitespace().map(str::to_owned).collect(),
            epoch: row.epoch,
            disabled: row.disabled_at.is_some(),
            ..Self::new(row.id, row.username)
        }
    }
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            password_hash: PasswordHash::from_text(row.password_hash),
            created_at: Timestamp::from_unix(row.created_at),
            disabled_at: row.subject.disabled_at.map(Timestamp::from_unix),
            subject: row.subject.into(),
        }
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, check_for_backend(MultiBackend))]
pub(super) struct SessionRow {
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) epoch: i64,
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
    delivery: String,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, check_for_backend(MultiBackend))]
pub(super) struct RotationColumns {
    pub(super) generation: i64,
    pub(super) previous_generation: Option<i64>,
    pub(super) previous_barred: bool,
    pub(super) rotated_at: i64,
    pub(super) handed_at: Option<i64>,
    pub(super) confirmed_at: Option<i64>,
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
            ip: session.ip.map(|ip| ip.to_string()),
            revoked_at: session.revoked.map(|end| end.at.unix()),
            revoke_reason: session.revoked.map(|end| end.reason.word().to_owned()),
            delivery: session.delivery.word().to_owned(),
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
            seed: SessionSecret::from_text(row.seed),
            remember: row.remember,
            delivery: Delivery::from_word(&row.delivery),
            created_at: Timestamp::from_unix(row.created_at),
            last_used_at: Timestamp::from_unix(row.last_used_at),
            expires_at: Timestamp::from_unix(row.expires_at),
            user_agent: row.user_agent,
            ip: row.ip.and_then(|ip| ip.parse().ok()),
            revoked: row.revoked_at.map(|at| SessionEnd {
                at: Timestamp::from_unix(at),
                reason,
            }),
        }
    }
}

/// A session's row with its user's.
pub(super) type RecordRows = (SessionRow, SubjectRow);

pub(super) fn record_of((session, subject): RecordRows) -> SessionRecord {
    SessionRecord {
        session: session.into(),
        subject: subject.into(),
    }
}
