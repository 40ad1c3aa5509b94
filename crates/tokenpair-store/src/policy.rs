//! Defines [`StorePolicy`], how the database is used.

use std::time::Duration;

/// How the database is used.
///
/// ```
/// use std::time::Duration;
/// use tokenpair_store::{DatabaseUrl, DieselStore, StorePolicy};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
/// let policy = StorePolicy { pool: 2, wait: Duration::from_secs(1), ..StorePolicy::default() };
/// let store = DieselStore::open(&url, policy)?;
/// store.ping().await?; // a 503 by now, if the database did not answer for a second
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StorePolicy {
    /// Connections held at most (`DATABASE_POOL`, 8).
    pub pool: u32,
    /// How long a request waits for its turn, a connection and the answer together, before it is answered with 503
    /// (`DATABASE_WAIT`, 4 s).
    pub wait: Duration,
    /// Whether a transaction pooler stands before PostgreSQL (`DATABASE_POOLER`, auto).
    pub pooler: Pooler,
}

/// Whether connections to PostgreSQL lead to a pooler that gives each transaction to any session of its own, such as
/// PgBouncer with `pool_mode=transaction`.
///
/// Behind one no statement stays prepared, and a timeout is set in each transaction. A statement that would be one
/// round trip then takes three.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pooler {
    /// Found out when a connection is made: a pooler does not take the options of a session.
    #[default]
    Auto,
    /// No pooler, or one that keeps a session for each connection.
    Off,
    /// A transaction pooler.
    Transaction,
}

impl Default for StorePolicy {
    fn default() -> Self {
        Self {
            pool: 8,
            wait: Duration::from_secs(4),
            pooler: Pooler::default(),
        }
    }
}
