//! Helps the commands that copy a whole database.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{CommandError, block_on};
use crate::command::command;
use crate::config::Settings;
use tokenpair_store::{Contents, DatabaseUrl};

/// The exit code if the database is PostgreSQL, which has its own programs for this.
const ON_POSTGRES: u8 = 3;

/// The database is PostgreSQL.
#[derive(Debug, Error)]
#[error("{0}")]
struct OnPostgres(String);

/// Returns the specific exit code of a failure, if it has one.
pub(in crate::cli) fn exit_code(failure: &(dyn Error + 'static)) -> Option<u8> {
    failure.is::<OnPostgres>().then_some(ON_POSTGRES)
}

/// Returns SQLite's file, or an error with PostgreSQL's own command.
pub(super) fn database_file(
    settings: &Settings,
    on_postgres: impl FnOnce(&str) -> String,
) -> Result<PathBuf, CommandError> {
    match &settings.database {
        // A link stays: the file it names is the database.
        DatabaseUrl::Sqlite(path) => Ok(fs::canonicalize(path).or(std::path::absolute(path))?),
        url => {
            let url = url.without_password().unwrap_or_default();
            Err(OnPostgres(on_postgres(&url)).into())
        }
    }
}

/// Returns whether both are one file, by whatever names.
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    id(one).is_some_and(|found| Some(found) == id(other))
}

/// Makes a write past the limit on file sizes fail from now on, instead of ending the process.
pub(in crate::cli) fn fail_at_limits() -> Result<(), CommandError> {
    block_on(async {
        let _handled = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        Ok(())
    })
}

/// Returns what a database file contains.
pub(super) fn described(contents: &Contents) -> String {
    let mut text = String::new();
    for (table, rows) in &contents.rows {
        let _infallible = write!(text, "{table} {rows}, ");
    }
    let _infallible = write!(text, "schema {}", contents.schema);
    text
}

/// Returns what to do if this error of SQLite or of the system may be a full disk.
pub(super) fn space_cure(error: &str) -> &'static str {
    let is_full = ["full", "No space left", "disk I/O error"]
        .iter()
        .any(|words| error.contains(words));
    if is_full {
        "; free space on that disk"
    } else {
        ""
    }
}

/// Quotes a text for a shell.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:@,=".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The command that lists events of another database.
pub(super) fn events_of(database: &Path) -> String {
    let url = format!("sqlite://{}", database.display());
    format!("DATABASE_URL={} {}", quoted(&url), command("events"))
}
