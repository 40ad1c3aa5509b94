//! Implements the one statement of a logout on PostgreSQL, which revokes a session, records the
//! revocation and writes the event. It takes one round trip and is prepared once for each
//! connection; as four statements of Diesel, two of which are planned anew, it took ten.

use diesel::PgConnection;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text};
use uuid::Uuid;

use super::audit::NewEvent;
use super::noted::note;
use tokenpair::session::{EndReason, RequestContext};

/// Revokes a session that has not ended. Returns whether it did.
pub(super) fn revoke(
    conn: &mut PgConnection,
    id: &str,
    reason: EndReason,
    context: &RequestContext,
) -> QueryResult<bool> {
    let event = NewEvent::of_end(reason, context);
    let (kind, detail) = event.parts();
    let statement = Revoke {
        id,
        at: context.at.unix(),
        reason: reason.word(),
        event_id: Uuid::now_v7().to_string(),
        kind: kind.word(),
        actor: context.by.as_deref(),
        ip: context.ip.map(|ip| ip.to_string()),
        detail: Some(detail).filter(|detail| !detail.is_empty()),
        alert_due: event.alert_due(),
    };
    let ended = statement.execute(conn)?;
    note(kind, ended);
    Ok(ended == 1)
}

struct Revoke<'s> {
    id: &'s str,
    at: i64,
    reason: &'s str,
    event_id: String,
    kind: &'s str,
    actor: Option<&'s str>,
    ip: Option<String>,
    detail: Option<&'s str>,
    alert_due: Option<i64>,
}

/// The text is always the same, so it may be prepared once.
impl QueryId for Revoke<'_> {
    type QueryId = Revoke<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for Revoke<'_> {}

impl QueryFragment<Pg> for Revoke<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH ended AS (UPDATE sessions SET revoked_at = ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(", revoke_reason = ");
        out.push_bind_param::<Text, _>(self.reason)?;
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<Text, _>(self.id)?;
        out.push_sql(" AND revoked_at IS NULL RETURNING id, user_id, revoked_at), ");
        // A session that was revoked before, and whose end was lost, is revoked anew.
        out.push_sql(
            "noted AS (INSERT INTO revocations (id, session_id, at) SELECT id, id, revoked_at FROM ended \
             ON CONFLICT (id) DO UPDATE SET at = excluded.at) \
             INSERT INTO audit_events (id, at, kind, user_id, session_id, actor_id, ip, detail, alert_due, \
             alert_attempts) SELECT ",
        );
        out.push_bind_param::<Text, _>(&self.event_id)?;
        out.push_sql(", revoked_at, ");
        out.push_bind_param::<Text, _>(self.kind)?;
        out.push_sql(", user_id, id, ");
        out.push_bind_param::<Nullable<Text>, _>(&self.actor)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(&self.ip)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(&self.detail)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.alert_due)?;
        out.push_sql(", 0 FROM ended");
        Ok(())
    }
}
