//! Migrations: one folder, embedded in the program, for both databases.

use diesel::RunQueryDsl;
use diesel::backend::Backend;
use diesel::migration::Migration;
use diesel::result::Error as DieselError;
use diesel::sql_query;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use thiserror::Error;

use super::connection::{Conn, DieselStore, in_transaction};
use tokenpair::session::StoreError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Any number will do, as long as all replicas use the same.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7305816620172804)";

/// A migration may take its time, and so may the replica that is before us.
const NO_LIMIT: &str = "SET LOCAL statement_timeout = 0";

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

/// How a transaction ends that is always taken back.
enum Look {
    Done(Result<Vec<String>, MigrationError>),
    Failed(DieselError),
}

impl From<DieselError> for Look {
    fn from(error: DieselError) -> Self {
        Self::Failed(error)
    }
}

impl DieselStore {
    /// Runs what has not run yet, in one transaction, and gives the names. Replicas that start together wait for the
    /// first of them.
    ///
    /// ```
    /// # use tokenpair_store::{DatabaseUrl, DieselStore, StorePolicy};
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
    /// # let store = DieselStore::open(&url, StorePolicy::default())?;
    /// let pending = store.pending_migrations()?;
    /// assert_eq!(store.migrate()?.len(), pending.len());
    /// assert!(store.pending_migrations()?.is_empty());
    /// assert!(store.migrate()?.is_empty()); // nothing is left to do
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`MigrationError`]; the database is then as it was.
    pub fn migrate(&self) -> Result<Vec<String>, MigrationError> {
        self.blocking(|conn| {
            in_transaction(conn, |conn| {
                if let Conn::Postgres(postgres) = conn {
                    sql_query(NO_LIMIT).execute(postgres)?;
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
        let looked = self.blocking(|conn| {
            in_transaction(conn, |conn| {
                let pending = conn.pending_migrations(MIGRATIONS);
                // To look makes Diesel's own table; taken back, it was only a look.
                Err::<(), _>(Look::Done(
                    pending
                        .map(|pending| names(&pending))
                        .map_err(MigrationError::Migration),
                ))
            })
        })?;
        match looked {
            Ok(()) => Ok(Vec::new()),
            Err(Look::Done(names)) => names,
            Err(Look::Failed(error)) => Err(error.into()),
        }
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
