//! Implements `tokenpair events`.

use std::io::Write;

use clap::Args;

use super::{CommandError, block_on, settings, user};
use crate::printable::printable;
use crate::server::open_current_store;
use tokenpair_store::{DieselStore, Event, EventKind, EventQuery};

#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// Only events of the user with this name
    #[arg(long)]
    user: Option<String>,
    /// Only events of this kind, such as login_failed
    #[arg(long, value_parser = kind)]
    kind: Option<EventKind>,
    /// Maximum number of events, newest first
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

fn kind(word: &str) -> Result<EventKind, String> {
    EventKind::from_word(word).ok_or_else(|| format!("write one of {}", EventKind::words()))
}

pub(super) fn run(wanted: Wanted, out: &mut dyn Write) -> Result<(), CommandError> {
    let store = open_current_store(&settings()?)?;
    let events = block_on(find(&store, wanted))?;
    writeln!(
        out,
        "{:<20} {:<20} {:<36} {:<36} {:<36} {:<15} detail",
        "at", "kind", "user", "session", "by", "ip"
    )?;
    events.iter().try_for_each(|event| print(event, out))
}

async fn find(store: &DieselStore, wanted: Wanted) -> Result<Vec<Event>, CommandError> {
    let user_id = match wanted.user {
        Some(name) => Some(user::find(store, &name).await?.subject.id),
        None => None,
    };
    let query = EventQuery {
        kind: wanted.kind,
        user_id,
        before: None,
        limit: wanted.limit,
    };
    Ok(store.events(query).await?)
}

fn print(event: &Event, out: &mut dyn Write) -> Result<(), CommandError> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let line = format!(
        "{:<20} {:<20} {:<36} {:<36} {:<36} {:<15} {}",
        event.at.to_string(),
        event.kind,
        or_dash(&event.user_id),
        or_dash(&event.session_id),
        or_dash(&event.actor_id),
        or_dash(&event.ip),
        or_dash(&event.detail),
    );
    Ok(writeln!(out, "{}", printable(&line))?)
}
