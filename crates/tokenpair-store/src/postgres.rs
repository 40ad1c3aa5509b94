//! Implements opening connections to PostgreSQL, directly or through a pooler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::{CacheSize, SimpleConnection};
use diesel::sql_types::Bool;
use diesel::{Connection, ConnectionError, PgConnection, QueryableByName, RunQueryDsl, sql_query};
use secrecy::SecretString;

use super::connection::{Conn, ConnectError, Opened, Session};
use super::policy::{Pooler, StorePolicy};
use super::url::{DatabaseUrl, hosts_that_hung};

/// Opens connections to PostgreSQL. Clones share the findings of earlier connections.
#[derive(Clone)]
pub(super) struct Postgres {
    wait: Duration,
    pooler: Pooler,
    found: Arc<Found>,
}

/// The findings of earlier connections.
#[derive(Default)]
struct Found {
    pooler: AtomicBool,
    /// The hosts before this one hung, so they are tried last.
    first_host: AtomicU64,
}

#[derive(QueryableByName)]
struct Marked {
    #[diesel(sql_type = Bool)]
    marked: bool,
}

impl Postgres {
    pub(super) fn new(policy: StorePolicy) -> Self {
        Self {
            wait: policy.wait,
            pooler: policy.pooler,
            found: Arc::default(),
        }
    }

    pub(super) fn connect(&self, url: &SecretString) -> Result<Opened, ConnectError> {
        let plain = || self.establish(|first| DatabaseUrl::for_libpq(url, self.wait, first));
        match self.pooler {
            Pooler::Off => {
                let mut conn = plain()?;
                // No request waits longer than this, so no statement needs to run longer.
                let limit = format!("SET statement_timeout = {}", self.wait.as_millis());
                conn.batch_execute(&limit)?;
                Ok(own(conn))
            }
            Pooler::Auto if !self.found.pooler.load(Ordering::Relaxed) => {
                let with_options = self
                    .establish(|first| DatabaseUrl::for_libpq_with_options(url, self.wait, first));
                let mut conn = match with_options {
                    Ok(conn) => conn,
                    Err(error) if is_of_options(&error) => plain()?,
                    Err(error) => return Err(error.into()),
                };
                if sql_query(IS_MARKED).get_result::<Marked>(&mut conn)?.marked {
                    return Ok(own(conn));
                }
                if !self.found.pooler.swap(true, Ordering::Relaxed) {
                    log::info!(
                        "a connection pooler stands before PostgreSQL: sessions keep no state for longer than a \
                         transaction (DATABASE_POOLER)"
                    );
                }
                Ok(self.shared(conn))
            }
            Pooler::Auto | Pooler::Transaction => Ok(self.shared(plain()?)),
        }
    }

    fn establish(
        &self,
        url_from: impl FnOnce(u64) -> String,
    ) -> Result<PgConnection, ConnectionError> {
        let first = self.found.first_host.load(Ordering::Relaxed);
        let (url, began) = (url_from(first), Instant::now());
        let conn = PgConnection::establish(&url)?;
        let hung = hosts_that_hung(&url, began.elapsed());
        if hung > 0 {
            self.found.first_host.store(first + hung, Ordering::Relaxed);
        }
        Ok(conn)
    }

    fn shared(&self, mut conn: PgConnection) -> Opened {
        // A statement that is not cached has no name, and is prepared and executed in one message.
        conn.set_prepared_statement_cache_size(CacheSize::Disabled);
        let millis = self.wait.as_millis();
        let begin = format!("BEGIN; SET LOCAL statement_timeout = {millis}");
        Opened {
            conn: Conn::Postgres(conn),
            session: Session::Shared { begin },
        }
    }
}

fn own(conn: PgConnection) -> Opened {
    Opened {
        conn: Conn::Postgres(conn),
        session: Session::Own,
    }
}

/// Checks for a setting of ours among the options of a new session. A pooler rejects or drops
/// options that it does not know, since its sessions exist already.
const IS_MARKED: &str =
    "SELECT coalesce(current_setting('tokenpair.session', true) = 'own', false) AS marked";

/// PgBouncer says "unsupported startup parameter: options".
fn is_of_options(error: &ConnectionError) -> bool {
    error.to_string().contains("parameter")
}
