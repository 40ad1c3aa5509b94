//! Defines [`StoreObserver`], which learns what happens in the store and in the password pool, and
//! the numbers that both report when asked.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::event_kind::EventKind;
use super::noted::Noted;

/// An observer of the store and of the password pool, such as an app's counters.
///
/// It is called on the threads of the database and of the password pool, and for a refused password
/// on the task that asked. It must not block, and learns nothing of users. Each method does nothing
/// by default.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::session::RequestContext;
/// # use tokenpair_store::password::PasswordHash;
/// # use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
/// use tokenpair_store::{EventKind, StoreObserver};
///
/// #[derive(Debug, Default)]
/// struct NewUsers(AtomicUsize);
///
/// impl StoreObserver for NewUsers {
///     fn recorded(&self, kind: EventKind, count: usize) {
///         if kind == EventKind::UserCreated {
///             self.0.fetch_add(count, Ordering::Relaxed);
///         }
///     }
/// }
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
/// # let ada = NewUser { username, password_hash, roles: vec![] };
/// let observer = Arc::new(NewUsers::default());
/// store.observe(observer.clone());
/// store.create_user(ada, &context).await?;
/// assert_eq!(observer.0.load(Ordering::Relaxed), 1);
/// # Ok(())
/// # }
/// ```
pub trait StoreObserver: fmt::Debug + Send + Sync {
    /// Called when so many audit events of a kind were committed.
    fn recorded(&self, kind: EventKind, count: usize) {
        let _ignored = (kind, count);
    }

    /// Called when a thread with a connection begins work that waited this long for it.
    fn waited_for_connection(&self, pool: PoolName, wait: Duration) {
        let _ignored = (pool, wait);
    }

    /// Called when a thread begins to hash a password that waited this long for it.
    fn waited_for_hashing(&self, wait: Duration) {
        let _ignored = wait;
    }

    /// Called when a password was not hashed, since the queue was full or the wait too long.
    fn hashing_refused(&self) {}
}

/// The name of a group of database connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PoolName {
    /// The connections to PostgreSQL.
    Shared,
    /// The connections that read SQLite.
    Readers,
    /// The connection that writes SQLite.
    Writer,
}

impl PoolName {
    /// Returns the word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Readers => "readers",
            Self::Writer => "writer",
        }
    }
}

/// The use of a group of database connections at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PoolUse {
    /// The group.
    pub pool: PoolName,
    /// The maximum number of connections.
    pub size: usize,
    /// The number of connections that are at work.
    pub in_use: usize,
    /// The number of requests that wait for a connection.
    pub waiting: usize,
}

/// The use of the password pool at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct HashingUse {
    /// The number of passwords that wait for a thread.
    pub waiting: usize,
    /// The maximum number of passwords that wait.
    pub capacity: usize,
    /// The number of passwords that are being hashed.
    pub running: usize,
}

/// The observer of a store and its threads, once there is one. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Observed(Arc<OnceLock<Arc<dyn StoreObserver>>>);

impl Observed {
    /// Sets the observer, unless there is one.
    pub(super) fn by(&self, observer: Arc<dyn StoreObserver>) {
        let _first_stays = self.0.set(observer);
    }

    pub(super) fn recorded(&self, noted: Noted) {
        if let Some(observer) = self.0.get() {
            for (kind, count) in noted {
                observer.recorded(kind, count);
            }
        }
    }

    pub(super) fn waited(&self, pool: PoolName, wait: Duration) {
        if let Some(observer) = self.0.get() {
            observer.waited_for_connection(pool, wait);
        }
    }
}

/// The number of connections at work. Clones share it.
#[derive(Clone, Default)]
pub(super) struct InUse(Arc<AtomicUsize>);

impl InUse {
    /// Counts a connection as at work until the result is dropped.
    pub(super) fn begin(&self) -> AtWork {
        self.0.fetch_add(1, Ordering::Relaxed);
        AtWork(self.clone())
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection at work.
pub(super) struct AtWork(InUse);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
