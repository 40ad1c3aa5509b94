//! Implements `tokenpair session`.

use std::io::Write;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::explain::{Judge, explain};
use super::input::confirmed;
use super::listing::{Entry, Form, ObjectForm, or_dash};
use super::{CommandError, backup, block_on, settings, user};
use crate::command::command;
use crate::config::Settings;
use crate::server::open_current_store;
use tokenpair::clock::Clock;
use tokenpair::session::{
    EndReason, RequestContext, Session, SessionRecord, SessionStore, Subject,
};
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
        #[command(flatten)]
        form: Form,
    },
    /// Explain a session: its user, its life, and the response that each of its refresh tokens would
    /// get now
    Explain {
        /// The session ID, as `session list` shows it
        id: String,
        #[command(flatten)]
        form: ObjectForm,
    },
    /// Revoke a session, or all sessions of all users
    Revoke(Revoked),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The session ID, as `session list` shows it
    id: Option<String>,
    /// All sessions of all users, and every access token issued until now: for a leak, and after
    /// pg_restore
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Revoked {
    #[command(flatten)]
    which: Which,
    /// Do not ask before revoking all sessions
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(command: Command, out: &mut dyn Write) -> Result<(), CommandError> {
    let settings = settings()?;
    let store = open_current_store(&settings)?;
    block_on(async move {
        match command {
            Command::List { name, limit, form } => {
                let sessions = list(&store, &settings, &name, limit).await?;
                form.print(&sessions, out)
            }
            Command::Explain { id, form } => {
                let record = load(&store, &id).await?;
                let judge = Judge {
                    now: Clock::system().now(),
                    state: state(&record.session, &record.subject, &settings),
                    settings: &settings,
                };
                explain(&store, record, judge, form, out).await
            }
            Command::Revoke(Revoked { which, yes }) => match which.id {
                Some(id) => revoke(&store, &id, out).await,
                None => revoke_all(&store, yes, out),
            },
        }
    })
}

/// A session, as `session list` shows it.
#[derive(Serialize)]
struct SessionEntry {
    id: String,
    created_at: String,
    last_used_at: String,
    expires_at: String,
    state: String,
    ip: Option<String>,
    user_agent: Option<String>,
}

impl Entry for SessionEntry {
    fn head() -> String {
        line_of(["id", "created", "last used", "state", "ip", "device"])
    }

    fn line(&self) -> String {
        line_of([
            &self.id,
            &self.created_at,
            &self.last_used_at,
            &self.state,
            or_dash(self.ip.as_deref()),
            or_dash(self.user_agent.as_deref()),
        ])
    }
}

fn line_of([id, created, used, state, ip, device]: [&str; 6]) -> String {
    format!("{id:<36} {created:<20} {used:<20} {state:<9} {ip:<15} {device}")
}

async fn list(
    store: &DieselStore,
    settings: &Settings,
    name: &str,
    limit: i64,
) -> Result<Vec<SessionEntry>, CommandError> {
    let user = user::find(store, name).await?.subject;
    let entry = |session: Session| SessionEntry {
        state: state(&session, &user, settings),
        id: session.id,
        created_at: session.created_at.to_string(),
        last_used_at: session.last_used_at.to_string(),
        expires_at: session.expires_at.to_string(),
        ip: session.ip.map(|ip| ip.to_string()),
        user_agent: session.user_agent,
    };
    let sessions = store.sessions_of(&user.id, limit).await?;
    Ok(sessions.into_iter().map(entry).collect())
}

/// Returns whether the session is active, or why not.
pub(super) fn state(session: &Session, user: &Subject, settings: &Settings) -> String {
    let now = Clock::system().now();
    let over = now >= session.expires_at || now >= session.last_used_at + settings.sessions.idle;
    match session.revoked {
        Some(end) => end.reason.to_string(),
        // Its login was in progress while the user changed.
        None if user.disabled || session.epoch < user.epoch => "revoked".to_owned(),
        None if over => "expired".to_owned(),
        None => "active".to_owned(),
    }
}

/// Returns the session of that id, or an error if there is no such session.
async fn load(store: &DieselStore, id: &str) -> Result<SessionRecord, CommandError> {
    let record = store.load(id).await?;
    record.ok_or_else(|| {
        format!(
            "there is no session {id:?}; list a user's sessions with `{}`",
            command("session list NAME")
        )
        .into()
    })
}

async fn revoke(store: &DieselStore, id: &str, out: &mut dyn Write) -> Result<(), CommandError> {
    load(store, id).await?;
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

/// Running servers notice within a second.
fn revoke_all(store: &DieselStore, yes: bool, out: &mut dyn Write) -> Result<(), CommandError> {
    if !yes && !confirmed("Revoke all sessions of all users?", out)? {
        return Ok(writeln!(out, "nothing was revoked")?);
    }
    let context = RequestContext::of_operator(Clock::system().now());
    let ended = store.end_all_sessions(EndReason::Admin, &context)?;
    backup::pass(Clock::system().now());
    Ok(writeln!(
        out,
        "sessions ended: {ended}; all users log in again, and tokens issued until now are refused"
    )?)
}
