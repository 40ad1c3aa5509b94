//! Implements the check that the database accepts writes, on which readiness depends.

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::Bool;
use thiserror::Error;
use uuid::Uuid;

use super::connection::{Conn, on_its_own};
use super::queue::JobError;
use super::schema::throttle;
use super::store::DieselStore;
use tokenpair::session::StoreError;

/// The reason the database accepts no writes.
#[derive(Debug, Error)]
pub enum NotWritable {
    /// The database does not answer.
    #[error(transparent)]
    Away(StoreError),
    /// PostgreSQL is a standby.
    #[error(transparent)]
    Standby(StoreError),
    /// Transactions are read-only, or SQLite's file is.
    #[error(transparent)]
    ReadOnly(StoreError),
    /// The disk is full.
    #[error(transparent)]
    Full(StoreError),
    /// SQLite's path names another file than the one that is open, or none.
    #[error(transparent)]
    Moved(StoreError),
    /// The database rejects a write for another reason.
    #[error(transparent)]
    Refused(StoreError),
}

impl DieselStore {
    /// Checks that the database answers and accepts writes. PostgreSQL is asked whether it is a
    /// standby or read-only; SQLite's file has to be the one at its path. If the last write failed
    /// because of the database, a row is written and deleted.
    ///
    /// ```
    /// # use tokenpair_store::{DatabaseUrl, DieselStore, StorePolicy};
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
    /// # let store = DieselStore::open(&url, StorePolicy::default())?;
    /// store.migrate()?;
    /// store.check_writable().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`NotWritable`] with the reason.
    pub async fn check_writable(&self) -> Result<(), NotWritable> {
        if self.has_lost_its_file() {
            return Err(NotWritable::Moved(StoreError::new(Moved)));
        }
        if self.last_write().failed() {
            let written = self.try_write(probe).await;
            return written.map_err(|failure| NotWritable::of(failure, NotWritable::Refused));
        }
        let looked = self.try_read(look).await;
        looked.map_err(|failure| NotWritable::of(failure, NotWritable::Away))
    }
}

/// Writes would go into a file that the next start does not open.
#[derive(Debug, Error)]
#[error(
    "the file of the database was moved, deleted or replaced while it is open, so its path names another one; put it back, \
     or restart the server to use the other"
)]
struct Moved;

#[derive(QueryableByName)]
struct Mode {
    #[diesel(sql_type = Bool)]
    standby: bool,
    #[diesel(sql_type = Bool)]
    read_only: bool,
}

const STANDBY: &str = "PostgreSQL is a standby";

fn look(conn: &mut Conn) -> QueryResult<()> {
    on_its_own!(
        conn,
        postgres: postgres => look_at_mode(postgres),
        sqlite: sqlite => diesel::connection::SimpleConnection::batch_execute(sqlite, "SELECT 1"),
    )
}

#[cfg(feature = "postgres")]
fn look_at_mode(postgres: &mut diesel::PgConnection) -> QueryResult<()> {
    let mode = "SELECT pg_is_in_recovery() AS standby, \
                current_setting('transaction_read_only')::boolean AS read_only";
    match diesel::sql_query(mode).get_result(postgres)? {
        Mode { standby: true, .. } => Err(read_only(STANDBY)),
        Mode {
            read_only: true, ..
        } => Err(read_only("transactions are read-only")),
        Mode { .. } => Ok(()),
    }
}

/// Imitates PostgreSQL's rejection of such a write, so that another connection is tried.
fn read_only(why: &str) -> DieselError {
    DieselError::DatabaseError(
        DatabaseErrorKind::ReadOnlyTransaction,
        Box::new(why.to_owned()),
    )
}

/// Changes pages and commits, and leaves nothing behind.
fn probe(conn: &mut Conn) -> QueryResult<()> {
    look(conn)?;
    let id = format!("probe {}", Uuid::now_v7());
    diesel::insert_into(throttle::table)
        .values((
            throttle::id.eq(&id),
            throttle::failures.eq(0),
            throttle::last_at.eq(0),
            throttle::until_at.eq(0),
        ))
        .execute(conn)?;
    diesel::delete(throttle::table.filter(throttle::id.eq(&id))).execute(conn)?;
    Ok(())
}

impl NotWritable {
    /// SQLite and libpq report most of this only as text; libpq's is in English here, since it is
    /// built without others.
    fn of(failure: JobError, otherwise: fn(StoreError) -> Self) -> Self {
        let text = failure.to_string();
        let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
        let reason = match &failure {
            _ if says(&[STANDBY, "server is in hot standby mode"]) => Self::Standby,
            JobError::Query(DieselError::DatabaseError(
                DatabaseErrorKind::ReadOnlyTransaction,
                _,
            )) => Self::ReadOnly,
            _ if says(&["readonly database", "session is read-only"]) => Self::ReadOnly,
            _ if says(&["database or disk is full", "No space left on device"]) => Self::Full,
            JobError::Busy | JobError::TooSlow(_) | JobError::Connect(_) | JobError::Panicked => {
                Self::Away
            }
            JobError::Query(DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
                _,
            )) => Self::Away,
            JobError::Query(_) | JobError::Commit(_) => otherwise,
        };
        reason(StoreError::new(failure))
    }
}
