//! Implements purging: deletes rows that are no longer needed, a few at a time, so that no request
//! waits.

use std::fmt;
use std::time::{Duration, Instant};

use diesel::prelude::*;

use super::connection::Conn;
use super::schema::{audit_events, revocations, sessions, throttle};
use super::store::DieselStore;
use tokenpair::clock::Timestamp;
use tokenpair::session::StoreError;

/// Rows that one transaction deletes: few, since a request may wait for the transaction.
const BATCH: i64 = 100;

/// The pause after a batch, as a multiple of the time that the batch took. Requests get the rest of
/// the processor and the disk.
const PAUSE: u32 = 3;

/// How long a session is kept after its absolute timeout: by then none of its tokens can be
/// mistaken for another's.
const TOMBSTONE: Duration = Duration::from_secs(7 * 86_400);

/// The numbers of deleted rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Purged {
    /// Sessions whose absolute timeout is a week ago.
    pub sessions: usize,
    /// Revocations that no longer affect any token.
    pub revocations: usize,
    /// Audit events past their retention.
    pub events: usize,
    /// Tallies of failures that have expired.
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

/// How long rows are kept that are no longer needed.
///
/// ```
/// use std::time::{Duration, Instant};
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
    /// Retention of revocations. It must be longer than any replica accepts an access token.
    /// Default: 30 d.
    pub revocations: Duration,
    /// Retention of audit events (`AUDIT_KEEP`). Default: 90 d.
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
    /// Deletes the rows that are no longer needed.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed; rows deleted by then stay deleted.
    pub async fn purge(&self, now: Timestamp, policy: PurgePolicy) -> Result<Purged, StoreError> {
        let before = |age: Duration| (now - age).unix();
        let (tombstone, revocations) = (before(TOMBSTONE), before(policy.revocations));
        let (events, alerts) = (before(policy.events), before(ALERT));
        Ok(Purged {
            sessions: self
                .in_batches(move |conn, from| old_sessions(conn, from, tombstone))
                .await?,
            revocations: self
                .in_batches(move |conn, from| old_revocations(conn, from, revocations))
                .await?,
            events: self
                .in_batches(move |conn, from| old_events(conn, from, events, alerts))
                .await?,
            tallies: self
                .in_batches(move |conn, from| old_tallies(conn, from, now.unix()))
                .await?,
        })
    }

    /// Calls what deletes a batch until it finds no full one. Each batch begins where the last one
    /// ended: the index still has the entries of deleted rows, and PostgreSQL would visit all of
    /// them again.
    async fn in_batches(
        &self,
        delete: impl Fn(&mut Conn, i64) -> QueryResult<Batch> + Copy + Send + 'static,
    ) -> Result<usize, StoreError> {
        let (mut from, mut deleted) = (i64::MIN, 0);
        loop {
            let began = Instant::now();
            let batch = self.write(move |conn| delete(conn, from)).await?;
            deleted += batch.deleted;
            match batch.next {
                Some(next) => from = next,
                None => return Ok(deleted),
            }
            tokio::time::sleep(PAUSE * began.elapsed()).await;
        }
    }
}

struct Batch {
    deleted: usize,
    /// Where the next batch begins; `None` if this was the last one.
    next: Option<i64>,
}

/// How long an alert may wait for the webhook: longer than all attempts to send it take together.
/// Without a webhook, alerts wait for ever.
const ALERT: Duration = Duration::from_secs(4 * 86_400);

/// Deletes a batch of rows that are older by this column, oldest first, and fulfil the other
/// conditions.
macro_rules! old {
    ($name:ident, $table:ident, $column:ident $(, $also:expr, $older:ident)?) => {
        fn $name(conn: &mut Conn, from: i64, before: i64 $(, $older: i64)?) -> QueryResult<Batch> {
            let old = || {
                $table::table
                    .filter($table::$column.ge(from))
                    .filter($table::$column.lt(before))
                    $(.filter($also($older)))?
            };
            let rows: Vec<(String, i64)> = old()
                .order($table::$column)
                .limit(BATCH)
                .select(($table::id, $table::$column))
                .load(conn)?;
            let is_full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= BATCH);
            let next = rows.last().map(|(_, last)| *last).filter(|_| is_full);
            let ids: Vec<String> = rows.into_iter().map(|(id, _)| id).collect();
            // Checked again, because a tally may have been counted anew in the meantime.
            let still_old = old().filter($table::id.eq_any(ids));
            let deleted = diesel::delete(still_old).execute(conn)?;
            Ok(Batch { deleted, next })
        }
    };
}

old!(old_sessions, sessions, expires_at);
old!(old_revocations, revocations, at);
old!(old_events, audit_events, at, is_settled, alerts_before);
old!(old_tallies, throttle, until_at);

/// Whether an event is no alert that may still be sent.
#[diesel::dsl::auto_type]
fn is_settled(alerts_before: i64) -> _ {
    audit_events::alert_due
        .is_null()
        .or(audit_events::at.lt(alerts_before))
}
