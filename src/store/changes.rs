//! Changes of users that end what they hold: their sessions, and by a new epoch their access tokens.

use diesel::prelude::*;

use super::connection::{Conn, DieselStore};
use super::revocations;
use super::schema::{sessions, users};
use crate::clock::Timestamp;
use crate::password::PasswordHash;
use crate::session::{EndReason, Revocation, Revoked, StoreError};

/// A change that ends what the user's tokens could do before.
#[derive(Clone, Debug)]
pub enum UserChange {
    /// It may not log in any more.
    Disable,
    /// Another password.
    Password {
        /// The hash of it.
        hash: PasswordHash,
        /// The session in which it was changed goes on, with new tokens.
        keep: Option<String>,
    },
}

/// What became of a wish to delete a user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deletion {
    /// It is gone, and its tokens with it.
    Done(Revocation),
    /// Without it nobody could manage the others.
    LastAdmin,
}

/// The role that may manage others.
const ADMIN: &str = "admin";

impl DieselStore {
    /// Changes a user and ends what it holds, in one transaction. The revocation, for the replica that did it to know
    /// of at once.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed; nothing is changed then.
    pub async fn change_user(
        &self,
        id: &str,
        change: UserChange,
        now: Timestamp,
    ) -> Result<Revocation, StoreError> {
        let id = id.to_owned();
        self.write(move |conn| {
            let (reason, keep) = apply(conn, &id, change, now)?;
            let lowest_epoch = users::table.find(&id).select(users::epoch).first(conn)?;
            if let Some(keep) = &keep {
                carry_over(conn, keep, lowest_epoch, now)?;
            }
            end_all_but(conn, &id, keep.as_deref(), (reason, now))?;
            let subject = Revoked::User { id, lowest_epoch };
            let revocation = Revocation { subject, at: now };
            revocations::record(conn, &revocation).map(|()| revocation)
        })
        .await
    }

    /// Lets a user log in again. What was ended stays ended.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed.
    pub async fn enable_user(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        let enable = move |conn: &mut Conn| {
            diesel::update(users::table.find(id))
                .set(users::disabled_at.eq(None::<i64>))
                .execute(conn)
        };
        self.write_one(enable).await.map(|_| ())
    }

    /// Deletes a user and all its sessions, unless it is the last who may manage others.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed; nothing is deleted then.
    pub async fn delete_user(&self, id: &str, now: Timestamp) -> Result<Deletion, StoreError> {
        let id = id.to_owned();
        self.write(move |conn| {
            if is_last_admin(conn, &id)? {
                return Ok(Deletion::LastAdmin);
            }
            diesel::delete(users::table.find(&id)).execute(conn)?;
            let lowest_epoch = i64::MAX;
            let subject = Revoked::User { id, lowest_epoch };
            let revocation = Revocation { subject, at: now };
            revocations::record(conn, &revocation)?;
            Ok(Deletion::Done(revocation))
        })
        .await
    }
}

fn apply(
    conn: &mut Conn,
    id: &str,
    change: UserChange,
    now: Timestamp,
) -> QueryResult<(EndReason, Option<String>)> {
    let user = diesel::update(users::table.find(id));
    let next_epoch = users::epoch.eq(users::epoch + 1);
    match change {
        UserChange::Disable => {
            user.set((next_epoch, users::disabled_at.eq(now.unix())))
                .execute(conn)?;
            Ok((EndReason::Disabled, None))
        }
        UserChange::Password { hash, keep } => {
            user.set((next_epoch, users::password_hash.eq(hash.expose())))
                .execute(conn)?;
            Ok((EndReason::Password, keep))
        }
    }
}

/// A session that outlives its user's change: a new generation in the new epoch, and the token before it barred. It buys
/// nothing and raises no alarm, since a tab may still send it.
fn carry_over(conn: &mut Conn, sid: &str, epoch: i64, now: Timestamp) -> QueryResult<usize> {
    let living = sessions::table
        .find(sid)
        .filter(sessions::revoked_at.is_null());
    diesel::update(living)
        .set((
            sessions::epoch.eq(epoch),
            sessions::previous_generation.eq(sessions::generation.nullable()),
            sessions::previous_barred.eq(true),
            sessions::generation.eq(sessions::generation + 1),
            sessions::rotated_at.eq(now.unix()),
            sessions::handed_at.eq(None::<i64>),
            sessions::confirmed_at.eq(None::<i64>),
            sessions::last_used_at.eq(now.unix()),
        ))
        .execute(conn)
}

fn end_all_but(
    conn: &mut Conn,
    user_id: &str,
    keep: Option<&str>,
    (reason, now): (EndReason, Timestamp),
) -> QueryResult<usize> {
    let others = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::id.ne(keep.unwrap_or_default()))
        .filter(sessions::revoked_at.is_null());
    diesel::update(others)
        .set((
            sessions::revoked_at.eq(now.unix()),
            sessions::revoke_reason.eq(reason.word()),
        ))
        .execute(conn)
}

fn is_last_admin(conn: &mut Conn, id: &str) -> QueryResult<bool> {
    let admins: Vec<(String, String)> = users::table
        .filter(users::roles.like(format!("%{ADMIN}%")))
        .filter(users::disabled_at.is_null())
        .select((users::id, users::roles))
        .load(conn)?;
    let mut admins = admins
        .into_iter()
        .filter(|(_, roles)| roles.split_whitespace().any(|role| role == ADMIN))
        .map(|(admin, _)| admin);
    Ok(admins.next().as_deref() == Some(id) && admins.next().is_none())
}
