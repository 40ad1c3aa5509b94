//! Implements changes of users, which end their sessions and, by a new epoch, their access tokens.

use diesel::prelude::*;

use super::audit::NewEvent;
use super::authority::{Locked, Scope, lock_users};
use super::connection::Conn;
use super::event_kind::EventKind;
use super::revocations;
use super::schema::{sessions, users};
use super::store::DieselStore;
use super::user::User;
use super::user_change::{Ending, UserChange};
use tokenpair::clock::Timestamp;
use tokenpair::session::{Denied, EndReason, RequestContext, Revocation, Revoked, StoreError};

/// A committed change.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Applied {
    /// The user after the change. For a deletion, the user before it.
    pub user: User,
    /// The revocation of its tokens, for
    /// [`Sessions::record_revocation`](tokenpair::session::Sessions::record_revocation). `None` if
    /// none were revoked.
    pub revocation: Option<Revocation>,
}

/// The outcome of a change.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub enum Changed {
    /// The change is committed.
    Done(Box<Applied>),
    /// Nothing was changed: this user is the last admin.
    LastAdmin,
    /// Nothing was changed: there is no such user.
    NoSuchUser,
    /// Nothing was changed: the request is no longer authorized.
    Denied(Denied),
}

/// The lowest valid epoch of a deleted user: no token has it.
const DELETED: i64 = i64::MAX;

impl DieselStore {
    /// Applies one change to a user, or several in one transaction, all or nothing, and ends the
    /// sessions and tokens that the changes revoke. A change that makes no difference, such as
    /// disabling a disabled user, writes nothing, not even an event.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair_store::password::PasswordHash;
    /// # use tokenpair::session::RequestContext;
    /// # use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
    /// use tokenpair_store::{Changed, UserChange};
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
    /// let changed = store.change_user(&ada.id, UserChange::Disable, &context).await?;
    /// let Changed::Done(applied) = changed else { unreachable!("she is not an admin") };
    /// assert_eq!((applied.user.disabled_at, applied.user.subject.epoch), (Some(context.at), 1));
    /// // Pass it to `Sessions::record_revocation` to revoke her tokens on this replica at once.
    /// assert!(applied.revocation.is_some());
    ///
    /// let both = vec![UserChange::Enable, UserChange::Roles(vec!["author".to_owned()])];
    /// let Changed::Done(applied) = store.change_user(&ada.id, both, &context).await? else { unreachable!() };
    /// assert_eq!((applied.user.disabled_at, applied.user.subject.epoch), (None, 2));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed; nothing is changed then.
    pub async fn change_user(
        &self,
        id: &str,
        changes: impl Into<Vec<UserChange>>,
        context: &RequestContext,
    ) -> Result<Changed, StoreError> {
        let changes: Vec<UserChange> = changes.into();
        let scope = Scope {
            admins: changes.iter().any(UserChange::may_take_an_admin),
            ..Scope::user(id)
        };
        let changed = self.write_for(context, scope, {
            let id = id.to_owned();
            move |conn, context, locked| change(conn, locked, &id, &changes, context)
        });
        Ok(changed.await?.unwrap_or_else(Changed::Denied))
    }

    /// Deletes a user and all its sessions, unless it is the last admin.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair_store::password::PasswordHash;
    /// # use tokenpair::session::RequestContext;
    /// # use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
    /// use tokenpair_store::{ADMIN, Changed};
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
    /// # let store = DieselStore::open(&url, StorePolicy::default())?;
    /// # store.migrate()?;
    /// # let context = RequestContext::at(Timestamp::from_unix(1_800_000_000));
    /// # let password_hash = PasswordHash::from_text("$2b$12$...".to_owned());
    /// # let user = |name| NewUser { username: name, password_hash: password_hash.clone(), roles: vec![ADMIN.to_owned()] };
    /// # let (ada, grace) = (user(Username::parse("ada")?), user(Username::parse("grace")?));
    /// // Both have the role `admin`.
    /// let ada = store.create_user(ada, &context).await?;
    /// assert_eq!(store.delete_user(&ada.id, &context).await?, Changed::LastAdmin);
    /// store.create_user(grace, &context).await?;
    /// assert!(matches!(store.delete_user(&ada.id, &context).await?, Changed::Done(_)));
    /// assert!(store.user_by_id(&ada.id).await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed; nothing is deleted then.
    pub async fn delete_user(
        &self,
        id: &str,
        context: &RequestContext,
    ) -> Result<Changed, StoreError> {
        let scope = Scope {
            admins: true,
            ..Scope::user(id)
        };
        let deleted = self.write_for(context, scope, {
            let id = id.to_owned();
            move |conn, context, locked| delete(conn, locked, &id, context)
        });
        Ok(deleted.await?.unwrap_or_else(Changed::Denied))
    }
}

