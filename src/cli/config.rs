//! `tokenpair config`

use std::io::Write;

use clap::Subcommand;

use super::{CommandError, complain};
use crate::server::{check_tls, present_keys};
use crate::settings::{Settings, Sources};
use tokenpair::clock::Clock;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell whether the server would start with these settings, and if not, all that is wrong
    Check,
    /// Print every setting, its value (secrets masked) and where it came from
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
    for remark in &settings.remarks {
        writeln!(out, "note: {remark}")?;
    }
    // What the server makes on its first start need not be there yet.
    let keys = present_keys(&settings).err().map(CommandError::from);
    let files = settings.tls.as_ref();
    let tls = files.and_then(|files| check_tls(files, Clock::system().now()).err());
    match (keys, tls.map(CommandError::from)) {
        (None, None) => Ok(writeln!(out, "the settings are good")?),
        (Some(failure), None) | (None, Some(failure)) => Err(failure),
        (Some(one), Some(other)) => {
            complain(one.as_ref());
            Err(other)
        }
    }
}
