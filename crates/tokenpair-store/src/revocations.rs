//! Implements the rows of recorded revocations.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use async_trait::async_trait;
use diesel::dsl::count_star;
use diesel::prelude::*;

use super::connection::{Conn, MultiBackend, on_its_own};
use super::schema::revocations;
use super::store::DieselStore;
use tokenpair::clock::Timestamp;
use tokenpair::session::{CountedRevocations, Revocation, Revoked, StoreError};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = revocations, check_for_backend(MultiBackend))]
struct RevocationRow {
    id: String,
    session_id: Option<String>,
    user_id: Option<String>,
    lowest_epoch: Option<i64>,
    at: i64,
}

impl RevocationRow {
    fn new(revocation: &Revocation) -> Self {
        let (session_id, user_id, lowest_epoch) = match &revocation.subject {
            Revoked::Session(id) => (Some(id.clone()), None, None),
            Revoked::User { id, lowest_epoch } => (None, Some(id.clone()), Some(*lowest_epoch)),
            Revoked::All => (None, None, None),
        };
        // The subject is the row's key, so that only one of two servers that notice its loss
        // records it.
        let id = match &revocation.subject {
            Revoked::Session(id) => id.clone(),
            Revoked::User { id, lowest_epoch } => format!("{id}/{lowest_epoch}"),
            Revoked::All => format!("{ALL}{}", revocation.at.unix()),
        };
        Self {
            id,
            session_id,
            user_id,
            lowest_epoch,
            at: revocation.at.unix(),
        }
    }

    fn revocation(self) -> Option<Revocation> {
        let subject = match (self.session_id, self.user_id, self.lowest_epoch) {
            (Some(id), _, _) => Revoked::Session(id),
            (None, Some(id), Some(lowest_epoch)) => Revoked::User { id, lowest_epoch },
            (None, None, None) if self.id.starts_with(ALL) => Revoked::All,
            _ => return None,
        };
        Some(Revocation {
            subject,
            at: Timestamp::from_unix(self.at),
        })
    }
}

/// The beginning of the key of a revocation of all tokens. No id of a user or a session has it.
const ALL: &str = "*/";

/// Records a revocation. A subject that was revoked before, and whose revocation was lost, is
/// revoked anew.
pub(super) fn record(conn: &mut Conn, revocation: &Revocation) -> QueryResult<()> {
    let row = RevocationRow::new(revocation);
    on_its_own!(conn => {
        diesel::insert_into(revocations::table)
            .values(&row)
            .on_conflict(revocations::id)
            .do_update()
            .set(revocations::at.eq(row.at))
            .execute(conn)
    })
    .map(|_| ())
}

/// Records a revocation that the database has lost. Returns false if the database has it after all.
pub(super) fn record_lost(conn: &mut Conn, revocation: &Revocation) -> QueryResult<bool> {
    let row = RevocationRow::new(revocation);
    let inserted = on_its_own!(conn => {
        diesel::insert_into(revocations::table)
            .values(&row)
            .on_conflict_do_nothing()
            .execute(conn)
    });
    inserted.map(|rows| rows == 1)
}

pub(super) fn since(conn: &mut Conn, at: Timestamp) -> QueryResult<Vec<Revocation>> {
    let rows = revocations::table.filter(revocations::at.ge(at.unix()));
    found(rows.select(RevocationRow::as_select()).load(conn)?)
}

fn found(rows: Vec<RevocationRow>) -> QueryResult<Vec<Revocation>> {
    let rows = rows.into_iter();
    Ok(rows.filter_map(RevocationRow::revocation).collect())
}

#[async_trait]
impl CountedRevocations for DieselStore {
    /// The index on the time answers alone.
    async fn count_since(&self, at: Timestamp) -> Result<BTreeMap<Timestamp, usize>, StoreError> {
        let counts = move |conn: &mut Conn| {
            revocations::table
                .filter(revocations::at.ge(at.unix()))
                .group_by(revocations::at)
                .select((revocations::at, count_star()))
                .load::<(i64, i64)>(conn)
        };
        let counts = self.read(counts).await?.into_iter();
        let second = |(at, count)| {
            (
                Timestamp::from_unix(at),
                usize::try_from(count).unwrap_or_default(),
            )
        };
        Ok(counts.map(second).collect())
    }

    async fn between(
        &self,
        seconds: RangeInclusive<Timestamp>,
    ) -> Result<Vec<Revocation>, StoreError> {
        let (first, last) = seconds.into_inner();
        self.read(move |conn| {
            let rows = revocations::table
                .filter(revocations::at.between(first.unix(), last.unix()))
                .select(RevocationRow::as_select());
            found(rows.load(conn)?)
        })
        .await
    }
}
