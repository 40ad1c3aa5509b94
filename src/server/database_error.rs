//! Defines [`DatabaseError`]: why the database cannot be used, whether waiting helps, and how to
//! fix it.

use std::path::PathBuf;

use thiserror::Error;

use crate::causes::in_a_line;
use crate::command::command;
use tokenpair::session::StoreError;
use tokenpair_store::{DatabaseUrl, MigrationError};

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
    /// There is no file at this path yet, and only `serve` and `migrate` create it.
    #[error(
        "there is no database yet at {0}; run `{migrate}` to create it, or start the server",
        migrate = command("migrate")
    )]
    Missing(PathBuf),
    /// Migrations are pending, and this command or server must not run them.
    #[error(
        "cannot use the database {} (DATABASE_URL): {}; run `{}`",
        .url.masked(),
        pending_text(.names),
        command("migrate")
    )]
    Pending {
        /// The database.
        url: DatabaseUrl,
        /// The migrations, the oldest first.
        names: Vec<String>,
    },
    /// The migrations cannot be read or run.
    #[error("{}", migration_text(.url, .source))]
    Migration {
        /// The database.
        url: DatabaseUrl,
        /// Why.
        source: MigrationError,
    },
}

impl DatabaseError {
    pub(super) fn of(error: MigrationError, url: &DatabaseUrl) -> Self {
        let url = url.clone();
        match error {
            MigrationError::Store(cause) => Self::Connect { url, cause },
            source => Self::Migration { url, source },
        }
    }

    /// Returns whether waiting may help: PostgreSQL is not reachable, is starting or stopping, or
    /// is out of connections.
    pub(super) fn may_pass(&self) -> bool {
        let Self::Connect { url, cause } = self else {
            return false;
        };
        matches!(url, DatabaseUrl::Postgres(_)) && permanent(&in_a_line(cause)).is_none()
    }
}

fn pending_text(names: &[String]) -> String {
    let names_text = names.join(", ");
    match names.len() {
        1 => format!("1 migration is pending ({names_text})"),
        count => format!("{count} migrations are pending ({names_text})"),
    }
}

fn connection_text(url: &DatabaseUrl, cause: &StoreError) -> String {
    let (cause, masked) = (in_a_line(cause), url.masked());
    match url {
        DatabaseUrl::Sqlite(_) => {
            let cure = found(&SQLITE, &cause).unwrap_or(WRITABLE_FILE);
            format!("cannot open the database {masked} (DATABASE_URL): {cause}; {cure}")
        }
        DatabaseUrl::Postgres(_) => {
            let cure = permanent(&cause).or_else(|| found(&TEMPORARY, &cause));
            let cure = cure.unwrap_or(
                "check that PostgreSQL is running and that DATABASE_URL names its host and port",
            );
            format!("cannot connect to the database {masked} (DATABASE_URL): {cause}; {cure}")
        }
    }
}

fn migration_text(url: &DatabaseUrl, cause: &MigrationError) -> String {
    let (cause, masked) = (in_a_line(cause), url.masked());
    let cure = found(&MIGRATION, &cause).or_else(|| match url {
        DatabaseUrl::Sqlite(_) => found(&SQLITE, &cause),
        DatabaseUrl::Postgres(_) => None,
    });
    let cure = cure.map(|cure| format!("; {cure}")).unwrap_or_default();
    format!("cannot use the database {masked} (DATABASE_URL): {cause}{cure}")
}

/// Texts of SQLite, each with a fix; the first match counts.
const SQLITE: [(&str, &str); 6] = [
    ("not a database", RESTORE),
    ("malformed", RESTORE),
    ("full", "free space on its disk, or name another file"),
    (
        "No space left",
        "free space on its disk, or name another file",
    ),
    // SQLite says this of a full disk too, if it cannot extend the file of its shared memory.
    (
        "disk I/O error",
        "free space on its disk, make the file and its folder writable for this user, or name another file",
    ),
    ("readonly database", WRITABLE_FILE),
];

const RESTORE: &str = "restore it from a backup, or name another file";

const WRITABLE_FILE: &str =
    "make the file and its folder writable for this user, or name another file";

/// Texts of both databases when a migration fails, each with a fix; the first match counts.
const MIGRATION: [(&str, &str); 6] = [
    (
        "permission denied for schema",
        "make the user in DATABASE_URL the owner of the database, or let an administrator run GRANT CREATE ON SCHEMA public TO that user",
    ),
    (
        "permission denied for",
        "grant the user in DATABASE_URL the rights on the tables, or name their owner there",
    ),
    (
        "must be owner of",
        "migrate with the user that owns the tables in DATABASE_URL",
    ),
    (
        "already exists",
        "the database belongs to another program: name an empty one in DATABASE_URL",
    ),
    ("read-only transaction", READ_ONLY),
    ("No space left", "free space on the database's disk"),
];

const READ_ONLY: &str = "promote the standby, name the primary in DATABASE_URL, or turn default_transaction_read_only off";

fn found(listed: &[(&str, &'static str)], text: &str) -> Option<&'static str> {
    let mut listed = listed.iter();
    let found = listed.find(|(words, _)| text.contains(words));
    found.map(|(_, cure)| *cure)
}

/// Texts of libpq for failures that waiting does not fix, each with a fix; the first match counts.
/// A failed connection has no SQLSTATE, so its text must do. Servers may use another language, so
/// other failures are retried.
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

/// Temporary failures that read like permanent ones: a server that stops while it negotiates TLS,
/// and a connection limit for one user or database.
const PASSING: [&str; 2] = ["unexpected eof", "too many connections"];

/// Texts of failures that waiting may fix, each with a fix of its own.
const TEMPORARY: [(&str, &str); 4] = [
    ("is read-only", READ_ONLY),
    ("too many clients", CONNECTIONS),
    ("too many connections", CONNECTIONS),
    ("connection slots are reserved", CONNECTIONS),
];

const CONNECTIONS: &str = "raise PostgreSQL's limit of connections, or lower DATABASE_POOL";

/// Returns the fix if this failure to connect is permanent.
fn permanent(text: &str) -> Option<&'static str> {
    if PASSING.iter().any(|words| text.contains(words)) {
        return None;
    }
    found(&PERMANENT, text)
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

    #[test]
    fn a_full_disk_is_one_by_whatever_words_sqlite_has_for_it() {
        let url = DatabaseUrl::parse("sqlite://data/tokenpair.db").unwrap();
        for cause in ["database or disk is full", "disk I/O error"] {
            let error = StoreError::new(std::io::Error::other(cause));
            let text = connection_text(&url, &error);
            assert!(text.contains("; free space on its disk"), "{text}");
        }
    }
}
