//! `tokenpair migrate`

use std::io::Write;

use super::{Failure, settings};
use crate::server::open_store;
use tokenpair_store::DatabaseUrl;

pub(super) fn run(check: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let settings = settings()?;
    match &settings.database {
        // To look must not make.
        DatabaseUrl::Sqlite(path) if check && !path.exists() => {
            return Err(format!("there is no database yet at {}", path.display()).into());
        }
        _ => {}
    }
    let store = open_store(&settings)?;
    let names = if check {
        store.pending_migrations()?
    } else {
        store.migrate()?
    };
    for name in &names {
        writeln!(out, "{name}: {}", if check { "pending" } else { "done" })?;
    }
    match names.len() {
        0 => Ok(writeln!(out, "the database is up to date")?),
        pending if check => Err(format!("{pending} pending; run: tokenpair migrate").into()),
        _ => Ok(()),
    }
}
