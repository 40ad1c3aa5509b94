//! Implements `tokenpair migrate`.

use std::error::Error;
use std::io::Write;

use serde::Serialize;
use thiserror::Error;

use super::exit::{NEWER, PENDING};
use super::listing::ObjectForm;
use super::{CommandError, settings};
use crate::config::Settings;
use crate::server::{DatabaseError, open_current_store, open_migrated_store};
use tokenpair_store::{MigrationError, migration_names};

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

/// What `--check` finds.
#[derive(Default, Serialize)]
struct Check {
    /// `up_to_date`, `pending`, `missing` or `newer`.
    state: &'static str,
    /// The migrations to run, the oldest first.
    pending: Vec<String>,
    /// The migrations of the database that this program does not have.
    unknown: Vec<String>,
}

/// What a run has done.
#[derive(Serialize)]
struct Done {
    done: Vec<String>,
}

pub(super) fn run(check: bool, form: ObjectForm, out: &mut dyn Write) -> Result<(), CommandError> {
    let settings = settings()?;
    if check {
        return report(&settings, form, out);
    }
    let (_, done) = open_migrated_store(&settings)?;
    let text = lines(&done, "done");
    form.print(&Done { done }, || text, out)
}

fn report(settings: &Settings, form: ObjectForm, out: &mut dyn Write) -> Result<(), CommandError> {
    let Err(found) = open_current_store(settings) else {
        let check = Check {
            state: "up_to_date",
            ..Check::default()
        };
        return form.print(&check, || UP_TO_DATE.to_owned(), out);
    };
    let mut check = Check::default();
    let code = match &found {
        DatabaseError::Pending { names, .. } => {
            check.state = "pending";
            check.pending.clone_from(names);
            PENDING
        }
        DatabaseError::Missing(_) => {
            check.state = "missing";
            check.pending = migration_names()?;
            PENDING
        }
        DatabaseError::Migration {
            source: MigrationError::Unknown(names),
            ..
        } => {
            check.state = "newer";
            check.unknown.clone_from(names);
            NEWER
        }
        _ => return Err(found.into()),
    };
    let text = || match check.pending.as_slice() {
        [] => String::new(),
        pending => lines(pending, "pending"),
    };
    form.print(&check, text, out)?;
    out.flush()?;
    Err(Finding { code, found }.into())
}

const UP_TO_DATE: &str = "the database is up to date\n";

/// Returns a line for each migration.
fn lines(names: &[String], state: &str) -> String {
    if names.is_empty() {
        return UP_TO_DATE.to_owned();
    }
    let lines = names.iter().map(|name| format!("{name}: {state}\n"));
    lines.collect()
}
