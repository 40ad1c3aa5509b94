//! Implements `tokenpair config`.

use std::io::Write;

use clap::Subcommand;
use serde::Serialize;

use super::listing::{Form, ObjectForm};
use super::{CommandError, complain, with_causes};
use crate::config::{LogFormat, Settings, Sources};
use crate::server::{check_tls, present_keys};
use tokenpair::clock::Clock;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check whether the server would start with these settings, and list every problem
    Check {
        #[command(flatten)]
        form: ObjectForm,
    },
    /// Print every setting, its value (secrets masked) and its source
    Show {
        #[command(flatten)]
        form: Form,
    },
}

/// What `config check` finds.
#[derive(Serialize)]
struct Check {
    valid: bool,
    problems: Vec<String>,
    notes: Vec<String>,
}

pub(super) fn run(command: &Command, out: &mut dyn Write) -> Result<(), CommandError> {
    let sources = Sources::read();
    match command {
        Command::Check { form } => check(&sources, *form, out),
        Command::Show { form } => form.print_lines(&Settings::show(&sources)?, out),
    }
}

fn check(sources: &Sources, form: ObjectForm, out: &mut dyn Write) -> Result<(), CommandError> {
    let mut check = Check {
        valid: true,
        problems: Vec::new(),
        notes: Vec::new(),
    };
    let mut failures = failures(sources, &mut check);
    check.valid = failures.is_empty();
    form.print(&check, || text(&check), out)?;
    out.flush()?;
    let Some(last) = failures.pop() else {
        return Ok(());
    };
    for failure in failures {
        complain(failure.as_ref(), LogFormat::Text);
    }
    Err(last)
}

fn text(check: &Check) -> String {
    let notes = check.notes.iter().map(|note| format!("note: {note}\n"));
    let mut text: String = notes.collect();
    if check.valid {
        text += "the settings are valid\n";
    }
    text
}

/// Returns the failures, and adds what they and the notes say to `check`.
fn failures(sources: &Sources, check: &mut Check) -> Vec<CommandError> {
    let settings = match Settings::load(sources) {
        Ok(settings) => settings,
        Err(problems) => {
            let texts = problems.iter().map(ToString::to_string);
            check.problems.extend(texts);
            return vec![problems.into()];
        }
    };
    check.notes.clone_from(&settings.remarks);
    check.notes.extend(settings.remarks_on_routes(""));
    // The server creates some keys on its first start, so these may be missing.
    let keys = present_keys(&settings).err().map(CommandError::from);
    let files = settings.tls.as_ref();
    let tls = files.and_then(|files| check_tls(files, Clock::system().now()).err());
    let tls = tls.map(CommandError::from);
    let failures: Vec<CommandError> = keys.into_iter().chain(tls).collect();
    let texts = failures.iter().map(|failure| with_causes(failure.as_ref()));
    check.problems.extend(texts);
    failures
}
