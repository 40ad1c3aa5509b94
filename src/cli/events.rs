//! Implements `tokenpair events`.

use std::collections::HashMap;
use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::listing::{Entry, Form, or_dash};
use super::{CommandError, block_on, settings, user};
use crate::server::open_current_store;
use tokenpair_store::{DieselStore, Event, EventKind, EventQuery};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tokenpair events --kind login_failed --limit 20
  tokenpair events --user ada --json

AUDIT_KEEP sets how long events are kept.")]
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
    #[command(flatten)]
    form: Form,
}

fn kind(word: &str) -> Result<EventKind, String> {
    EventKind::from_word(word).ok_or_else(|| format!("write one of {}", EventKind::words()))
}

/// An event, with the names that its users have now.
#[derive(Serialize)]
struct NamedEvent {
    id: String,
    at: String,
    kind: String,
    user: Option<String>,
    user_id: Option<String>,
    session_id: Option<String>,
    actor: Option<String>,
    actor_id: Option<String>,
    ip: Option<String>,
    detail: Option<String>,
}

impl Entry for NamedEvent {
    fn head() -> String {
        line_of(["at", "kind", "user", "by", "ip", "detail"])
    }

    fn line(&self) -> String {
        // A user that was deleted has no name any more.
        let user = self.user.as_ref().or(self.user_id.as_ref());
        let actor = self.actor.as_ref().or(self.actor_id.as_ref());
        line_of([
            &self.at,
            &self.kind,
            or_dash(user.map(String::as_str)),
            or_dash(actor.map(String::as_str)),
            or_dash(self.ip.as_deref()),
            or_dash(self.detail.as_deref()),
        ])
    }
}

fn line_of([at, kind, user, by, ip, detail]: [&str; 6]) -> String {
    format!("{at:<20} {kind:<20} {user:<16} {by:<16} {ip:<15} {detail}")
}

pub(super) fn run(wanted: Wanted, out: &mut dyn Write) -> Result<(), CommandError> {
    let store = open_current_store(&settings()?)?;
    let form = wanted.form;
    let events = block_on(find(&store, wanted))?;
    form.print(&events, out)
}

async fn find(store: &DieselStore, wanted: Wanted) -> Result<Vec<NamedEvent>, CommandError> {
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
    let events = store.events(query).await?;
    let names = names(store, &events).await?;
    let name = |id: &Option<String>| names.get(id.as_ref()?).cloned().flatten();
    let named = |event: Event| NamedEvent {
        user: name(&event.user_id),
        actor: name(&event.actor_id),
        id: event.id,
        at: event.at.to_string(),
        kind: event.kind,
        user_id: event.user_id,
        session_id: event.session_id,
        actor_id: event.actor_id,
        ip: event.ip,
        detail: event.detail,
    };
    Ok(events.into_iter().map(named).collect())
}

/// Returns the names of the users and clients in these events, by id.
async fn names(
    store: &DieselStore,
    events: &[Event],
) -> Result<HashMap<String, Option<String>>, CommandError> {
    let mut names = HashMap::new();
    let ids = events
        .iter()
        .flat_map(|event| event.user_id.iter().chain(&event.actor_id));
    for id in ids {
        if !names.contains_key(id) {
            let mut name = None;
            if let Some(user) = store.user_by_id(id).await? {
                name = Some(user.subject.username);
            } else if let Some(client) = store.client(id).await? {
                name = Some(client.name);
            }
            names.insert(id.clone(), name);
        }
    }
    Ok(names)
}
