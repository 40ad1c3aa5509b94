//! Counts the active sessions of all users, a few at a time, so that no request waits.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::connection::{Conn, on_its_own};
use super::store::DieselStore;
use tokenpair::clock::Timestamp;
use tokenpair::session::StoreError;

/// Rows that one statement reads. One statement for all would take PostgreSQL's parallel workers
/// every core for seconds, once there are millions, and might never finish within
/// [`StorePolicy::wait`](super::StorePolicy::wait).
const BATCH: u32 = 20_000;

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    active: i64,
    #[diesel(sql_type = BigInt)]
    read: i64,
    #[diesel(sql_type = Nullable<Text>)]
    last: Option<String>,
}

impl DieselStore {
    /// Returns the number of sessions that have not ended: neither revoked, nor past the absolute
    /// timeout, nor unused for `idle`.
    ///
    /// The statements read all rows, which takes about half a second for a million. Sessions that
    /// begin or end meanwhile may count or not. Call it in the background.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub async fn count_active_sessions(
        &self,
        now: Timestamp,
        idle: Duration,
    ) -> Result<u64, StoreError> {
        let idle_since = now - idle;
        let (mut after, mut active) = (String::new(), 0);
        loop {
            let from = after.clone();
            let batch = self.read(move |conn| count(conn, now, idle_since, &from));
            let Counted {
                active: some,
                read,
                last,
            } = batch.await?;
            active += some;
            match last {
                Some(last) if read >= i64::from(BATCH) => after = last,
                _ => return Ok(u64::try_from(active).unwrap_or_default()),
            }
        }
    }
}

/// Counts in the batch of rows that follow this id.
fn count(
    conn: &mut Conn,
    now: Timestamp,
    idle_since: Timestamp,
    after: &str,
) -> QueryResult<Counted> {
    let (now, idle_since) = (now.unix(), idle_since.unix());
    let text = format!(
        "SELECT count(CASE WHEN revoked_at IS NULL AND expires_at > {now} AND last_used_at > {idle_since} THEN 1 END) \
         AS active, count(*) AS read, max(id) AS last FROM (SELECT id, revoked_at, expires_at, last_used_at FROM sessions \
         WHERE id > $1 ORDER BY id LIMIT {BATCH}) AS batch"
    );
    on_its_own!(
        conn,
        postgres: conn => sql_query(text).bind::<Text, _>(after).get_result(conn),
        sqlite: conn => sql_query(super::connection::numbered(&text)).bind::<Text, _>(after).get_result(conn),
    )
}
