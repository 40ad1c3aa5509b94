//! Implements `tokenpair config`.

use std::io::Write;

use clap::Subcommand;

use super::{CommandError, complain};
use crate::config::{Settings, Sources};
use crate::server::{check_tls, present_keys};
use tokenpair::clock::Clock;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check whether the server would start with these settings, and list every problem
    Check,
    /// Print every setting, its value (secrets masked) and its source
    Show,
}

pub(super) fn run(command: &Command, out: &mut dyn Write) -> Result<(), CommandError> {
    let sources = Sources::read();
    if matches!(command, Command::Show) {
        for shown in Settings::show(&sources)? {
            writeln!(out, "{shown}")?;
        }
        return Ok(());
    }
    let settings = Settings::load(&sources)?;
    for remark in settings
        .remarks
        .iter()
        .chain(&settings.remarks_on_routes(""))
    {
        writeln!(out, "note: {remark}")?;
    }
    // The server creates some keys on its first start, so these may be missing.
    let keys = present_keys(&settings).err().map(CommandError::from);
    let files = settings.tls.as_ref();
    let tls = files.and_then(|files| check_tls(files, Clock::system().now()).err());
    match (keys, tls.map(CommandError::from)) {
        (None, None) => Ok(writeln!(out, "the settings are valid")?),
        (Some(failure), None) | (None, Some(failure)) => Err(failure),
        (Some(first), Some(second)) => {
            complain(first.as_ref());
            Err(second)
        }
    }
}
