//! Migrations: one folder, embedded in the program, for both databases.

use diesel::RunQueryDsl;
use diesel::backend::Backend;
use diesel::migration::Migration;
use diesel::result::Error as DieselError;
use diesel::sql_query;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use thiserror::Error;

use super::connection::{Conn, DieselStore, MultiBackend, in_transaction};
use crate::session::StoreError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Any number will do, as long as all replicas use the same.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7305816620172804)";

/// Why the migrations did not run.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database refused.
    #[error("the database refused the migrations")]
    Query(#[from] DieselError),
    /// A migration failed; none of this run was kept.
    #[error("a migration failed")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl DieselStore {
    /// Runs what has not run yet, in one transaction, and gives the names. Replicas that start together wait for the
    /// first of them.
    ///
    /// # Errors
    ///
    /// [`MigrationError`]; the database is then as it was.
    pub fn migrate(&self) -> Result<Vec<String>, MigrationError> {
        self.blocking(|conn| {
            in_transaction(conn, |conn| {
                if let Conn::Postgres(postgres) = conn {
                    sql_query(LOCK).execute(postgres)?;
                }
                let run = conn
                    .run_pending_migrations(MIGRATIONS)
                    .map_err(MigrationError::Migration)?;
                Ok(run.iter().map(ToString::to_string).collect())
            })
        })?
    }

    /// The names of the migrations that have not run yet.
    ///
    /// # Errors
    ///
    /// [`MigrationError`] if the database does not answer.
    pub fn pending_migrations(&self) -> Result<Vec<String>, MigrationError> {
        let names = |pending: Vec<Box<dyn Migration<MultiBackend>>>| names(&pending);
        self.blocking(|conn| {
            conn.pending_migrations(MIGRATIONS)
                .map(names)
                .map_err(MigrationError::Migration)
        })?
    }

    /// Takes back every migration, and every row with them. For tests.
    ///
    /// # Errors
    ///
    /// [`MigrationError`]; the database is then as it was.
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

fn names<DB: Backend>(migrations: &[Box<dyn Migration<DB>>]) -> Vec<String> {
    migrations
        .iter()
        .map(|migration| migration.name().to_string())
        .collect()
}
