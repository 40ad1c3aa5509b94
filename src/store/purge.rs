//! Purging: rows that are long over go, a few at a time, so that nothing waits for it.

use std::time::Duration;

use diesel::prelude::*;

use super::connection::{Conn, DieselStore};
use super::schema::{revocations, sessions};
use crate::clock::Timestamp;
use crate::session::StoreError;

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
}

impl DieselStore {
    /// Deletes what is long over. Revocations are kept for `revocations_for`, which has to be longer than any replica
    /// believes an access token.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed; what was deleted by then stays deleted.
    pub async fn purge(
        &self,
        now: Timestamp,
        revocations_for: Duration,
    ) -> Result<Purged, StoreError> {
        Ok(Purged {
            sessions: self.in_batches(old_sessions, now - TOMBSTONE).await?,
            revocations: self
                .in_batches(old_revocations, now - revocations_for)
                .await?,
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

fn old_sessions(conn: &mut Conn, before: Timestamp) -> QueryResult<usize> {
    let ids: Vec<String> = sessions::table
        .filter(sessions::expires_at.lt(before.unix()))
        .order(sessions::expires_at)
        .limit(BATCH)
        .select(sessions::id)
        .load(conn)?;
    diesel::delete(sessions::table.filter(sessions::id.eq_any(ids))).execute(conn)
}

fn old_revocations(conn: &mut Conn, before: Timestamp) -> QueryResult<usize> {
    let ids: Vec<String> = revocations::table
        .filter(revocations::at.lt(before.unix()))
        .order(revocations::at)
        .limit(BATCH)
        .select(revocations::id)
        .load(conn)?;
    diesel::delete(revocations::table.filter(revocations::id.eq_any(ids))).execute(conn)
}
