//! Implements writes for requests: the only place where a transaction checks the authority of its
//! request.
//!
//! PostgreSQL runs at READ COMMITTED, so the rows that a write depends on are locked until the
//! commit. Every transaction takes its locks in the same order (users by id, then sessions by id),
//! so two of them never deadlock. SQLite has one writer, where a plain read is enough.

use diesel::prelude::*;

use super::connection::{Conn, on_its_own};
use super::models::{SessionRow, UserRow};
use super::schema::{sessions, users};
use super::store::DieselStore;
use super::user::{ADMIN, User};
use tokenpair::session::{Authorized, RequestContext, Session};

/// The rows that a write depends on, besides the user and the session that authorize it.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// The user whose rows are written, sessions included.
    pub(super) user: Option<String>,
    /// Whether the write depends on how many admins there are. It needs a `user`.
    pub(super) admins: bool,
    /// The session that is written, if it is a single one.
    pub(super) session: Option<String>,
}

/// The locked rows, which no other transaction changes before the commit.
#[derive(Debug)]
pub(super) struct Locked {
    users: Vec<User>,
    sessions: Vec<Session>,
}

impl Scope {
    pub(super) fn user(id: &str) -> Self {
        Self {
            user: Some(id.to_owned()),
            ..Self::default()
        }
    }

    fn lock(&self, conn: &mut Conn, context: &RequestContext) -> QueryResult<Locked> {
        let authority = context.authority.as_ref();
        let actor = authority.map(|authority| authority.user_id.as_str());
        let users = Vec::from_iter(actor.into_iter().chain(self.user.as_deref()));
        let users = match users.as_slice() {
            [] => Vec::new(),
            ids => lock_users(conn, ids, self.admins)?,
        };
        let own = authority.and_then(|authority| authority.sid.as_deref());
        let sessions = match own {
            Some(own) => {
                let sessions = std::iter::once(own).chain(self.session.as_deref());
                lock_sessions(conn, &Vec::from_iter(sessions))?
            }
            None => Vec::new(),
        };
        Ok(Locked { users, sessions })
    }
}

impl Locked {
    pub(super) fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.subject.id == id)
    }

    /// Returns whether another admin is enabled. Only a scope with [`Scope::admins`] knows.
    pub(super) fn has_admin_beside(&self, id: &str) -> bool {
        let mut others = self.users.iter().filter(|user| user.subject.id != id);
        others.any(User::is_enabled_admin)
    }
}

impl User {
    pub(super) fn is_enabled_admin(&self) -> bool {
        !self.subject.disabled && self.is_admin()
    }

    pub(super) fn is_admin(&self) -> bool {
        self.subject.roles.iter().any(|role| role == ADMIN)
    }
}

/// Loads rows in the order of their ids and, on PostgreSQL, locks them until the commit.
macro_rules! lock {
    ($conn:ident, $table:ident as $row:ty, $these:expr) => {
        on_its_own!(
            $conn,
            postgres: postgres => $table::table
                .filter($these)
                .order($table::id)
                .select(<$row>::as_select())
                .for_update()
                .load(postgres),
            sqlite: sqlite => $table::table
                .filter($these)
                .order($table::id)
                .select(<$row>::as_select())
                .load(sqlite),
        )
    };
}

/// Locks these users, and every admin too if their number matters.
pub(super) fn lock_users(conn: &mut Conn, ids: &[&str], admins: bool) -> QueryResult<Vec<User>> {
    let these = users::id.eq_any(ids);
    let rows: QueryResult<Vec<UserRow>> = if admins {
        // In one statement with the others, since locks are taken in one order.
        let or_admins = these.or(users::roles.like(format!("%{ADMIN}%")));
        lock!(conn, users as UserRow, or_admins)
    } else {
        lock!(conn, users as UserRow, these)
    };
    Ok(rows?.into_iter().map(User::from).collect())
}

fn lock_sessions(conn: &mut Conn, ids: &[&str]) -> QueryResult<Vec<Session>> {
    let these = sessions::id.eq_any(ids);
    let rows: Vec<SessionRow> = lock!(conn, sessions as SessionRow, these)?;
    Ok(rows.into_iter().map(Session::from).collect())
}

impl DieselStore {
    /// Runs statements in one transaction if the request is still authorized. Otherwise nothing is
    /// written.
    pub(super) async fn write_for<T: Send + 'static>(
        &self,
        context: &RequestContext,
        scope: Scope,
        work: impl Fn(&mut Conn, &RequestContext, &Locked) -> QueryResult<T> + Send + 'static,
    ) -> Authorized<T> {
        let context = context.clone();
        self.write(move |conn| {
            let locked = scope.lock(conn, &context)?;
            let user = |id: &str| locked.user(id).map(|user| user.subject.clone());
            let session = |sid: &str| locked.sessions.iter().find(|row| row.id == sid).cloned();
            match context.check(user, session) {
                Ok(()) => work(conn, &context, &locked).map(Ok),
                Err(denied) => Ok(Err(denied)),
            }
        })
        .await
    }
}
