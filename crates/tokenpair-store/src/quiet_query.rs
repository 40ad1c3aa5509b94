//! Implements the common refresh on PostgreSQL as one statement, and so one round trip: it reads a
//! session and its user, checks the bounds of a [`QuietRotation`], and rotates.
//!
//! Under READ COMMITTED, an UPDATE that waited for another one checks its conditions again on the
//! row that the other one left, but with the user as it was before the wait. A change of a user
//! also ends its sessions, or moves their generation or epoch, so the conditions then fail.
//!
//! Executed twice, because the first answer was lost, it finds no row: the generation has moved.
//!
//! SQLite has no use for it: its SELECT costs no round trip, and its RETURNING sees no other table.

use diesel::dsl::SqlTypeOf;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text};

use super::models::{RecordRows, RotationColumns, record_of};
use super::rotate_query::push_update;
use tokenpair::session::{QuietRotation, SessionRecord};

type Columns = <RecordRows as Selectable<Pg>>::SelectExpression;

/// Rotates the session if it is within the bounds, and returns it as it is then.
pub(super) fn rotate(
    conn: &mut PgConnection,
    id: &str,
    quiet: &QuietRotation,
) -> QueryResult<Option<SessionRecord>> {
    let statement = QuietUpdate {
        id,
        user_id: &quiet.user_id,
        generation: quiet.generation,
        handed_until: quiet.handed_until.unix(),
        used_after: quiet.used_after.unix(),
        now: quiet.now.unix(),
        next: quiet.next.into(),
        returning: <RecordRows as Selectable<Pg>>::construct_selection(),
    };
    let rotated = statement.get_result::<RecordRows>(conn).optional()?;
    Ok(rotated.map(record_of))
}

struct QuietUpdate<'q> {
    id: &'q str,
    user_id: &'q str,
    generation: i64,
    handed_until: i64,
    used_after: i64,
    now: i64,
    next: RotationColumns,
    returning: Columns,
}

/// The text is always the same, so it is prepared once for each connection.
impl QueryId for QuietUpdate<'_> {
    type QueryId = QuietUpdate<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for QuietUpdate<'_> {
    type SqlType = SqlTypeOf<Columns>;
}

impl RunQueryDsl<PgConnection> for QuietUpdate<'_> {}

impl QueryFragment<Pg> for QuietUpdate<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_update(&mut out, &self.next, &self.now)?;
        out.push_sql(" FROM users WHERE users.id = sessions.user_id AND sessions.id = ");
        out.push_bind_param::<Text, _>(self.id)?;
        out.push_sql(" AND sessions.user_id = ");
        out.push_bind_param::<Text, _>(self.user_id)?;
        out.push_sql(" AND sessions.generation = ");
        out.push_bind_param::<BigInt, _>(&self.generation)?;
        // If there is neither time, nothing was handed out for an older token.
        out.push_sql(
            " AND coalesce(sessions.handed_at, CASE WHEN sessions.previous_generation IS NOT NULL \
             THEN sessions.rotated_at END, ",
        );
        out.push_bind_param::<BigInt, _>(&self.handed_until)?;
        out.push_sql(") <= ");
        out.push_bind_param::<BigInt, _>(&self.handed_until)?;
        out.push_sql(" AND sessions.last_used_at > ");
        out.push_bind_param::<BigInt, _>(&self.used_after)?;
        out.push_sql(" AND sessions.expires_at > ");
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(
            " AND sessions.revoked_at IS NULL AND sessions.epoch = users.epoch \
             AND users.disabled_at IS NULL RETURNING ",
        );
        self.returning.walk_ast(out)
    }
}
