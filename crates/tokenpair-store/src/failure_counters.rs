//! Implements the counters of failures. One statement counts, so that no concurrent failure is
//! lost, on any server.

use std::collections::HashMap;

use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::upsert::excluded;

use super::audit::{NewEvent, Refusal};
use super::connection::{Conn, on_its_own};
use super::event_kind::EventKind;
use super::schema::throttle;
use super::store::DieselStore;
use crate::rate_limit::{Counter, Tally};
use tokenpair::clock::Timestamp;
use tokenpair::session::{RequestContext, StoreError};

impl DieselStore {
    /// Returns the tallies of these counters, by their ids. A counter without failures has no
    /// tally.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
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

    /// Counts an attempt before it is made, and returns each counter's new number, by the counters'
    /// ids. Records an event for each limit that it reaches.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed; nothing is counted then.
    pub async fn count_attempt(
        &self,
        counters: Vec<Counter>,
        context: &RequestContext,
    ) -> Result<HashMap<String, i64>, StoreError> {
        let (context, counters) = (context.clone(), in_order(counters));
        self.write(move |conn| count_all(conn, &counters, None, &context))
            .await
    }

    /// Records and counts a wrong password, and returns each counter's new number, by the counters'
    /// ids. Records an event for each back-off that it starts.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed; nothing is counted then.
    pub async fn record_refusal(
        &self,
        refusal: Refusal,
        counters: Vec<Counter>,
        context: &RequestContext,
    ) -> Result<HashMap<String, i64>, StoreError> {
        let (context, counters) = (context.clone(), in_order(counters));
        self.write(move |conn| {
            NewEvent::of_refusal(refusal.clone(), &context).record(conn)?;
            count_all(conn, &counters, refusal.user_id.as_deref(), &context)
        })
        .await
    }

    /// Deletes the tallies of these counters.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub async fn forget_failures(&self, ids: Vec<String>) -> Result<(), StoreError> {
        self.write_one(move |conn| {
            diesel::delete(throttle::table.filter(throttle::id.eq_any(&ids)))
                .execute(conn)
                .map(|_| ())
        })
        .await
    }
}

/// Sorts the counters, so that no two transactions deadlock.
fn in_order(mut counters: Vec<Counter>) -> Vec<Counter> {
    counters.sort_by(|one, other| one.id.cmp(&other.id));
    counters
}

fn count_all(
    conn: &mut Conn,
    counters: &[Counter],
    user_id: Option<&str>,
    context: &RequestContext,
) -> QueryResult<HashMap<String, i64>> {
    let counted = counters.iter().map(|counter| {
        let failures = count(conn, counter, user_id, context)?;
        Ok((counter.id.clone(), failures))
    });
    counted.collect()
}

/// Counts one more failure, and returns the new number.
fn count(
    conn: &mut Conn,
    counter: &Counter,
    user_id: Option<&str>,
    context: &RequestContext,
) -> QueryResult<i64> {
    let failures = add_one(conn, counter, context.at)?;
    if counter.rule.locks_at(failures) {
        let event = NewEvent::new(EventKind::Throttled, context).detail(counter.word.clone());
        event.maybe_user(user_id).record(conn)?;
    }
    Ok(failures)
}

/// Adds one to the rest of a tally. An attempt that took long may be counted after a later one: it
/// never moves the tally back in time.
fn add_one(conn: &mut Conn, counter: &Counter, now: Timestamp) -> QueryResult<i64> {
    let until = counter.rule.forgotten(now).unix();
    let now = now.unix();
    // A rule without easing never forgives a failure.
    let eases = counter.rule.eases().unwrap_or(i64::MAX);
    on_its_own!(conn => {
            let later = throttle::last_at.gt(now);
            // Below zero, since a tally's last failure is in the past.
            let eased = || (throttle::last_at - now) / eases;
            let failures = case_when(throttle::until_at.le(now), excluded(throttle::failures))
                .when(throttle::last_at.gt(now), throttle::failures + 1_i64)
                .when(
                    (throttle::failures + eased()).lt(0_i64),
                    excluded(throttle::failures),
                )
                .otherwise(throttle::failures + eased() + 1_i64);
            let outlasts = throttle::until_at.gt(until);
            diesel::insert_into(throttle::table)
                .values((
                    throttle::id.eq(&counter.id),
                    throttle::failures.eq(1_i64),
                    throttle::last_at.eq(now),
                    throttle::until_at.eq(until),
                ))
                .on_conflict(throttle::id)
                .do_update()
                .set((
                    throttle::failures.eq(failures),
                    throttle::last_at
                        .eq(case_when(later, throttle::last_at)
                            .otherwise(excluded(throttle::last_at))),
                    throttle::until_at.eq(case_when(outlasts, throttle::until_at)
                        .otherwise(excluded(throttle::until_at))),
                ))
                .returning(throttle::failures)
                .get_result(conn)
    })
}
