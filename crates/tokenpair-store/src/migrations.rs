//! Implements the migrations: one folder, embedded in the program, for both databases.

use std::collections::BTreeSet;

use diesel::migration::{Migration, MigrationSource};
use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, QueryResult, QueryableByName, RunQueryDsl, sql_query};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use thiserror::Error;

use super::connection::{Conn, in_transaction, on_its_own};
use super::store::DieselStore;
use tokenpair::session::StoreError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Any number works, as long as all replicas use the same. The transaction of the migrations holds
/// the lock until the commit, not the session: a pooler in transaction mode may give each
/// transaction another session.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7305816620172804)";

/// Leaves room in each page of PostgreSQL's table for the next versions of its rows. A refresh then
/// changes only that page (a heap-only tuple) and none of the indexes. SQLite updates in place.
const ROOM_FOR_REFRESHES: &str = "ALTER TABLE sessions SET (fillfactor = 85)";

/// A migration may take long, and so may that of another replica, which holds the lock.
const NO_LIMIT: &str = "SET LOCAL statement_timeout = 0";

/// The reason the migrations did not run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database rejected a statement.
    #[error("the database rejected the migrations")]
    Query(#[from] DieselError),
    /// A migration failed; this run was rolled back.
    #[error("a migration failed, and nothing was changed")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database has migrations that this version does not know, so its statements may be wrong.
    #[error(
        "a newer version has migrated it, and this version does not know {}; run the newer version, or restore a backup from \
         before the upgrade",
        .0.join(", ")
    )]
    Unknown(Vec<String>),
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Returns the names of all migrations, oldest first: those that are pending in a database that does
/// not exist yet.
///
/// # Errors
///
/// Returns a [`MigrationError`] if the migrations of this program cannot be read.
pub fn migration_names() -> Result<Vec<String>, MigrationError> {
    let mut names: Vec<String> = known()?
        .iter()
        .map(|migration| migration.name().to_string())
        .collect();
    names.sort();
    Ok(names)
}

/// Returns the migrations of this program. Their names are the same for both databases.
fn known() -> Result<Vec<Box<dyn Migration<<Conn as Connection>::Backend>>>, MigrationError> {
    MIGRATIONS.migrations().map_err(MigrationError::Migration)
}

impl DieselStore {
    /// Runs the pending migrations in one transaction, and returns their names. Replicas that start
    /// together wait for the first. If nothing is pending, it only reads.
    ///
    /// ```
    /// # use tokenpair_store::{DatabaseUrl, DieselStore, StorePolicy};
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
    /// # let store = DieselStore::open(&url, StorePolicy::default())?;
    /// let pending = store.pending_migrations()?;
    /// assert_eq!(store.migrate()?, pending);
    /// assert!(store.pending_migrations()?.is_empty());
    /// assert!(store.migrate()?.is_empty()); // nothing is pending
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`MigrationError`]; the database is then unchanged.
    pub fn migrate(&self) -> Result<Vec<String>, MigrationError> {
        self.blocking(|conn| {
            // The usual case takes no lock, and needs no right to create tables.
            if look(conn)?.is_empty() {
                return Ok(Vec::new());
            }
            in_transaction(conn, run)
        })?
    }

    /// Returns the names of the pending migrations, oldest first. Only reads.
    ///
    /// # Errors
    ///
    /// Returns [`MigrationError::Unknown`] if the schema is newer than this program, or another
    /// [`MigrationError`] if the database does not answer.
    pub fn pending_migrations(&self) -> Result<Vec<String>, MigrationError> {
        self.blocking(look)?
    }

    /// Reverts every migration, and deletes every row with them. For tests.
    ///
    /// # Errors
    ///
    /// Returns a [`MigrationError`]; the database is then unchanged.
    pub fn revert_all_migrations(&self) -> Result<(), MigrationError> {
        self.blocking(|conn| {
            in_transaction(conn, |conn| {
                conn.revert_all_migrations(MIGRATIONS)
                    .map(|_| ())
                    .map_err(MigrationError::Migration)
            })
        })?
    }
}

/// Runs the pending migrations once no other replica migrates.
fn run(conn: &mut Conn) -> Result<Vec<String>, MigrationError> {
    lock(conn)?;
    // Another replica may have migrated in the meantime, and may be newer.
    pending(conn)?;
    let migrations = conn
        .pending_migrations(MIGRATIONS)
        .map_err(MigrationError::Migration)?;
    let mut names = Vec::with_capacity(migrations.len());
    for migration in migrations {
        let done = conn.run_migration(migration.as_ref());
        done.map_err(MigrationError::Migration)?;
        names.push(migration.name().to_string());
    }
    on_its_own!(
        conn,
        postgres: postgres => sql_query(ROOM_FOR_REFRESHES).execute(postgres).map(|_| ())?,
        sqlite: _ => (),
    );
    Ok(names)
}

/// Waits until no other replica migrates. SQLite's transaction has the write lock already.
fn lock(conn: &mut Conn) -> QueryResult<()> {
    on_its_own!(
        conn,
        postgres: postgres => {
            sql_query(NO_LIMIT).execute(postgres)?;
            sql_query(LOCK).execute(postgres).map(|_| ())
        },
        sqlite: _ => Ok(()),
    )
}

fn look(conn: &mut Conn) -> Result<Vec<String>, MigrationError> {
    on_its_own!(
        conn,
        // A pooler in transaction mode may give each transaction another session, even between
        // Parse and Bind of one statement.
        postgres: _ => in_transaction(conn, pending),
        // A transaction would take the write lock.
        sqlite: _ => pending(conn),
    )
}

pub(super) fn pending(conn: &mut Conn) -> Result<Vec<String>, MigrationError> {
    let mut unknown = applied(conn)?;
    let mut pending = BTreeSet::new();
    for migration in known()? {
        let name = migration.name();
        if !unknown.remove(&name.version().to_string()) {
            pending.insert(name.to_string());
        }
    }
    if unknown.is_empty() {
        Ok(pending.into_iter().collect())
    } else {
        Err(MigrationError::Unknown(unknown.into_iter().collect()))
    }
}

/// Returns the versions of the migrations that have run. Diesel's own query would first create its
/// table, which needs the right to.
fn applied(conn: &mut Conn) -> QueryResult<BTreeSet<String>> {
    let table = on_its_own!(
        conn,
        // Not `to_regclass`: a session that has not found a table does not find it until its
        // transaction ends.
        postgres: _ => {
            "SELECT count(*) AS n FROM pg_class WHERE relname = '__diesel_schema_migrations' AND pg_table_is_visible(oid)"
        },
        sqlite: _ => {
            "SELECT count(*) AS n FROM sqlite_master WHERE name = '__diesel_schema_migrations'"
        },
    );
    if sql_query(table).get_result::<Count>(conn)?.n == 0 {
        return Ok(BTreeSet::new());
    }
    let versions =
        sql_query("SELECT version FROM __diesel_schema_migrations").load::<Version>(conn)?;
    Ok(versions.into_iter().map(|row| row.version).collect())
}
