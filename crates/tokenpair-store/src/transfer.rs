//! Copies a whole database into another, between SQLite and PostgreSQL too.
//!
//! The tables and their columns are read from both databases, so a table of a new migration is
//! copied without a change here.

use std::thread;
use std::time::{Duration, Instant};

use diesel::result::Error as DieselError;
use diesel::{QueryResult, RunQueryDsl, sql_query};
use thiserror::Error;

use super::connection::{Conn, begin_with, finish, in_transaction, on_its_own};
use super::manager::Manager;
use super::policy::StorePolicy;
use super::queue::JobError;
#[cfg(feature = "sqlite")]
use super::sqlite_file::{SqliteFile, SqliteFileError};
use super::table::{self, Digest, Table, TableError};
use super::url::DatabaseUrl;
use tokenpair::random::random_bytes;
use tokenpair::session::StoreError;

/// How long connections that have just been closed may still be counted.
const CLOSING: Duration = Duration::from_secs(2);

/// A table that was copied.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CopiedTable {
    /// Its name.
    pub name: String,
    /// The number of its rows.
    pub rows: u64,
}

/// Other programs that use the source while it is copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OtherPrograms {
    /// Fail if another program is connected.
    Refuse,
    /// Let other programs be connected to PostgreSQL. Their writes wait until the end. SQLite's
    /// file is never shared.
    Ignore,
}

/// The reason a database was not copied. The target is then unchanged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// A database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A database rejected a statement.
    #[error("a database rejected a statement")]
    Query(#[from] DieselError),
    /// The file of the source cannot be locked.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    File(#[from] SqliteFileError),
    /// Both URLs name the same database.
    #[error("source and target are the same database")]
    Same,
    /// Other programs are connected to the source.
    #[error("{}", connected_text(*.0))]
    Connected(i64),
    /// A table of the target has rows.
    #[error("the target is not empty: its table {0} has rows")]
    NotEmpty(String),
    /// The target has tables that the source does not have.
    #[error("the target has tables of another program ({})", .0.join(", "))]
    Foreign(Vec<String>),
    /// A table cannot be copied.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The rows of the target differ from those of the source.
    #[error("the table {0} of the target differs from the source's, and nothing was copied")]
    Differs(String),
}

fn connected_text(others: i64) -> String {
    match others {
        1 => "1 other connection to the source is open".to_owned(),
        others => format!("{others} other connections to the source are open"),
    }
}

/// Checks that a database has no tables of another program, before it is migrated to become the
/// target of [`copy_database`]. Only reads, and creates no file.
///
/// # Errors
///
/// Returns [`TransferError::Foreign`] if it has such tables, or another [`TransferError`] if a
/// database does not answer.
pub fn check_target(
    from: &DatabaseUrl,
    to: &DatabaseUrl,
    policy: StorePolicy,
) -> Result<(), TransferError> {
    let mut target = match to {
        #[cfg(feature = "sqlite")]
        DatabaseUrl::Sqlite(path) if !path.exists() => return Ok(()),
        // `connect` would change the journal mode of another program's file.
        #[cfg(feature = "sqlite")]
        DatabaseUrl::Sqlite(path) => Conn::Sqlite(SqliteFile::at(path).open_backup()?),
        to => connect(to, policy)?,
    };
    refuse_foreign(&mut connect(from, policy)?, &mut target)
}

