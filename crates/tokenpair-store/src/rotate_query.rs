//! Implements the one UPDATE of a refresh. It is written by hand because Diesel has each UPDATE
//! parsed and planned anew, which takes the database longer than executing it; this one is prepared
//! once for each connection.

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Bool, HasSqlType, Nullable, Text};

use super::connection::{Conn, on_its_own};
use super::models::RotationColumns;
use tokenpair::session::Step;

/// A time that no row holds: NULL would not equal NULL.
const NEVER: i64 = i64::MIN;

/// Replaces a row's rotation if it is unchanged since the decision and the session has not ended.
/// Returns whether it did.
pub(super) fn swap(conn: &mut Conn, step: &Step) -> QueryResult<bool> {
    let expected = RotationColumns::from(step.expected);
    let swap = Swap {
        id: &step.id,
        handed_or_never: expected.handed_at.unwrap_or(NEVER),
        confirmed_or_never: expected.confirmed_at.unwrap_or(NEVER),
        expected,
        next: step.next.into(),
        now: step.context.at.unix(),
        never: NEVER,
    };
    on_its_own!(conn => swap.execute(conn)).map(|rows| rows == 1)
}

/// Writes the part of the statement before its conditions.
pub(super) fn push_update<'b, DB>(
    out: &mut AstPass<'_, 'b, DB>,
    next: &'b RotationColumns,
    now: &'b i64,
) -> QueryResult<()>
where
    DB: Backend + HasSqlType<Bool>,
    bool: ToSql<Bool, DB>,
    i64: ToSql<BigInt, DB>,
{
    out.push_sql("UPDATE sessions SET generation = ");
    out.push_bind_param::<BigInt, _>(&next.generation)?;
    out.push_sql(", previous_generation = ");
    out.push_bind_param::<Nullable<BigInt>, _>(&next.previous_generation)?;
    out.push_sql(", previous_barred = ");
    out.push_bind_param::<Bool, _>(&next.previous_barred)?;
    out.push_sql(", rotated_at = ");
    out.push_bind_param::<BigInt, _>(&next.rotated_at)?;
    out.push_sql(", handed_at = ");
    out.push_bind_param::<Nullable<BigInt>, _>(&next.handed_at)?;
    out.push_sql(", confirmed_at = ");
    out.push_bind_param::<Nullable<BigInt>, _>(&next.confirmed_at)?;
    out.push_sql(", last_used_at = ");
    out.push_bind_param::<BigInt, _>(now)
}

struct Swap<'s> {
    id: &'s str,
    expected: RotationColumns,
    handed_or_never: i64,
    confirmed_or_never: i64,
    next: RotationColumns,
    now: i64,
    never: i64,
}

/// The text is always the same, so it may be prepared once.
impl QueryId for Swap<'_> {
    type QueryId = Swap<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<C> RunQueryDsl<C> for Swap<'_> {}

impl<DB> QueryFragment<DB> for Swap<'_>
where
    DB: Backend + HasSqlType<Bool>,
    bool: ToSql<Bool, DB>,
    i64: ToSql<BigInt, DB>,
    str: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        push_update(&mut out, &self.next, &self.now)?;
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<Text, _>(self.id)?;
        out.push_sql(" AND generation = ");
        out.push_bind_param::<BigInt, _>(&self.expected.generation)?;
        out.push_sql(" AND previous_barred = ");
        out.push_bind_param::<Bool, _>(&self.expected.previous_barred)?;
        out.push_sql(" AND coalesce(handed_at, ");
        out.push_bind_param::<BigInt, _>(&self.never)?;
        out.push_sql(") = ");
        out.push_bind_param::<BigInt, _>(&self.handed_or_never)?;
        out.push_sql(" AND coalesce(confirmed_at, ");
        out.push_bind_param::<BigInt, _>(&self.never)?;
        out.push_sql(") = ");
        out.push_bind_param::<BigInt, _>(&self.confirmed_or_never)?;
        out.push_sql(" AND revoked_at IS NULL AND expires_at > ");
        out.push_bind_param::<BigInt, _>(&self.now)
    }
}
