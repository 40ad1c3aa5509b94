//! Provides a database per test, on either backend, deleted when the test ends.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use tempfile::TempDir;

/// The database that a test runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// An empty database.
#[derive(Debug)]
pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres(String),
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

/// The variable with the URL of a PostgreSQL. `scripts/test` starts a server and sets it.
const SERVER: &str = "TOKENPAIR_TEST_POSTGRES";

impl Database {
    pub(crate) fn create(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::Sqlite(tempfile::tempdir().unwrap()),
            Backend::Postgres => {
                static COUNT: AtomicU32 = AtomicU32::new(0);
                let number = COUNT.fetch_add(1, Ordering::Relaxed);
                let name = format!("tokenpair_{}_{number}", std::process::id());
                as_superuser(&format!("CREATE DATABASE {name}"));
                Self::Postgres(name)
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite://{}/test.db", folder.path().display()),
            Self::Postgres(name) => {
                let server = server();
                let (server, _) = server
                    .rsplit_once('/')
                    .expect("a URL with a database's name");
                format!("{server}/{name}")
            }
        }
    }

    /// Writes directly to the database.
    pub(crate) fn execute(&self, statement: &str) {
        let done = match self {
            Self::Sqlite(_) => sql_query(statement).execute(&mut self.sqlite()),
            Self::Postgres(_) => sql_query(statement).execute(&mut self.postgres()),
        };
        done.unwrap();
    }

    /// Reads the column `n` directly from the database.
    pub(crate) fn numbers(&self, query: &str) -> Vec<i64> {
        let rows: Vec<Number> = match self {
            Self::Sqlite(_) => sql_query(query).load(&mut self.sqlite()),
            Self::Postgres(_) => sql_query(query).load(&mut self.postgres()),
        }
        .unwrap();
        rows.into_iter().map(|row| row.n).collect()
    }

    /// Opens a transaction directly in the database. On SQLite, it blocks all other writes until it
    /// ends.
    pub(crate) fn begin(&self) -> Box<dyn SimpleConnection> {
        match self {
            Self::Sqlite(_) => {
                let mut connection = self.sqlite();
                connection.batch_execute("BEGIN IMMEDIATE").unwrap();
                Box::new(connection)
            }
            Self::Postgres(_) => {
                let mut connection = self.postgres();
                connection.batch_execute("BEGIN").unwrap();
                Box::new(connection)
            }
        }
    }

    fn sqlite(&self) -> SqliteConnection {
        let file = self.url();
        let mut connection =
            SqliteConnection::establish(file.trim_start_matches("sqlite://")).unwrap();
        // The server may be writing now.
        connection
            .batch_execute("PRAGMA busy_timeout = 10000")
            .unwrap();
        connection
    }

    fn postgres(&self) -> PgConnection {
        PgConnection::establish(&self.url()).unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Self::Postgres(name) = self {
            as_superuser(&format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

pub(crate) fn as_superuser(statement: &str) {
    sql_query(statement).execute(&mut superuser()).unwrap();
}

/// Returns the folder of the tests' PostgreSQL programs, such as `initdb` and `pg_ctl`, as the
/// server reports it.
pub(crate) fn postgres_programs() -> PathBuf {
    let folder = "SELECT setting AS word FROM pg_config WHERE name = 'BINDIR'";
    let word: Word = sql_query(folder).get_result(&mut superuser()).unwrap();
    PathBuf::from(word.word)
}

fn superuser() -> PgConnection {
    PgConnection::establish(&server()).expect("a PostgreSQL server")
}

fn server() -> String {
    std::env::var(SERVER).unwrap_or_else(|_| {
        panic!("{SERVER} is not set: run scripts/test, or set it to postgres://user@host/postgres of a server for tests")
    })
}