/// Copies every table into an empty database with the same schema. All rows are of one moment of
/// the source, and the target gets all of them or, after an error, none. Compares the numbers and
/// digests of the rows before it commits. For a command: it has no time limit.
///
/// ```
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair_store::password::PasswordHash;
/// # use tokenpair::session::RequestContext;
/// # use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
/// use tokenpair_store::{OtherPrograms, copy_database};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let url = |name: &str| DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join(name).display()));
/// let (from, to) = (url("old.db")?, url("new.db")?);
/// let policy = StorePolicy::default();
/// let store = DieselStore::open(&from, policy)?;
/// store.migrate()?;
/// # let context = RequestContext::at(Timestamp::from_unix(1_800_000_000));
/// # let password_hash = PasswordHash::from_text("$2b$12$...".to_owned());
/// # let username = Username::parse("ada")?;
/// store.create_user(NewUser { username, password_hash, roles: vec![] }, &context).await?;
/// drop(store); // closes the file
///
/// let store = DieselStore::open(&to, policy)?;
/// store.migrate()?;
/// let tables = copy_database(&from, &to, policy, OtherPrograms::Refuse)?;
/// assert!(tables.iter().any(|table| table.name == "users" && table.rows == 1));
/// assert!(store.user_by_name(&Username::parse("Ada")?).await?.is_some());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Returns a [`TransferError`]; the target is then unchanged.
pub fn copy_database(
    from: &DatabaseUrl,
    to: &DatabaseUrl,
    policy: StorePolicy,
    others: OtherPrograms,
) -> Result<Vec<CopiedTable>, TransferError> {
    #[cfg(feature = "sqlite")]
    refuse_same_file(from, to)?;
    let mut source = connect_source(from, policy)?;
    let mut target = connect(to, policy)?;
    refuse_same(&mut source, &mut target)?;
    if others == OtherPrograms::Refuse {
        refuse_others(&mut source)?;
    }
    refuse_foreign(&mut source, &mut target)?;
    let tables = table::common(
        &in_transaction_of_its_own(&mut source, table::all)?,
        &in_transaction_of_its_own(&mut target, table::all)?,
    )?;
    let sorted = |conn: &mut Conn| table::parents_first(conn, tables);
    let tables = in_transaction_of_its_own(&mut target, sorted)??;
    begin_source(&mut source, &tables)?;
    begin_target(&mut target, &tables)?;
    let copied = copy_all(&mut source, &mut target, &tables);
    let copied = finish(&mut target, copied);
    // It has changed nothing.
    let _closed = finish(&mut source, Ok::<_, DieselError>(()));
    copied
}

fn connect(url: &DatabaseUrl, policy: StorePolicy) -> Result<Conn, TransferError> {
    let opened = Manager::new(url.clone(), policy).connect();
    let opened =
        opened.map_err(|error| StoreError::new(JobError::Connect(std::sync::Arc::new(error))))?;
    Ok(opened.conn)
}

/// SQLite's file is taken for this program alone, so that no server goes on writing to it.
fn connect_source(url: &DatabaseUrl, policy: StorePolicy) -> Result<Conn, TransferError> {
    match url {
        #[cfg(feature = "sqlite")]
        DatabaseUrl::Sqlite(path) => {
            let lock = SqliteFile::at(path).lock()?;
            Ok(Conn::Sqlite(lock.into_connection()?))
        }
        url => connect(url, policy),
    }
}

/// A pooler in transaction mode may give each transaction another session.
fn in_transaction_of_its_own<T>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> QueryResult<T>,
) -> QueryResult<T> {
    on_its_own!(
        conn,
        postgres: _ => in_transaction(conn, work),
        // The source has its transaction already, and the target's begins later.
        sqlite: _ => work(conn),
    )
}

/// SQLite's file may have several names.
#[cfg(feature = "sqlite")]
fn refuse_same_file(from: &DatabaseUrl, to: &DatabaseUrl) -> Result<(), TransferError> {
    let (DatabaseUrl::Sqlite(from), DatabaseUrl::Sqlite(to)) = (from, to) else {
        return Ok(());
    };
    match super::sqlite_file::is_same_file(from, to) {
        true => Err(TransferError::Same),
        false => Ok(()),
    }
}

