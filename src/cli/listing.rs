//! Implements the listings of commands: lines for a person, or JSON for a program.

use std::fmt::Display;
use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::CommandError;
use crate::printable::{printable, printable_lines};

/// The form of a listing.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Form {
    /// Print JSON: an array with an object for each entry
    #[arg(long)]
    json: bool,
}

/// The form of an answer that is not a list.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct ObjectForm {
    /// Print JSON: an object
    #[arg(long)]
    json: bool,
}

impl ObjectForm {
    /// Prints the object, or else the text.
    pub(super) fn print(
        self,
        object: &impl Serialize,
        text: impl FnOnce() -> String,
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        if self.json {
            return print_json(object, out);
        }
        Ok(write!(out, "{}", text())?)
    }
}

/// An entry of a listing.
pub(super) trait Entry: Serialize {
    /// The titles of the columns.
    fn head() -> String;

    /// Returns the entry's line.
    fn line(&self) -> String;
}

impl Form {
    /// Prints entries that have no columns.
    pub(super) fn print_lines<E: Serialize + Display>(
        self,
        entries: &[E],
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        if self.json {
            return print_json(entries, out);
        }
        for entry in entries {
            writeln!(out, "{entry}")?;
        }
        Ok(())
    }

    pub(super) fn print<E: Entry>(
        self,
        entries: &[E],
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        if self.json {
            return print_json(entries, out);
        }
        writeln!(out, "{}", E::head())?;
        for entry in entries {
            writeln!(out, "{}", printable(entry.line().trim_end_matches(' ')))?;
        }
        Ok(())
    }
}

/// Prints a value for a program.
pub(super) fn print_json(
    value: &(impl Serialize + ?Sized),
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(writeln!(out, "{}", printable_lines(&text))?)
}

/// Returns the text, or a dash.
pub(super) fn or_dash(text: Option<&str>) -> &str {
    text.unwrap_or("-")
}
