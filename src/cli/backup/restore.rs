//! Implements `tokenpair restore`: puts a backup in the place of SQLite's file.

use std::fs;
use std::io::Write;
use std::iter::once;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;

use super::database::{
    database_file, described, events_of, fail_at_limits, is_same_file, quoted, space_cure,
};
use super::partial::{Partial, files_beside, partial_path};
use crate::causes::with_causes;
use crate::cli::{CommandError, settings};
use crate::command::command;
use crate::config::Settings;
use tokenpair::clock::{Clock, Timestamp};
use tokenpair::session::{EndReason, RequestContext};
use tokenpair_store::{
    Contents, DatabaseUrl, DieselStore, SqliteFile, SqliteFileError, SqliteLock,
};

const UNCHANGED: &str = "The database is unchanged";

#[derive(Debug, Args)]
pub(in crate::cli) struct Wanted {
    /// The backup
    file: PathBuf,
    /// Keep the sessions of the backup. Only if nothing was revoked since: a session that was
    /// logged out after the backup is live again
    #[arg(long)]
    keep_sessions: bool,
    /// Delete the former database, instead of keeping it beside the restored one
    #[arg(long)]
    delete_former: bool,
}

/// The outcome of the preparations, which happen beside the database.
struct Prepared {
    partial: Partial,
    migrated: Vec<String>,
    /// The number of sessions that were ended. `None` if they were kept.
    ended: Option<usize>,
}

pub(in crate::cli) fn run(wanted: &Wanted, out: &mut dyn Write) -> Result<(), CommandError> {
    fail_at_limits()?;
    let settings = settings()?;
    let now = Clock::system().now();
    let database = database_file(&settings, |url| on_postgres(&wanted.file, url))?;
    if is_same_file(&wanted.file, &database) {
        return Err(format!("{} is the database itself", wanted.file.display()).into());
    }
    // Reading a pipe would wait for its writer.
    if fs::metadata(&wanted.file).is_ok_and(|found| !found.is_file()) {
        return Err(format!(
            "{} is not a regular file; name a backup",
            wanted.file.display()
        )
        .into());
    }
    let unfinished = partial_path(&database);
    if is_same_file(&wanted.file, &unfinished) {
        return Err(format!(
            "{} is what an interrupted restore has left, and this one would overwrite it; name a backup",
            wanted.file.display()
        )
        .into());
    }
    let contents = SqliteFile::at(&wanted.file).check();
    let contents = contents
        .map_err(|error| format!("{}; name another backup. {UNCHANGED}", with_causes(&error)))?;
    refuse_newer(&wanted.file, &contents)?;
    make_folder(&database)?;
    let lock = take(&database)?;
    let had_former = lock.has_file();
    let former = former_path(&database, now).filter(|_| had_former && !wanted.delete_former);
    let prepared = prepare(wanted, &settings, &database, now).map_err(|error| {
        let text = with_causes(error.as_ref());
        format!("{text}{}. {UNCHANGED}", space_cure(&text))
    })?;
    let replaced = lock.replace_by(prepared.partial.path(), former.as_deref());
    replaced.map_err(|error| format!("cannot replace {}: {error}", database.display()))?;
    report(&prepared, &contents, &database, former.as_deref(), out)?;
    if !had_former {
        writeln!(
            out,
            "there was no former database at {}",
            database.display()
        )?;
    }
    pass(Clock::system().now());
    Ok(())
}

fn on_postgres(file: &Path, url: &str) -> String {
    format!(
        "the database is PostgreSQL, which has its own program for this. Stop the servers, and run\n  \
         pg_restore --clean --if-exists --single-transaction --no-owner --dbname={} {}\n  {}\n\
         The second command ends all sessions, since those that were logged out after the backup would be live again",
        quoted(url),
        quoted(&file.to_string_lossy()),
        command("session revoke --all --yes")
    )
}

fn refuse_newer(file: &Path, contents: &Contents) -> Result<(), CommandError> {
    if contents.unknown.is_empty() {
        return Ok(());
    }
    let (file, unknown) = (file.display(), contents.unknown.join(", "));
    Err(format!(
        "{file} is of a newer version, with migrations that this version does not know ({unknown}); restore it with that version"
    )
    .into())
}

