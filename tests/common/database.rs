//! A database of one's own, on either backend, gone when the test ends.

use std::sync::atomic::{AtomicU32, Ordering};

use diesel::{Connection, PgConnection, RunQueryDsl, sql_query};
use tempfile::TempDir;

/// Which database a test runs on.
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

/// Says where a PostgreSQL is; `scripts/test` starts one and sets it.
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
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Self::Postgres(name) = self {
            as_superuser(&format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

pub(crate) fn as_superuser(statement: &str) {
    let mut server = PgConnection::establish(&server()).expect("a PostgreSQL server");
    sql_query(statement).execute(&mut server).unwrap();
}

fn server() -> String {
    std::env::var(SERVER).unwrap_or_else(|_| {
        panic!("{SERVER} is not set: run scripts/test, or set it to postgres://user@host/postgres of a server for tests")
    })
}
