//! Tallies of failures: counted by one statement, so that of many at once none is lost, on whichever server they are.

use std::collections::HashMap;

use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::upsert::excluded;

use super::audit::{EventKind, NewEvent, Refusal};
use super::connection::{Conn, DieselStore};
use super::schema::throttle;
use crate::clock::Timestamp;
use crate::session::{Act, StoreError};
use crate::throttle::{Counter, Tally};

impl DieselStore {
    /// The tallies of these counters, by their ids. Those that nothing was counted in have none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed.
    pub async fn tallies(&self, ids: Vec<String>) -> Result<HashMap<String, Tally>, StoreError> {
        let select = move |conn: &mut Conn| {
            throttle::table
                .filter(throttle::id.eq_any(&ids))
                .select((
                    throttle::id,
                    throttle::failures,
                    throttle::last_at,
                    throttle::until_at,
                ))
                .load::<(String, i64, i64, i64)>(conn)
        };
        let rows = self.read(select).await?.into_iter();
        let tallies = rows.map(|(id, failures, last, until)| {
            let tally = Tally {
                failures,
                last: Timestamp::from_unix(last),
                until: Timestamp::from_unix(until),
            };
            (id, tally)
        });
        Ok(tallies.collect())
    }

    /// Counts an attempt before it is made, and gives its number. The one that reaches the limit is recorded.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed.
    pub async fn count_attempt(&self, counter: Counter, act: &Act) -> Result<i64, StoreError> {
        let act = act.clone();
        self.write(move |conn| count(conn, &counter, None, &act))
            .await
    }

    /// Records that a password was refused, counts it, and records each wait that begins with it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed; nothing is counted then.
    pub async fn record_refusal(
        &self,
        refusal: Refusal,
        mut counters: Vec<Counter>,
        act: &Act,
    ) -> Result<(), StoreError> {
        let act = act.clone();
        // In one order everywhere, so that no two transactions wait for each other.
        counters.sort_by(|one, other| one.id.cmp(&other.id));
        self.write(move |conn| {
            NewEvent::of_refusal(refusal.clone(), &act).record(conn)?;
            for counter in &counters {
                count(conn, counter, refusal.user_id.as_deref(), &act)?;
            }
            Ok(())
        })
        .await
    }

    /// Forgets what was counted.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed.
    pub async fn forget_failures(&self, ids: Vec<String>) -> Result<(), StoreError> {
        self.write_one(move |conn| {
            diesel::delete(throttle::table.filter(throttle::id.eq_any(&ids)))
                .execute(conn)
                .map(|_| ())
        })
        .await
    }
}

/// One more; how many that makes.
fn count(conn: &mut Conn, counter: &Counter, user_id: Option<&str>, act: &Act) -> QueryResult<i64> {
    let failures = add_one(conn, counter, act.at)?;
    if counter.rule.locks_at(failures) {
        let event = NewEvent::new(EventKind::Throttled, act).detail(counter.word);
        event.maybe_user(user_id).record(conn)?;
    }
    Ok(failures)
}

/// What was forgotten by now begins again at one.
fn add_one(conn: &mut Conn, counter: &Counter, now: Timestamp) -> QueryResult<i64> {
    macro_rules! upsert {
        ($conn:expr) => {
            diesel::insert_into(throttle::table)
                .values((
                    throttle::id.eq(&counter.id),
                    throttle::failures.eq(1_i64),
                    throttle::last_at.eq(now.unix()),
                    throttle::until_at.eq(counter.rule.forgotten(now).unix()),
                ))
                .on_conflict(throttle::id)
                .do_update()
                .set((
                    throttle::failures.eq(case_when(
                        throttle::until_at.le(excluded(throttle::last_at)),
                        excluded(throttle::failures),
                    )
                    .otherwise(throttle::failures + 1_i64)),
                    throttle::last_at.eq(excluded(throttle::last_at)),
                    throttle::until_at.eq(excluded(throttle::until_at)),
                ))
                .returning(throttle::failures)
                .get_result($conn)
        };
    }
    match conn {
        Conn::Postgres(postgres) => upsert!(postgres),
        Conn::Sqlite(sqlite) => upsert!(sqlite),
    }
}
