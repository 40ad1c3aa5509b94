//! Counts the active sessions of all users.

use std::time::Duration;

use diesel::prelude::*;

use super::connection::Conn;
use super::schema::sessions;
use super::store::DieselStore;
use tokenpair::clock::Timestamp;
use tokenpair::session::StoreError;

impl DieselStore {
    /// Returns the number of sessions that have not ended: neither revoked, nor past the absolute
    /// timeout, nor unused for `idle`.
    ///
    /// The statement reads the rows of all sessions before their absolute timeout, which takes about
    /// a tenth of a second for a million. Call it in the background.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed, or takes longer than
    /// [`StorePolicy::wait`](super::StorePolicy::wait).
    pub async fn count_active_sessions(
        &self,
        now: Timestamp,
        idle: Duration,
    ) -> Result<u64, StoreError> {
        let idle_since = now - idle;
        let count = move |conn: &mut Conn| {
            sessions::table
                .filter(sessions::revoked_at.is_null())
                .filter(sessions::expires_at.gt(now.unix()))
                .filter(sessions::last_used_at.gt(idle_since.unix()))
                .count()
                .get_result::<i64>(conn)
        };
        let count = self.read(count).await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}