/// Creates the folder of a database that does not exist yet.
fn make_folder(database: &Path) -> Result<(), CommandError> {
    let folder = database.parent().unwrap_or(Path::new("."));
    crate::keys::files::make_folder(folder)
        .map_err(|error| format!("cannot create {}: {error}", folder.display()).into())
}

/// Takes the database, which no server may use.
fn take(database: &Path) -> Result<SqliteLock, CommandError> {
    SqliteFile::at(database)
        .lock()
        .map_err(|error| match error {
            SqliteFileError::InUse(path) => format!(
                "a server or another program uses {}; stop it, and restore again",
                path.display()
            )
            .into(),
            error => error.into(),
        })
}

/// Copies the backup beside the database, migrates the copy, and ends its sessions.
fn prepare(
    wanted: &Wanted,
    settings: &Settings,
    database: &Path,
    now: Timestamp,
) -> Result<Prepared, CommandError> {
    let partial = Partial::beside(database)?;
    let copy = SqliteFile::at(partial.path());
    SqliteFile::at(&wanted.file).copy_backup_to(partial.path())?;
    let url = DatabaseUrl::Sqlite(partial.path().to_owned());
    let store = DieselStore::open(&url, settings.store)?;
    let migrated = store.migrate()?;
    let ended = if wanted.keep_sessions {
        None
    } else {
        let context = RequestContext::of_operator(now);
        Some(store.end_all_sessions(EndReason::Restored, &context)?)
    };
    drop(store);
    // Completes the file: nothing stays in a log beside it.
    drop(copy.lock()?);
    copy.check()?;
    partial.file().sync_all()?;
    partial.take_owner_of(database)?;
    Ok(Prepared {
        partial,
        migrated,
        ended,
    })
}

/// Returns the name under which the former database is kept. Another restore may have taken the
/// name of this second.
fn former_path(database: &Path, now: Timestamp) -> Option<PathBuf> {
    let name = database.file_name()?.to_string_lossy();
    let time = now.to_string().replace(':', "");
    let first = format!("{name}.before-restore-{time}");
    let others = (2..=u16::MAX).map(|number| format!("{first}-{number}"));
    once(first.clone())
        .chain(others)
        .map(|name| database.with_file_name(name))
        .find(|path| files_beside(path).all(|path| fs::symlink_metadata(path).is_err()))
}

fn report(
    prepared: &Prepared,
    contents: &Contents,
    database: &Path,
    former: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    writeln!(
        out,
        "{} is restored: {}",
        database.display(),
        described(contents)
    )?;
    if let Some(at) = contents.newest_event {
        writeln!(out, "the newest event in it is of {at}")?;
    }
    for name in &prepared.migrated {
        writeln!(out, "migration {name} done")?;
    }
    match prepared.ended {
        Some(ended) => writeln!(
            out,
            "sessions ended: {ended}; all users log in again, and tokens issued until now are refused"
        )?,
        None => writeln!(
            out,
            "sessions are kept: those that ended after the backup are live again"
        )?,
    }
    if let Some(former) = former {
        writeln!(out, "the former database is {}", former.display())?;
    }
    writeln!(
        out,
        "users, passwords, roles and disabled accounts are as they were then: repeat the changes made since"
    )?;
    let Some(former) = former else {
        return Ok(());
    };
    // A damaged database may not tell.
    let changes = SqliteFile::at(former).changes_since(contents);
    for (kind, count) in changes.unwrap_or_default() {
        let list = format!("{} --kind {kind}", events_of(former));
        writeln!(out, "  {kind} {count}: {list}")?;
    }
    Ok(())
}

/// Waits until the clock has left the second up to which tokens are refused, so that a login that
/// follows is not.
pub(in crate::cli) fn pass(second: Timestamp) {
    while Clock::system().now() == second {
        thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_former_database_of_one_second_has_a_name_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("app.db");
        let now = Timestamp::from_unix(1_800_000_000);
        let mut names = Vec::new();
        for end in ["", "-wal", ""] {
            let former = former_path(&database, now).unwrap();
            names.push(former.file_name().unwrap().to_string_lossy().into_owned());
            let mut taken = former.into_os_string();
            taken.push(end);
            fs::write(taken, "").unwrap();
        }
        let first = "app.db.before-restore-2027-01-15T080000Z";
        assert_eq!(
            names,
            [first.to_owned(), format!("{first}-2"), format!("{first}-3")]
        );
    }
}
