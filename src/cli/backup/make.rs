//! Implements `tokenpair backup`: a checked copy of SQLite's file, made while servers use it.

use std::fs;
use std::io::Write;
use std::iter::once;
use std::path::{Path, PathBuf};

use clap::Args;

use super::database::{database_file, described, fail_at_limits, is_same_file, quoted, space_cure};
use super::partial::{Partial, files_beside, partial_path};
use crate::causes::with_causes;
use crate::cli::{CommandError, settings};
use crate::command::command;
use crate::config::{KeySource, Settings};
use crate::server::DatabaseError;
use tokenpair_store::{SqliteFile, SqliteFileError};

#[derive(Debug, Args)]
pub(in crate::cli) struct Wanted {
    /// The new file, which only its owner can read
    file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

pub(in crate::cli) fn run(wanted: &Wanted, out: &mut dyn Write) -> Result<(), CommandError> {
    fail_at_limits()?;
    let settings = settings()?;
    let database = database_file(&settings, |url| {
        format!(
            "the database is PostgreSQL, which has its own program for backups:\n  \
             (umask 077; pg_dump --format=custom --file={} {})",
            quoted(&wanted.file.to_string_lossy()),
            quoted(url)
        )
    })?;
    if !database.exists() {
        return Err(DatabaseError::Missing(database).into());
    }
    let file = new_file(wanted, &database)?;
    let partial = Partial::beside(&file)?;
    let copied = SqliteFile::at(&database).copy_to(partial.path());
    let checked = copied.and_then(|()| SqliteFile::at(partial.path()).check());
    let contents = checked.map_err(|error| cured(&error))?;
    let size = fs::metadata(partial.path())?.len();
    partial.become_file(&file, wanted.force)?;
    let file = file.display();
    writeln!(
        out,
        "{file}: {size} bytes, checked; {}",
        described(&contents)
    )?;
    Ok(writeln!(out, "{}", keys_remark(&settings))?)
}

/// Adds what to do about a database that cannot be copied.
fn cured(error: &SqliteFileError) -> CommandError {
    let text = with_causes(error);
    let cure = match error {
        SqliteFileError::Damaged { .. } | SqliteFileError::NotSqlite(_) => format!(
            "; put an earlier backup in its place with `{}`",
            command("restore FILE")
        ),
        _ => space_cure(&text).to_owned(),
    };
    format!("{text}{cure}").into()
}

/// Returns the path of the backup, if a file can be put there.
fn new_file(wanted: &Wanted, database: &Path) -> Result<PathBuf, CommandError> {
    let shown = wanted.file.display();
    if wanted.file.is_dir() {
        return Err(format!(
            "{shown} is a folder; name a file in it, such as {}",
            wanted.file.join("tokenpair.db").display()
        )
        .into());
    }
    let file = resolved(&wanted.file);
    if is_same_file(&file, database) {
        return Err(format!("{shown} is the database itself; name another file").into());
    }
    if let Some(own) = own_file(&file, database) {
        return Err(format!(
            "{shown}: SQLite keeps {} for the database itself, and a backup would destroy it; name another file",
            own.display()
        )
        .into());
    }
    let exists = fs::symlink_metadata(&wanted.file).is_ok();
    if exists && !wanted.force {
        return Err(
            format!("{shown} exists; name another file, or replace it with --force").into(),
        );
    }
    if fs::metadata(&file).is_ok_and(|found| !found.is_file()) {
        return Err(format!("{shown} is not a regular file; name another file").into());
    }
    Ok(file)
}

/// Follows links. A file that does not exist yet has a folder that may be one.
fn resolved(file: &Path) -> PathBuf {
    if let Ok(found) = fs::canonicalize(file) {
        return found;
    }
    let folder = file.parent().filter(|path| !path.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")));
    match (folder, file.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => file.to_owned(),
    }
}

/// Returns the database's file that this backup would overwrite: itself, or while it is partial.
fn own_file(file: &Path, database: &Path) -> Option<PathBuf> {
    let written: Vec<_> = once(file.to_owned())
        .chain(files_beside(&partial_path(file)))
        .collect();
    files_beside(database).find(|own| {
        written
            .iter()
            .any(|path| path == own || is_same_file(path, own))
    })
}

/// Says which secrets the database does not contain.
fn keys_remark(settings: &Settings) -> String {
    let mut later = "";
    let keys = match &settings.keys {
        KeySource::Secret(_) => "JWT_SECRET_KEY".to_owned(),
        KeySource::PrivateKey(_) => "JWT_PRIVATE_KEY".to_owned(),
        KeySource::KeptSecret(path) | KeySource::Folder(path) | KeySource::KeptFolder(path) => {
            if !path.exists() {
                later = ", once a server has made them";
            }
            path.display().to_string()
        }
    };
    format!(
        "the signing keys are not in it ({keys}{later}): keep a copy of them elsewhere, or all users log in again after a restore"
    )
}
