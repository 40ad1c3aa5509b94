//! The one UPDATE of a refresh. It is written out because Diesel has each UPDATE of its own parsed and planned anew, which
//! takes the database longer than to carry it out; this one is prepared once for each connection.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::connection::{Conn, MultiBackend};
use crate::clock::Timestamp;
use crate::session::{Rotation, Step};

/// No instant that a row could hold: NULL would equal nothing, not even NULL.
const NEVER: i64 = i64::MIN;

/// Replaces the rotation of a row that still is what the decision rested on, and that nothing has ended. True if it did.
pub(super) fn swap(conn: &mut Conn, step: &Step) -> QueryResult<bool> {
    let swap = Swap {
        id: &step.id,
        expected: Columns::from(step.expected),
        next: Columns::from(step.next),
        now: step.act.at.unix(),
        never: NEVER,
    };
    swap.execute(conn).map(|rows| rows == 1)
}

struct Swap<'s> {
    id: &'s str,
    expected: Columns,
    next: Columns,
    now: i64,
    never: i64,
}

struct Columns {
    generation: i64,
    previous_generation: Option<i64>,
    previous_barred: bool,
    rotated_at: i64,
    handed_at: Option<i64>,
    confirmed_at: Option<i64>,
    /// The two before, where NULL is to be compared.
    handed_or_never: i64,
    confirmed_or_never: i64,
}

impl From<Rotation> for Columns {
    fn from(rotation: Rotation) -> Self {
        let handed_at = rotation.handed_at.map(Timestamp::unix);
        let confirmed_at = rotation.confirmed_at.map(Timestamp::unix);
        Self {
            generation: rotation.generation,
            previous_generation: rotation.previous,
            previous_barred: rotation.previous_barred,
            rotated_at: rotation.rotated_at.unix(),
            handed_at,
            confirmed_at,
            handed_or_never: handed_at.unwrap_or(NEVER),
            confirmed_or_never: confirmed_at.unwrap_or(NEVER),
        }
    }
}

/// The text is the same for all, so it may be prepared once.
impl QueryId for Swap<'_> {
    type QueryId = Swap<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<Conn> for Swap<'_> {}

impl QueryFragment<MultiBackend> for Swap<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql("UPDATE sessions SET generation = ");
        out.push_bind_param::<BigInt, _>(&self.next.generation)?;
        out.push_sql(", previous_generation = ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.next.previous_generation)?;
        out.push_sql(", previous_barred = ");
        out.push_bind_param::<Bool, _>(&self.next.previous_barred)?;
        out.push_sql(", rotated_at = ");
        out.push_bind_param::<BigInt, _>(&self.next.rotated_at)?;
        out.push_sql(", handed_at = ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.next.handed_at)?;
        out.push_sql(", confirmed_at = ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.next.confirmed_at)?;
        out.push_sql(", last_used_at = ");
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<Text, _>(self.id)?;
        out.push_sql(" AND generation = ");
        out.push_bind_param::<BigInt, _>(&self.expected.generation)?;
        out.push_sql(" AND previous_barred = ");
        out.push_bind_param::<Bool, _>(&self.expected.previous_barred)?;
        out.push_sql(" AND coalesce(handed_at, ");
        out.push_bind_param::<BigInt, _>(&self.never)?;
        out.push_sql(") = ");
        out.push_bind_param::<BigInt, _>(&self.expected.handed_or_never)?;
        out.push_sql(" AND coalesce(confirmed_at, ");
        out.push_bind_param::<BigInt, _>(&self.never)?;
        out.push_sql(") = ");
        out.push_bind_param::<BigInt, _>(&self.expected.confirmed_or_never)?;
        out.push_sql(" AND revoked_at IS NULL AND expires_at > ");
        out.push_bind_param::<BigInt, _>(&self.now)
    }
}
