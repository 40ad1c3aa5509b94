//! Defines a connection to either database, and its transactions.

#[cfg(feature = "postgres")]
use diesel::PgConnection;
#[cfg(feature = "sqlite")]
use diesel::SqliteConnection;
use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::result::Error as DieselError;
use diesel::{Connection, ConnectionError, QueryResult};
use thiserror::Error;

use super::url::UrlError;

/// A connection to either database. Every difference between them is an `on_its_own!` on this, in
/// this crate only.
#[derive(diesel::MultiConnection)]
pub(super) enum Conn {
    #[cfg(feature = "postgres")]
    Postgres(PgConnection),
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteConnection),
}

/// Works on either database's own connection, where Diesel finds a prepared statement by its type.
/// Through a [`Conn`] Diesel writes a statement's text each time, which costs more than a lookup by
/// primary key. The work is the same for both, or is stated for each.
macro_rules! on_its_own {
    ($conn:ident => $work:expr) => {
        $crate::connection::on_its_own!($conn, postgres: $conn => $work, sqlite: $conn => $work)
    };
    ($conn:expr, postgres: $postgres:pat => $on_postgres:expr, sqlite: $sqlite:pat => $on_sqlite:expr $(,)?) => {
        match $conn {
            #[cfg(feature = "postgres")]
            $crate::connection::Conn::Postgres($postgres) => $on_postgres,
            #[cfg(feature = "sqlite")]
            $crate::connection::Conn::Sqlite($sqlite) => $on_sqlite,
        }
    };
}
pub(super) use on_its_own;

/// The same statement with SQLite's numbered parameters.
pub(super) fn numbered(statement: &str) -> String {
    statement.replace('$', "?")
}

/// A new connection, ready for statements.
pub(super) struct Opened {
    pub(super) conn: Conn,
    pub(super) session: Session,
}

/// The owner of the database session behind a connection.
#[derive(Debug)]
pub(super) enum Session {
    /// The connection: statements stay prepared, and the timeout was set at the start.
    Own,
    /// A pooler, which gives the session to another client after each transaction. Nothing may be
    /// left in it, and no statement stays prepared.
    Shared {
        /// Begins a transaction, with the timeout that other clients' transactions must not have.
        begin: String,
    },
}

/// The reason a connection could not be opened.
#[derive(Debug, Error)]
pub(super) enum ConnectError {
    /// This build leaves the database out.
    #[error(transparent)]
    LeftOut(#[from] UrlError),
    #[error(transparent)]
    Establish(#[from] ConnectionError),
    #[error(transparent)]
    Setup(#[from] DieselError),
}

/// SQLite takes its write lock at once: a transaction that begins by reading could not be upgraded
/// under contention.
pub(super) fn begin(conn: &mut Conn) -> QueryResult<()> {
    on_its_own!(
        conn,
        postgres: postgres => AnsiTransactionManager::begin_transaction(postgres),
        sqlite: sqlite => AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE"),
    )
}

/// Begins a transaction by this statement.
pub(super) fn begin_with(conn: &mut Conn, statement: &str) -> QueryResult<()> {
    on_its_own!(conn => AnsiTransactionManager::begin_transaction_sql(conn, statement))
}

/// Returns whether a transaction could not be ended, so that the connection must be closed.
pub(super) fn is_broken(conn: &mut Conn) -> bool {
    <Conn as Connection>::TransactionManager::is_broken_transaction_manager(conn)
}

/// Commits the transaction, or rolls it back.
pub(super) fn finish<T, E: From<DieselError>>(conn: &mut Conn, done: Result<T, E>) -> Result<T, E> {
    match done {
        Ok(value) => {
            <Conn as Connection>::TransactionManager::commit_transaction(conn)?;
            Ok(value)
        }
        Err(error) => {
            // If this fails too, the connection is closed, which rolls back as well.
            let _closed = <Conn as Connection>::TransactionManager::rollback_transaction(conn);
            Err(error)
        }
    }
}

pub(super) fn in_transaction<T, E: From<DieselError>>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    begin(conn)?;
    let done = work(conn);
    finish(conn, done)
}

/// Whether the error is SQLITE_BUSY, for which Diesel has no kind.
pub(super) fn is_locked(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, information) if information.message() == "database is locked")
}
