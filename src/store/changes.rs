//! Changes of users that end what they hold: their sessions, and by a new epoch their access tokens.

use diesel::prelude::*;

use super::audit::{EventKind, NewEvent};
use super::connection::{Conn, DieselStore};
use super::revocations;
use super::schema::{sessions, users};
use crate::clock::Timestamp;
use crate::password::PasswordHash;
use crate::session::{Act, EndReason, Revocation, Revoked, StoreError};

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
    /// Other roles. Sessions go on; access tokens end, and a refresh gives new ones.
    Roles(Vec<String>),
}

impl UserChange {
    /// How it is told.
    fn event<'a>(&self, act: &'a Act) -> NewEvent<'a> {
        match self {
            Self::Disable => NewEvent::new(EventKind::UserDisabled, act),
            Self::Password { .. } => NewEvent::new(EventKind::PasswordChanged, act),
            Self::Roles(roles) => {
                NewEvent::new(EventKind::RolesChanged, act).detail(roles.join(" "))
            }
        }
    }

    /// Whether a user is an admin after it.
    fn leaves_an_admin(&self) -> bool {
        match self {
            Self::Disable => false,
            Self::Password { .. } => true,
            Self::Roles(roles) => roles.iter().any(|role| role == ADMIN),
        }
    }
}

/// What became of a change.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub enum Changed {
    /// It is done, and this is what it ended, for the replica that did it to know of at once.
    Done(Revocation),
    /// It is not: without this user nobody could manage the others.
    LastAdmin,
}

/// The role that may manage others.
pub const ADMIN: &str = "admin";

impl DieselStore {
    /// Changes a user and ends what it holds, in one transaction.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::password::PasswordHash;
    /// # use tokenpair::session::Act;
    /// # use tokenpair::store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
    /// use tokenpair::store::{Changed, UserChange};
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
    /// # let store = DieselStore::open(&url, StorePolicy::default())?;
    /// # store.migrate()?;
    /// # let act = Act::at(Timestamp::from_unix(1_800_000_000));
    /// # let password_hash = PasswordHash::from_text("$2b$12$...".to_owned());
    /// # let username = Username::parse("ada")?;
    /// # let ada = store.create_user(NewUser { username, password_hash, roles: vec![] }, &act).await?;
    /// let changed = store.change_user(&ada.id, UserChange::Disable, &act).await?;
    /// let Changed::Done(revocation) = changed else { unreachable!("she is no admin") };
    /// // Give it to `Sessions::note`, and her tokens end on this replica at once.
    /// # let _ = revocation;
    /// let user = store.user_by_id(&ada.id).await?.unwrap();
    /// assert_eq!((user.disabled_at, user.subject.epoch), (Some(act.at), 1));
    /// store.enable_user(&ada.id, &act).await?;
    /// assert!(!store.user_by_id(&ada.id).await?.unwrap().subject.disabled);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed or there is no such user; nothing is changed then.
    pub async fn change_user(
        &self,
        id: &str,
        change: UserChange,
        act: &Act,
    ) -> Result<Changed, StoreError> {
        let (id, act) = (id.to_owned(), act.clone());
        self.write(move |conn| {
            if !change.leaves_an_admin() && is_last_admin(conn, &id)? {
                return Ok(Changed::LastAdmin);
            }
            change.event(&act).user(&id).record(conn)?;
            apply(conn, &id, &change, act.at)?;
            let lowest_epoch = users::table
                .find(&id)
                .select(users::epoch)
                .get_result(conn)?;
            carry_over(conn, &id, lowest_epoch)?;
            let id = id.clone();
            record(conn, Revoked::User { id, lowest_epoch }, act.at)
        })
        .await
    }

    /// Lets a user log in again. What was ended stays ended.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed.
    pub async fn enable_user(&self, id: &str, act: &Act) -> Result<(), StoreError> {
        let (id, act) = (id.to_owned(), act.clone());
        self.write(move |conn| {
            diesel::update(users::table.find(&id))
                .set(users::disabled_at.eq(None::<i64>))
                .execute(conn)?;
            NewEvent::new(EventKind::UserEnabled, &act)
                .user(&id)
                .record(conn)
        })
        .await
    }

