//! Implements `tokenpair session`.

use std::io::Write;

use clap::Subcommand;

use super::{CommandError, block_on, settings, user};
use crate::config::Settings;
use crate::printable::printable;
use crate::server::open_current_store;
use tokenpair::clock::Clock;
use tokenpair::session::{EndReason, RequestContext, Session, SessionStore, Subject};
use tokenpair_store::DieselStore;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List a user's sessions
    List {
        /// The user's name
        name: String,
        /// Maximum number of sessions, newest login first
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// Revoke a session
    Revoke {
        /// The session ID, as `session list` shows it
        id: String,
    },
}

pub(super) fn run(command: Command, out: &mut dyn Write) -> Result<(), CommandError> {
    let settings = settings()?;
    let store = open_current_store(&settings)?;
    block_on(async move {
        match command {
            Command::List { name, limit } => list(&store, &settings, &name, limit, out).await,
            Command::Revoke { id } => revoke(&store, &id, out).await,
        }
    })
}

async fn list(
    store: &DieselStore,
    settings: &Settings,
    name: &str,
    limit: i64,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let user = user::find(store, name).await?;
    writeln!(
        out,
        "{:<36} {:<20} {:<20} {:<9} {:<15} device",
        "id", "created", "last used", "state", "ip"
    )?;
    for session in store.sessions_of(&user.subject.id, limit).await? {
        let ip = session.ip.map(|ip| ip.to_string());
        let line = format!(
            "{:<36} {:<20} {:<20} {:<9} {:<15} {}",
            session.id,
            session.created_at.to_string(),
            session.last_used_at.to_string(),
            state(&session, &user.subject, settings),
            ip.as_deref().unwrap_or("-"),
            session.user_agent.as_deref().unwrap_or("-")
        );
        writeln!(out, "{}", printable(&line))?;
    }
    Ok(())
}

fn state(session: &Session, user: &Subject, settings: &Settings) -> String {
    let now = Clock::system().now();
    let over = now >= session.expires_at || now >= session.last_used_at + settings.sessions.idle;
    match session.revoked {
        Some((_, reason)) => reason.to_string(),
        // Its login was in progress while the user changed.
        None if user.disabled || session.epoch < user.epoch => "revoked".to_owned(),
        None if over => "expired".to_owned(),
        None => "active".to_owned(),
    }
}

async fn revoke(store: &DieselStore, id: &str, out: &mut dyn Write) -> Result<(), CommandError> {
    if store.load(id).await?.is_none() {
        return Err(format!(
            "there is no session {id:?}; `tokenpair session list NAME` lists a user's sessions"
        )
        .into());
    }
    let context = RequestContext::of_operator(Clock::system().now());
    let ended = store.revoke(id, EndReason::Admin, &context).await??;
    Ok(writeln!(
        out,
        "{id} {}",
        if ended {
            "is revoked"
        } else {
            "had already ended"
        }
    )?)
}
