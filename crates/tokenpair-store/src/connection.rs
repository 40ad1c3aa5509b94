//! Defines a connection to either database, and its transactions.

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::result::Error as DieselError;
use diesel::{Connection, PgConnection, QueryResult, SqliteConnection};

/// A connection to either database. Every difference between them is a `match` on this, in this
/// folder only.
#[derive(diesel::MultiConnection)]
pub(super) enum Conn {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// The same work on either database's own connection, where Diesel finds a prepared statement by
/// its type. Through a [`Conn`] Diesel writes a statement's text each time, which costs more than a
/// lookup by primary key.
macro_rules! on_its_own {
    ($conn:ident => $work:expr) => {
        match $conn {
            $crate::connection::Conn::Postgres($conn) => $work,
            $crate::connection::Conn::Sqlite($conn) => $work,
        }
    };
}
pub(super) use on_its_own;

/// SQLite takes its write lock at once: a transaction that begins by reading could not be upgraded
/// under contention.
pub(super) fn begin(conn: &mut Conn) -> QueryResult<()> {
    match conn {
        Conn::Sqlite(sqlite) => {
            AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")
        }
        Conn::Postgres(postgres) => AnsiTransactionManager::begin_transaction(postgres),
    }
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
