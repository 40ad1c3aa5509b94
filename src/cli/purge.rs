//! `tokenpair purge`

use std::io::Write;

use super::{Failure, block_on, existing_store, settings};
use crate::clock::Clock;
use crate::server::REVOCATIONS_FOR;

pub(super) fn run(out: &mut dyn Write) -> Result<(), Failure> {
    let store = existing_store(&settings()?)?;
    let now = Clock::system().now();
    let purged = block_on(async move { Ok(store.purge(now, REVOCATIONS_FOR).await?) })?;
    let (sessions, revocations) = (purged.sessions, purged.revocations);
    Ok(writeln!(
        out,
        "purged {sessions} sessions and {revocations} revocations"
    )?)
}