fn change(
    conn: &mut Conn,
    locked: &Locked,
    id: &str,
    changes: &[UserChange],
    context: &RequestContext,
) -> QueryResult<Changed> {
    let Some(before) = locked.user(id) else {
        return Ok(Changed::NoSuchUser);
    };
    let mut user = before.clone();
    let mut changes = changes.to_vec();
    changes.retain(|change| {
        let alters = change.alters(&user);
        if alters {
            change.apply_to(&mut user, context.at);
        }
        alters
    });
    if before.is_enabled_admin() && !user.is_enabled_admin() && !locked.has_admin_beside(id) {
        return Ok(Changed::LastAdmin);
    }
    let ends_tokens = |change: &UserChange| !matches!(change, UserChange::Enable);
    let next_epoch = changes.iter().any(ends_tokens);
    user.subject.epoch += i64::from(next_epoch);
    if !changes.is_empty() {
        write(conn, &user)?;
    }
    for change in &changes {
        change.event(context).user(id).record(conn)?;
        if let Some(ending) = change.ending() {
            end_sessions(conn, id, ending, context.at)?;
            if let Some(sid) = ending.keep {
                bar_older_tokens(conn, sid, context.at)?;
            }
        }
    }
    let mut revocation = None;
    if next_epoch {
        carry_over(conn, before, user.subject.epoch, context.at)?;
        revocation = Some(record(conn, id, user.subject.epoch, context.at)?);
    }
    Ok(Changed::Done(Box::new(Applied { user, revocation })))
}

fn delete(
    conn: &mut Conn,
    locked: &Locked,
    id: &str,
    context: &RequestContext,
) -> QueryResult<Changed> {
    let Some(user) = locked.user(id).cloned() else {
        return Ok(Changed::NoSuchUser);
    };
    if user.is_enabled_admin() && !locked.has_admin_beside(id) {
        return Ok(Changed::LastAdmin);
    }
    diesel::delete(users::table.find(id)).execute(conn)?;
    let event = NewEvent::new(EventKind::UserDeleted, context).user(id);
    event.detail(&user.subject.username).record(conn)?;
    let revocation = Some(record(conn, id, DELETED, context.at)?);
    Ok(Changed::Done(Box::new(Applied { user, revocation })))
}

/// Revokes again the tokens and sessions that a lost change of a user had revoked. The password,
/// roles or status that it set are unknown, so only the revocation is restored. A deleted user that
/// reappears cannot log in.
pub(super) fn restore(
    conn: &mut Conn,
    id: &str,
    lowest_epoch: i64,
    revocation: &Revocation,
    context: &RequestContext,
) -> QueryResult<bool> {
    let user = lock_users(conn, &[id], false)?.pop();
    if !revocations::record_lost(conn, revocation)? {
        return Ok(false);
    }
    let Some(mut user) = user.filter(|user| user.subject.epoch < lowest_epoch) else {
        return Ok(true);
    };
    let mut event = NewEvent::new(EventKind::ChangeLost, context).user(id);
    if lowest_epoch == DELETED {
        user.disabled_at.get_or_insert(context.at);
        let ending = Ending {
            reason: EndReason::Restored,
            keep: None,
        };
        end_sessions(conn, id, ending, context.at)?;
        event = event.detail("deleted");
    } else {
        user.subject.epoch = lowest_epoch;
    }
    write(conn, &user)?;
    event.record(conn).map(|()| true)
}

fn write(conn: &mut Conn, user: &User) -> QueryResult<()> {
    diesel::update(users::table.find(&user.subject.id))
        .set((
            users::epoch.eq(user.subject.epoch),
            users::password_hash.eq(user.password_hash.expose()),
            users::roles.eq(user.subject.roles.join(" ")),
            users::disabled_at.eq(user.disabled_at.map(Timestamp::unix)),
        ))
        .execute(conn)
        .map(|_| ())
}

/// Records that the user's tokens from before this epoch have ended.
fn record(conn: &mut Conn, id: &str, lowest_epoch: i64, at: Timestamp) -> QueryResult<Revocation> {
    let id = id.to_owned();
    let subject = Revoked::User { id, lowest_epoch };
    let revocation = Revocation { subject, at };
    revocations::record(conn, &revocation).map(|()| revocation)
}

/// Moves the sessions that are still valid to the user's new epoch. A session of an older epoch
/// stays behind: an earlier change ended it, and this one must not revive it.
fn carry_over(conn: &mut Conn, before: &User, epoch: i64, now: Timestamp) -> QueryResult<()> {
    let good = sessions::table
        .filter(sessions::user_id.eq(&before.subject.id))
        .filter(sessions::epoch.eq(before.subject.epoch))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now.unix()));
    diesel::update(good)
        .set(sessions::epoch.eq(epoch))
        .execute(conn)
        .map(|_| ())
}

/// Starts a new generation and bars the previous token: it buys nothing and raises no alarm, since
/// a tab may still send it.
fn bar_older_tokens(conn: &mut Conn, sid: &str, now: Timestamp) -> QueryResult<()> {
    let living = sessions::table
        .find(sid)
        .filter(sessions::revoked_at.is_null());
    diesel::update(living)
        .set((
            sessions::previous_generation.eq(sessions::generation.nullable()),
            sessions::previous_barred.eq(true),
            sessions::generation.eq(sessions::generation + 1),
            sessions::rotated_at.eq(now.unix()),
            sessions::handed_at.eq(None::<i64>),
            sessions::confirmed_at.eq(None::<i64>),
            sessions::last_used_at.eq(now.unix()),
        ))
        .execute(conn)
        .map(|_| ())
}

/// Expired sessions are left to the purge, which could otherwise lock the same rows in another
/// order.
fn end_sessions(
    conn: &mut Conn,
    user_id: &str,
    ending: Ending<'_>,
    now: Timestamp,
) -> QueryResult<()> {
    let others = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::id.ne(ending.keep.unwrap_or_default()))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now.unix()));
    diesel::update(others)
        .set((
            sessions::revoked_at.eq(now.unix()),
            sessions::revoke_reason.eq(ending.reason.word()),
        ))
        .execute(conn)
        .map(|_| ())
}
