//! Defines [`StorePolicy`], the settings of the database connections.

use std::time::Duration;

/// The settings of the database connections.
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
/// store.ping().await?; // an error, if the database does not answer within a second
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StorePolicy {
    /// Maximum number of connections (`DATABASE_POOL`). Default: 8.
    pub pool: u32,
    /// How long a request may take for its turn, a connection and the result together, before it is
    /// answered with 503 (`DATABASE_WAIT`). Default: 4 s.
    pub wait: Duration,
    /// Whether a transaction pooler stands before PostgreSQL (`DATABASE_POOLER`). Default: auto.
    pub pooler: Pooler,
}

/// Whether connections to PostgreSQL lead to a pooler that gives each transaction to any of its
/// sessions, such as PgBouncer with `pool_mode=transaction`.
///
/// Behind such a pooler no statement stays prepared, and each transaction sets the timeout. A
/// statement of one round trip then takes three.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pooler {
    /// Detected at each new connection: a pooler does not accept the options of a session.
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
