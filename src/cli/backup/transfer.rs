//! Implements `tokenpair move`: copies the database into another one.

use std::env;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::database::fail_at_limits;
use crate::causes::with_causes;
use crate::cli::{CommandError, settings};
use crate::command::command;
use crate::config::Settings;
use crate::server::{DatabaseError, open_current_store, open_migrated_store};
use tokenpair::session::StoreError;
use tokenpair_store::{
    DatabaseUrl, OtherPrograms, SqliteFileError, TransferError, check_target, copy_database,
};

/// The variable that names the target.
const TARGET: &str = "TARGET_DATABASE_URL";

#[derive(Debug, Args)]
#[group(multiple = false)]
pub(in crate::cli) struct Target {
    /// The URL of the target, without a password
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// A file that holds the URL of the target
    #[arg(long, value_name = "FILE")]
    to_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Wanted {
    #[command(flatten)]
    target: Target,
    /// Copy although other programs are connected to PostgreSQL, such as a pooler. Their writes
    /// wait until the copy is complete, and what they write afterwards is not in it
    #[arg(long)]
    ignore_connections: bool,
}

impl Target {
    /// Returns the URL. A password on the command line would show in the list of processes.
    fn url(&self) -> Result<DatabaseUrl, CommandError> {
        let (name, text) = match self {
            Self { to: Some(url), .. } => ("--to".to_owned(), url.clone()),
            Self {
                to_file: Some(path),
                ..
            } => {
                let name = path.display().to_string();
                let text = fs::read_to_string(path);
                let text = text.map_err(|error| format!("cannot read {name}: {error}"))?;
                (name, text)
            }
            _ => {
                let text = env::var(TARGET).map_err(|_| {
                    format!("name the target with --to URL, --to-file FILE or {TARGET}")
                })?;
                (TARGET.to_owned(), text)
            }
        };
        // Not quoted: it may hold a password.
        let url = DatabaseUrl::parse(text.trim())
            .map_err(|error| format!("{name} is not the URL of a database: {error}"))?;
        if self.to.is_some() && url.has_password() {
            return Err(format!(
                "a password on the command line shows in the list of processes; set {TARGET}, or name a file with --to-file"
            )
            .into());
        }
        Ok(url)
    }
}

pub(in crate::cli) fn run(wanted: &Wanted, out: &mut dyn Write) -> Result<(), CommandError> {
    fail_at_limits()?;
    let source = settings()?;
    let target = Settings {
        database: wanted.target.url()?,
        ..source.clone()
    };
    // Closed again, so that it is not counted among those that are connected.
    drop(open_current_store(&source)?);
    let others = if wanted.ignore_connections {
        OtherPrograms::Ignore
    } else {
        OtherPrograms::Refuse
    };
    let (from, to) = (&source.database, &target.database);
    check_target(from, to, source.store).map_err(|error| unfit(error, to))?;
    let made = open_migrated_store(&target);
    drop(made.map_err(|error| of_target(&with_causes(&error)))?);
    let tables = copy_database(from, to, source.store, others).map_err(explained)?;
    for table in tables {
        writeln!(out, "{}: {} rows", table.name, table.rows)?;
    }
    writeln!(out, "copied from {} to {}", from.masked(), to.masked())?;
    Ok(writeln!(
        out,
        "set DATABASE_URL to the target for every server and start them: sessions continue, if the signing keys stay. \
         Start no server on the former database"
    )?)
}

/// The same error names the setting of the source.
fn of_target(text: &str) -> CommandError {
    text.replace("(DATABASE_URL)", "(the target)")
        .replace("DATABASE_URL", "the target's URL")
        .into()
}

/// Says why the target cannot be looked at, or has to be another one.
fn unfit(error: TransferError, to: &DatabaseUrl) -> CommandError {
    let cause = match error {
        TransferError::Store(cause) => cause,
        TransferError::File(error) => StoreError::new(error),
        TransferError::Query(error) => StoreError::new(error),
        error => return explained(error),
    };
    let url = to.clone();
    of_target(&with_causes(&DatabaseError::Connect { url, cause }))
}

fn explained(error: TransferError) -> CommandError {
    match error {
        TransferError::File(SqliteFileError::InUse(path)) => format!(
            "a server or another program uses {}; stop it, and run this again",
            path.display()
        )
        .into(),
        error @ TransferError::Connected(_) => format!(
            "{error}: stop the servers, and run this again. If they are only a pooler's, \
             add --ignore-connections"
        )
        .into(),
        TransferError::NotEmpty(table) => format!(
            "the target is not empty: its table {table} has rows; name an empty database, which `{}` creates",
            command("move")
        )
        .into(),
        error @ TransferError::Foreign(_) => format!(
            "{error}; name an empty database, which `{}` creates if it is SQLite",
            command("move")
        )
        .into(),
        TransferError::Same => format!("{}; name another target", TransferError::Same).into(),
        error => error.into(),
    }
}
