//! Implements the listings of commands: lines for a person, or JSON for a program.

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

/// An entry of a listing.
pub(super) trait Entry: Serialize {
    /// The titles of the columns.
    fn head() -> String;

    /// Returns the entry's line.
    fn line(&self) -> String;
}

impl Form {
    pub(super) fn print<E: Entry>(
        self,
        entries: &[E],
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        if self.json {
            let text = serde_json::to_string_pretty(entries)?;
            return Ok(writeln!(out, "{}", printable_lines(&text))?);
        }
        writeln!(out, "{}", E::head())?;
        for entry in entries {
            writeln!(out, "{}", printable(entry.line().trim_end_matches(' ')))?;
        }
        Ok(())
    }
}

/// Returns the text, or a dash.
pub(super) fn or_dash(text: Option<&str>) -> &str {
    text.unwrap_or("-")
}
