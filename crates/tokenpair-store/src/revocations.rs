//! The rows of recorded revocations.

use diesel::prelude::*;
use uuid::Uuid;

use super::connection::{Conn, MultiBackend};
use super::schema::revocations;
use tokenpair::clock::Timestamp;
use tokenpair::session::{Revocation, Revoked};

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
        };
        Self {
            id: Uuid::now_v7().to_string(),
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
            _ => return None,
        };
        Some(Revocation {
            subject,
            at: Timestamp::from_unix(self.at),
        })
    }
}

pub(super) fn record(conn: &mut Conn, revocation: &Revocation) -> QueryResult<()> {
    diesel::insert_into(revocations::table)
        .values(RevocationRow::new(revocation))
        .execute(conn)
        .map(|_| ())
}

pub(super) fn since(conn: &mut Conn, at: Timestamp) -> QueryResult<Vec<Revocation>> {
    let rows: Vec<RevocationRow> = revocations::table
        .filter(revocations::at.ge(at.unix()))
        .select(RevocationRow::as_select())
        .load(conn)?;
    Ok(rows
        .into_iter()
        .filter_map(RevocationRow::revocation)
        .collect())
}
