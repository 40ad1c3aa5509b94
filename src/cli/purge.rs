//! Implements `tokenpair purge`.

use std::io::Write;

use super::{CommandError, block_on, settings};
use crate::server::open_current_store;
use tokenpair::clock::Clock;

pub(super) fn run(out: &mut dyn Write) -> Result<(), CommandError> {
    let settings = settings()?;
    let store = open_current_store(&settings)?;
    let now = Clock::system().now();
    let purged = block_on(async move { Ok(store.purge(now, settings.purge).await?) })?;
    Ok(writeln!(out, "purged {purged}")?)
}