    /// Deletes a user and all its sessions, unless it is the last who may manage others.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::password::PasswordHash;
    /// # use tokenpair::session::Act;
    /// # use tokenpair::store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
    /// use tokenpair::store::{ADMIN, Changed};
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
    /// # let store = DieselStore::open(&url, StorePolicy::default())?;
    /// # store.migrate()?;
    /// # let act = Act::at(Timestamp::from_unix(1_800_000_000));
    /// # let password_hash = PasswordHash::from_text("$2b$12$...".to_owned());
    /// # let user = |name| NewUser { username: name, password_hash: password_hash.clone(), roles: vec![ADMIN.to_owned()] };
    /// # let (ada, grace) = (user(Username::parse("ada")?), user(Username::parse("grace")?));
    /// // Both have the role `admin`.
    /// let ada = store.create_user(ada, &act).await?;
    /// assert_eq!(store.delete_user(&ada.id, &act).await?, Changed::LastAdmin);
    /// store.create_user(grace, &act).await?;
    /// assert!(matches!(store.delete_user(&ada.id, &act).await?, Changed::Done(_)));
    /// assert!(store.user_by_id(&ada.id).await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed; nothing is deleted then.
    pub async fn delete_user(&self, id: &str, act: &Act) -> Result<Changed, StoreError> {
        let (id, act) = (id.to_owned(), act.clone());
        self.write(move |conn| {
            if is_last_admin(conn, &id)? {
                return Ok(Changed::LastAdmin);
            }
            let user = users::table.find(&id);
            let name: String = user.select(users::username).get_result(conn)?;
            diesel::delete(user).execute(conn)?;
            let event = NewEvent::new(EventKind::UserDeleted, &act).user(&id);
            event.detail(name).record(conn)?;
            let (id, lowest_epoch) = (id.clone(), i64::MAX);
            record(conn, Revoked::User { id, lowest_epoch }, act.at)
        })
        .await
    }
}

fn record(conn: &mut Conn, subject: Revoked, now: Timestamp) -> QueryResult<Changed> {
    let revocation = Revocation { subject, at: now };
    revocations::record(conn, &revocation).map(|()| Changed::Done(revocation))
}

fn apply(conn: &mut Conn, id: &str, change: &UserChange, now: Timestamp) -> QueryResult<()> {
    let user = diesel::update(users::table.find(id));
    let next_epoch = users::epoch.eq(users::epoch + 1);
    match change {
        UserChange::Disable => {
            user.set((next_epoch, users::disabled_at.eq(now.unix())))
                .execute(conn)?;
            end_all_but(conn, id, None, (EndReason::Disabled, now))
        }
        UserChange::Password { hash, keep } => {
            user.set((next_epoch, users::password_hash.eq(hash.expose())))
                .execute(conn)?;
            end_all_but(conn, id, keep.as_deref(), (EndReason::Password, now))?;
            keep.as_deref()
                .map_or(Ok(()), |sid| bar_older_tokens(conn, sid, now))
        }
        UserChange::Roles(roles) => user
            .set((next_epoch, users::roles.eq(roles.join(" "))))
            .execute(conn)
            .map(|_| ()),
    }
}

/// Takes the sessions that go on into the user's new epoch. One that is being made meanwhile stays behind and ends.
fn carry_over(conn: &mut Conn, user_id: &str, epoch: i64) -> QueryResult<()> {
    let living = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::revoked_at.is_null());
    diesel::update(living)
        .set(sessions::epoch.eq(epoch))
        .execute(conn)
        .map(|_| ())
}

/// A new generation, and the token before it barred: it buys nothing and raises no alarm, since a tab may still send it.
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

fn end_all_but(
    conn: &mut Conn,
    user_id: &str,
    keep: Option<&str>,
    (reason, now): (EndReason, Timestamp),
) -> QueryResult<()> {
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
        .map(|_| ())
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
