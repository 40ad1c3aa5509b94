//! Implements `tokenpair purge`.

use std::io::Write;

use serde::Serialize;

use super::listing::ObjectForm;
use super::{CommandError, block_on, settings};
use crate::server::open_current_store;
use tokenpair::clock::Clock;

/// The numbers of deleted rows, by table.
#[derive(Serialize)]
struct Deleted {
    sessions: usize,
    revocations: usize,
    events: usize,
    tallies: usize,
}

pub(super) fn run(form: ObjectForm, out: &mut dyn Write) -> Result<(), CommandError> {
    let settings = settings()?;
    let store = open_current_store(&settings)?;
    let now = Clock::system().now();
    let purged = block_on(async move { Ok(store.purge(now, settings.purge).await?) })?;
    let deleted = Deleted {
        sessions: purged.sessions,
        revocations: purged.revocations,
        events: purged.events,
        tallies: purged.tallies,
    };
    form.print(&deleted, || format!("purged {purged}\n"), out)
}