/// The target would wait for the source's lock, which this program holds until the copy is done.
/// PostgreSQL has many names for one database, but advisory locks exist once in each.
fn refuse_same(source: &mut Conn, target: &mut Conn) -> Result<(), TransferError> {
    if !is_postgres(source) || !is_postgres(target) {
        return Ok(());
    }
    // By chance, so that no other program has it.
    let mut key = [0; 8];
    random_bytes(&mut key);
    let key = i64::from_ne_bytes(key);
    let is_free = in_transaction(source, |source| {
        let schema = table::take_advisory_lock(source, key)?;
        in_transaction(target, |target| table::is_lock_free(target, key, &schema))
    })?;
    match is_free {
        true => Ok(()),
        false => Err(TransferError::Same),
    }
}

fn is_postgres(conn: &Conn) -> bool {
    on_its_own!(conn, postgres: _ => true, sqlite: _ => false)
}

fn refuse_foreign(source: &mut Conn, target: &mut Conn) -> Result<(), TransferError> {
    let foreign = table::foreign(
        &in_transaction_of_its_own(source, table::all_names)?,
        &in_transaction_of_its_own(target, table::all_names)?,
    );
    if foreign.is_empty() {
        Ok(())
    } else {
        Err(TransferError::Foreign(foreign))
    }
}

fn refuse_others(source: &mut Conn) -> Result<(), TransferError> {
    let deadline = Instant::now() + CLOSING;
    loop {
        match in_transaction_of_its_own(source, table::other_connections)? {
            0 => return Ok(()),
            _ if Instant::now() < deadline => thread::sleep(CLOSING / 20),
            others => return Err(TransferError::Connected(others)),
        }
    }
}

/// Begins a transaction that sees one moment, which no other program's write follows before its
/// end.
fn begin_source(source: &mut Conn, tables: &[Table]) -> QueryResult<()> {
    on_its_own!(
        source,
        postgres: _ => {
            // The snapshot is taken after the lock.
            begin_with(
                source,
                "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL statement_timeout = 0",
            )?;
            lock(source, tables, "SHARE")
        },
        sqlite: _ => Ok(()),
    )
}

fn begin_target(target: &mut Conn, tables: &[Table]) -> QueryResult<()> {
    on_its_own!(
        target,
        postgres: _ => {
            // A program that holds a lock on an empty target is a mistake to report, and the
            // source's writers wait meanwhile.
            begin_with(
                target,
                "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10s'",
            )?;
            lock(target, tables, "EXCLUSIVE")
        },
        sqlite: _ => begin_with(target, "BEGIN IMMEDIATE"),
    )
}

/// Locks PostgreSQL's tables until the end of the transaction.
fn lock(conn: &mut Conn, tables: &[Table], mode: &str) -> QueryResult<()> {
    let lock = format!("LOCK TABLE {} IN {mode} MODE", table::names(tables));
    sql_query(lock).execute(conn).map(|_| ())
}

fn copy_all(
    source: &mut Conn,
    target: &mut Conn,
    tables: &[Table],
) -> Result<Vec<CopiedTable>, TransferError> {
    for table in tables {
        if !table.page(target, None)?.is_empty() {
            return Err(TransferError::NotEmpty(table.name.clone()));
        }
    }
    let mut copied = Vec::with_capacity(tables.len());
    for table in tables {
        let sent = each_page(source, table, |page| table.insert(target, page))?;
        let arrived = each_page(target, table, |_| Ok(()))?;
        if sent != arrived {
            return Err(TransferError::Differs(table.name.clone()));
        }
        copied.push(CopiedTable {
            name: table.name.clone(),
            rows: sent.rows,
        });
    }
    Ok(copied)
}

/// Reads a table page by page. Returns the digest of all rows.
fn each_page(
    conn: &mut Conn,
    table: &Table,
    mut work: impl FnMut(&[table::Row]) -> QueryResult<()>,
) -> Result<Digest, TransferError> {
    let mut digest = Digest::default();
    let mut after = None;
    loop {
        let page = table.page(conn, after.as_deref())?;
        let Some(last) = page.last() else {
            return Ok(digest);
        };
        after = Some(last.key.clone());
        for row in &page {
            digest.add(&table.name, row)?;
        }
        work(&page)?;
    }
}
