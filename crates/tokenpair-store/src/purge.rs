//! Purging: rows that are long over go, a few at a time, so that nothing waits for it.

use std::fmt;
use std::time::Duration;

use diesel::prelude::*;

use super::connection::Conn;
use super::schema::{audit_events, revocations, sessions, throttle};
use super::store::DieselStore;
use tokenpair::clock::Timestamp;
use tokenpair::session::StoreError;

/// How many rows one transaction deletes.
const BATCH: i64 = 500;

/// For how long a session is kept after its absolute end: by then no token of it can be mistaken for anything.
const TOMBSTONE: Duration = Duration::from_secs(7 * 86_400);

/// What was deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Purged {
    /// Sessions whose absolute end is a week ago.
    pub sessions: usize,
    /// Revocations that concern no token any more.
    pub revocations: usize,
    /// Audit events past their time.
    pub events: usize,
    /// Tallies of failures that mean nothing any more.
    pub tallies: usize,
}

impl fmt::Display for Purged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sessions,
            revocations,
            events,
            tallies,
        } = self;
        write!(
            f,
            "{sessions} sessions, {revocations} revocations, {events} audit events and {tallies} tallies of failures"
        )
    }
}

/// For how long is kept what is not needed any more.
///
/// ```
/// use std::time::Duration;
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair_store::password::PasswordHash;
/// # use tokenpair::session::RequestContext;
/// # use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
/// use tokenpair_store::PurgePolicy;
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
/// let policy = PurgePolicy { events: Duration::from_secs(86_400), ..PurgePolicy::default() };
/// let purged = store.purge(context.at + Duration::from_secs(86_401), policy).await?;
/// assert_eq!(purged.to_string(), "0 sessions, 0 revocations, 1 audit events and 0 tallies of failures");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PurgePolicy {
    /// Revocations: has to be longer than any replica believes an access token (30 d).
    pub revocations: Duration,
    /// Audit events (`AUDIT_KEEP`, 90 d).
    pub events: Duration,
}

impl Default for PurgePolicy {
    fn default() -> Self {
        Self {
            revocations: Duration::from_secs(30 * 86_400),
            events: Duration::from_secs(90 * 86_400),
        }
    }
}

impl DieselStore {
    /// Deletes what is long over.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed; what was deleted by then stays deleted.
    pub async fn purge(&self, now: Timestamp, policy: PurgePolicy) -> Result<Purged, StoreError> {
        Ok(Purged {
            sessions: self.in_batches(old_sessions, now - TOMBSTONE).await?,
            revocations: self
                .in_batches(old_revocations, now - policy.revocations)
                .await?,
            events: self.in_batches(old_events, now - policy.events).await?,
            tallies: self.in_batches(old_tallies, now).await?,
        })
    }

    async fn in_batches(&self, delete: Delete, before: Timestamp) -> Result<usize, StoreError> {
        let mut deleted = 0;
        loop {
            let some = self.write(move |conn| delete(conn, before)).await?;
            deleted += some;
            if !is_full(some) {
                return Ok(deleted);
            }
        }
    }
}

/// Deletes a batch of what is older.
type Delete = fn(&mut Conn, Timestamp) -> QueryResult<usize>;

fn is_full(batch: usize) -> bool {
    i64::try_from(batch).is_ok_and(|batch| batch >= BATCH)
}

/// A batch of what is older by that column, the oldest first.
macro_rules! old {
    ($name:ident, $table:ident, $column:ident) => {
        fn $name(conn: &mut Conn, before: Timestamp) -> QueryResult<usize> {
            let ids: Vec<String> = $table::table
                .filter($table::$column.lt(before.unix()))
                .order($table::$column)
                .limit(BATCH)
                .select($table::id)
                .load(conn)?;
            // Once more what is old: one of them may have been counted anew meanwhile.
            let still_old = $table::table
                .filter($table::id.eq_any(ids))
                .filter($table::$column.lt(before.unix()));
            diesel::delete(still_old).execute(conn)
        }
    };
}

old!(old_sessions, sessions, expires_at);
old!(old_revocations, revocations, at);
old!(old_events, audit_events, at);
old!(old_tallies, throttle, until_at);
