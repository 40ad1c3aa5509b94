//! Opens the database: waits for it at the start, keeps its schema the program's own, and says what to do if it cannot be used.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;

use super::StartError;
use crate::settings::{Migrate, Settings};
use tokenpair::session::StoreError;
use tokenpair_store::{DatabaseUrl, DieselStore, MigrationError};

/// The pause after the first failed attempt to connect. Each later pause is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why the database cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// It cannot be connected to, or its file cannot be opened.
    #[error("{}", connection_text(.url, .cause))]
    Connect {
        /// The database. Its password is never shown.
        url: DatabaseUrl,
        /// Why.
        cause: StoreError,
    },
    /// There is no file of this path yet, and only `serve` and `migrate` make it.
    #[error(
        "there is no database yet at {0}; run `tokenpair migrate` to create it, or start the server"
    )]
    Missing(PathBuf),
    /// Migrations are pending, and it is not for this command, or this server, to run them.
    #[error(
        "cannot use the database {} (DATABASE_URL): {}; run `tokenpair migrate`",
        .url.masked(),
        pending_text(.names)
    )]
    Pending {
        /// The database.
        url: DatabaseUrl,
        /// The migrations, the oldest first.
        names: Vec<String>,
    },
    /// The migrations cannot be read or run.
    #[error("cannot use the database {} (DATABASE_URL)", .url.masked())]
    Migration {
        /// The database.
        url: DatabaseUrl,
        /// Why.
        source: MigrationError,
    },
}

impl DatabaseError {
    fn of(error: MigrationError, url: &DatabaseUrl) -> Self {
        let url = url.clone();
        match error {
            MigrationError::Store(cause) => Self::Connect { url, cause },
            source => Self::Migration { url, source },
        }
    }

    /// Whether it may be cured by waiting: PostgreSQL is not reachable, is starting or stopping, or is out of connections.
    fn may_pass(&self) -> bool {
        let Self::Connect { url, cause } = self else {
            return false;
        };
        matches!(url, DatabaseUrl::Postgres(_)) && permanent(&text_of(cause)).is_none()
    }
}

fn open_store(settings: &Settings) -> Result<DieselStore, DatabaseError> {
    let url = &settings.database;
    DieselStore::open(url, settings.store).map_err(|cause| DatabaseError::Connect {
        url: url.clone(),
        cause,
    })
}

/// Opens a database that is there, and whose schema is this program's. Changes nothing in it.
///
/// # Errors
///
/// [`DatabaseError`], also if migrations are pending, or have run that this program does not know.
pub fn open_current_store(settings: &Settings) -> Result<DieselStore, DatabaseError> {
    let url = &settings.database;
    if let Some(missing) = missing_file(url) {
        return Err(DatabaseError::Missing(missing));
    }
    let store = open_store(settings)?;
    let pending = store.pending_migrations();
    let names = pending.map_err(|error| DatabaseError::of(error, url))?;
    if names.is_empty() {
        return Ok(store);
    }
    let url = url.clone();
    Err(DatabaseError::Pending { url, names })
}

/// Opens the database and runs the migrations that are pending.
///
/// # Errors
///
/// [`DatabaseError`]; the schema is then as it was.
pub fn open_migrated_store(
    settings: &Settings,
) -> Result<(DieselStore, Vec<String>), DatabaseError> {
    let store = open_store(settings)?;
    let names = store.migrate();
    let names = names.map_err(|error| DatabaseError::of(error, &settings.database))?;
    Ok((store, names))
}

