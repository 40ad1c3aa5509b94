//! Implements `tokenpair migrate`.

use std::error::Error;
use std::io::Write;

use thiserror::Error;

use super::{CommandError, settings};
use crate::config::Settings;
use crate::server::{DatabaseError, open_current_store, open_migrated_store};
use tokenpair_store::MigrationError;

/// Exit codes of `--check`. A script can tell them from a failed check (1) and from wrong usage
/// (2).
const PENDING: u8 = 3;
const NEWER: u8 = 4;

/// A finding of `--check`.
#[derive(Debug, Error)]
#[error("{found}")]
struct Finding {
    code: u8,
    #[source]
    found: DatabaseError,
}

/// Returns the specific exit code of a failure, if it has one.
pub(super) fn exit_code(failure: &(dyn Error + 'static)) -> Option<u8> {
    let finding = failure.downcast_ref::<Finding>();
    finding.map(|finding| finding.code)
}

pub(super) fn run(check: bool, out: &mut dyn Write) -> Result<(), CommandError> {
    let settings = settings()?;
    if check {
        return report(&settings, out);
    }
    let (_, names) = open_migrated_store(&settings)?;
    if names.is_empty() {
        return up_to_date(out);
    }
    list(&names, "done", out)
}

fn report(settings: &Settings, out: &mut dyn Write) -> Result<(), CommandError> {
    let Err(found) = open_current_store(settings) else {
        return up_to_date(out);
    };
    let code = match &found {
        DatabaseError::Pending { names, .. } => {
            list(names, "pending", out)?;
            PENDING
        }
        DatabaseError::Missing(_) => PENDING,
        DatabaseError::Migration {
            source: MigrationError::Unknown(_),
            ..
        } => NEWER,
        _ => return Err(found.into()),
    };
    Err(Finding { code, found }.into())
}

fn list(names: &[String], state: &str, out: &mut dyn Write) -> Result<(), CommandError> {
    for name in names {
        writeln!(out, "{name}: {state}")?;
    }
    Ok(())
}

fn up_to_date(out: &mut dyn Write) -> Result<(), CommandError> {
    Ok(writeln!(out, "the database is up to date")?)
}