/// Opens the database for a server, as `DATABASE_MIGRATE` says. Tries again for `DATABASE_START_WAIT` while PostgreSQL is not
/// available.
pub(super) async fn ready_store(settings: &Settings) -> Result<DieselStore, StartError> {
    let (began, wait) = (Instant::now(), settings.start_wait);
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match attempt(settings.clone()).await? {
            Ok(store) if pause > FIRST_PAUSE => {
                let waited = began.elapsed().as_secs_f64();
                log::info!("the database is available after {waited:.1} s");
                return Ok(store);
            }
            Ok(store) => return Ok(store),
            Err(error) => error,
        };
        let left = wait.saturating_sub(began.elapsed());
        if left.is_zero() || !error.may_pass() {
            return Err(error.into());
        }
        if pause == FIRST_PAUSE {
            let seconds = wait.as_secs();
            log::warn!("waiting up to {seconds} s for the database (DATABASE_START_WAIT): {error}");
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Beside this thread, so that a signal is heard meanwhile.
async fn attempt(settings: Settings) -> Result<Result<DieselStore, DatabaseError>, StartError> {
    let opened = tokio::task::spawn_blocking(move || match settings.migrate {
        Migrate::Off => open_current_store(&settings),
        Migrate::Auto => {
            let (store, names) = open_migrated_store(&settings)?;
            for name in names {
                log::info!("migration {name} done");
            }
            Ok(store)
        }
    });
    opened.await.map_err(|_| StartError::Stopped)
}

fn missing_file(url: &DatabaseUrl) -> Option<PathBuf> {
    match url {
        DatabaseUrl::Sqlite(path) if !path.exists() => Some(absolute(path)),
        _ => None,
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn pending_text(names: &[String]) -> String {
    let names_text = names.join(", ");
    match names.len() {
        1 => format!("1 migration is pending ({names_text})"),
        count => format!("{count} migrations are pending ({names_text})"),
    }
}

fn connection_text(url: &DatabaseUrl, cause: &StoreError) -> String {
    let (cause, masked) = (text_of(cause), url.masked());
    match url {
        DatabaseUrl::Sqlite(_) => format!(
            "cannot open the database {masked} (DATABASE_URL): {cause}; make the file and its folder writable for this \
             user, or name another file"
        ),
        DatabaseUrl::Postgres(_) => {
            let cure = permanent(&cause).unwrap_or(
                "check that PostgreSQL is running and that DATABASE_URL names its host and port",
            );
            format!("cannot connect to the database {masked} (DATABASE_URL): {cause}; {cure}")
        }
    }
}

/// The last cause's text, which is the database's own. libpq adds advice on lines that begin with a tab; ours is better.
fn text_of(error: &StoreError) -> String {
    let mut cause: &dyn Error = error;
    let mut text = cause.to_string();
    while let Some(next) = cause.source() {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            let _infallible = write!(text, ": {next_text}");
        }
        cause = next;
    }
    let lines = text.lines().filter(|line| !line.starts_with('\t'));
    let lines = lines.map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

/// What libpq says if waiting does not help, and the cure; the first that fits counts. A failed connection has no SQLSTATE, so
/// its text has to do. Servers may speak another language, so what is not listed here is waited for.
const PERMANENT: [(&str, &str); 13] = [
    ("role \"", CREDENTIALS),
    ("authentication failed", CREDENTIALS),
    ("no password supplied", CREDENTIALS),
    ("pg_hba.conf", HBA),
    ("permission denied for database", CONNECT),
    ("database \"", NAME),
    ("no such database", NAME),
    ("certificate", TLS),
    ("not support SSL", TLS),
    ("SSL error", TLS),
    ("expected authentication request", NO_POSTGRES),
    ("invalid ", URL),
    ("missing \"=\"", URL),
];

const CREDENTIALS: &str = "correct the user and the password in DATABASE_URL";
const HBA: &str = "allow this connection in the server's pg_hba.conf";
const CONNECT: &str = "grant this user CONNECT on the database";
const NAME: &str = "create the database, or correct its name in DATABASE_URL";
const TLS: &str = "correct sslmode and sslrootcert in DATABASE_URL, or the server's certificate";
const NO_POSTGRES: &str =
    "the program there is not PostgreSQL: correct the host and port in DATABASE_URL";
const URL: &str = "correct DATABASE_URL";

/// What passes, though it reads like a permanent failure: a server that stops while it negotiates TLS, and a limit of connections
/// for one user or one database.
const PASSING: [&str; 2] = ["unexpected eof", "too many connections"];

/// Returns the cure if this failure to connect does not end by itself.
fn permanent(text: &str) -> Option<&'static str> {
    if PASSING.iter().any(|words| text.contains(words)) {
        return None;
    }
    let mut listed = PERMANENT.into_iter();
    let found = listed.find(|(words, _)| text.contains(words));
    found.map(|(_, cure)| cure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_waited_for() {
        for text in [
            "connection to server at \"db\" (10.0.0.1), port 5432 failed: Connection refused",
            "could not translate host name \"db\" to address: Temporary failure in name resolution",
            "connection to server on socket \"/run/.s.PGSQL.5432\" failed: No such file or directory",
            "connection to server at \"db\", port 5432 failed: FATAL:  the database system is starting up",
            "connection to server at \"db\", port 5432 failed: FATAL:  the database system is shutting down",
            "connection to server at \"db\", port 5432 failed: FATAL:  sorry, too many clients already",
            "connection to server at \"db\", port 5432 failed: FATAL:  too many connections for role \"ada\"",
            "connection to server at \"db\", port 5432 failed: FATAL:  das Datenbanksystem startet",
            "connection to server at \"db\", port 5432 failed: timeout expired",
            "connection to server at \"db\", port 5432 failed: session is read-only",
            "connection to server at \"db\", port 5432 failed: SSL error: unexpected eof while reading",
            "connection to server at \"db\", port 5432 failed: SSL SYSCALL error: Connection reset by peer",
            "connection to server at \"db\", port 6432 failed: FATAL:  server login has been failing, try again later",
        ] {
            assert_eq!(permanent(text), None, "{text}");
        }
    }

    #[test]
    fn what_has_to_be_corrected_is_not() {
        for (text, cure) in [
            (
                "FATAL:  password authentication failed for user \"ada\"",
                CREDENTIALS,
            ),
            ("fe_sendauth: no password supplied", CREDENTIALS),
            ("FATAL:  role \"ada\" does not exist", CREDENTIALS),
            ("FATAL:  database \"certificates\" does not exist", NAME),
            ("FATAL:  no such database: app", NAME),
            ("SSL error: certificate verify failed", TLS),
            ("server does not support SSL, but SSL was required", TLS),
            ("root certificate file \"/root.crt\" does not exist", TLS),
            (
                "expected authentication request from server, but received H",
                NO_POSTGRES,
            ),
            (
                "invalid URI query parameter: \"frobnicate\"",
                "correct DATABASE_URL",
            ),
        ] {
            assert_eq!(permanent(text), Some(cure), "{text}");
        }
    }
}
