//! Implements `tokenpair session explain`: the life of one session, and the response that each of
//! its refresh tokens would get now.

mod tokens;

use std::io::Write;

use serde::Serialize;

use self::tokens::{TokenPart, tokens};
use super::CommandError;
use super::listing::ObjectForm;
use crate::config::Settings;
use crate::printable::printable;
use tokenpair::clock::Timestamp;
use tokenpair::session::{Delivery, SessionRecord};
use tokenpair_store::{DieselStore, Event};

/// Maximum number of events to show.
const EVENTS: i64 = 200;

/// The heading of the tokens.
const OF_TOKENS: [&str; 4] = [
    "Refresh tokens, oldest first. Generation 1 came with the login, and each refresh",
    "replaces the current generation by the next. After the colon: what POST /refresh",
    "does with the token if a client sends it now. A pair is a new access token and a",
    "new refresh token.",
];

/// The heading of the events.
const OF_EVENTS: [&str; 2] = [
    "Recorded events, oldest first (routine refreshes are not recorded; \"The audit",
    "trail\" in docs/operating.md explains each):",
];

/// The life of a session. Times are in RFC 3339.
#[derive(Serialize)]
struct Life {
    id: String,
    user: UserPart,
    user_agent: Option<String>,
    ip: Option<String>,
    /// `cookies` or `body`.
    delivery: &'static str,
    remember: bool,
    created_at: String,
    last_used_at: String,
    /// When it expires if it is not used again.
    idle_at: String,
    /// When it expires at the latest.
    expires_at: String,
    /// `active`, `expired`, or why it was revoked.
    state: String,
    ended_at: Option<String>,
    generation: i64,
    tokens: Vec<TokenPart>,
    events: Vec<EventPart>,
}

#[derive(Serialize)]
struct UserPart {
    id: String,
    username: String,
    disabled: bool,
}

#[derive(Serialize)]
struct EventPart {
    at: String,
    kind: String,
    ip: Option<String>,
    detail: Option<String>,
}

/// The time and the policy that a session is judged by.
pub(super) struct Judge<'a> {
    pub(super) now: Timestamp,
    pub(super) settings: &'a Settings,
    /// Whether the session is active, or why not.
    pub(super) state: String,
}

/// Prints the life of a session.
pub(super) async fn explain(
    store: &DieselStore,
    record: SessionRecord,
    judge: Judge<'_>,
    form: ObjectForm,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let session = &record.session;
    let events = store.session_events(&record.subject.id, &session.id, EVENTS);
    let life = Life::of(&record, judge, events.await?);
    let text = || {
        let lines = life.lines().into_iter();
        let lines = lines.map(|line| format!("{}\n", printable(line.trim_end())));
        lines.collect()
    };
    form.print(&life, text, out)
}

impl Life {
    fn of(record: &SessionRecord, judge: Judge<'_>, events: Vec<Event>) -> Self {
        let (session, subject) = (&record.session, &record.subject);
        let policy = &judge.settings.sessions;
        let tokens = tokens(&record.row(), judge.now, policy);
        let text = |at: Timestamp| at.to_string();
        let idle_at = session.last_used_at + policy.idle;
        let event = |event: Event| EventPart {
            at: text(event.at),
            kind: event.kind,
            ip: event.ip,
            detail: event.detail,
        };
        Self {
            id: session.id.clone(),
            user: UserPart {
                id: subject.id.clone(),
                username: subject.username.clone(),
                disabled: subject.disabled,
            },
            user_agent: session.user_agent.clone(),
            ip: session.ip.map(|ip| ip.to_string()),
            delivery: session.delivery.word(),
            remember: session.remember,
            created_at: text(session.created_at),
            last_used_at: text(session.last_used_at),
            idle_at: text(idle_at.min(session.expires_at)),
            expires_at: text(session.expires_at),
            state: judge.state,
            ended_at: session.revoked.map(|end| text(end.at)),
            generation: session.rotation.generation,
            tokens,
            events: events.into_iter().map(event).collect(),
        }
    }

    /// Returns the text for a person.
    fn lines(&self) -> Vec<String> {
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let disabled = if self.user.disabled { ", disabled" } else { "" };
        let delivery = match Delivery::from_word(self.delivery) {
            Delivery::Cookies if self.remember => "in cookies that outlive the browser",
            Delivery::Cookies => "in cookies, until the browser closes",
            Delivery::Body => "in the response body",
        };
        let end = match &self.ended_at {
            Some(at) => format!("ended at {at} ({})", self.state),
            None => self.state.clone(),
        };
        let mut lines = vec![
            format!("session    {}", self.id),
            format!(
                "user       {}{disabled}, id {}",
                self.user.username, self.user.id
            ),
            format!("device     {}", dash(&self.user_agent)),
            format!("address    {}", dash(&self.ip)),
            format!("tokens     {delivery}"),
            format!("logged in  {}", self.created_at),
            format!("last used  {}", self.last_used_at),
            format!("expires    {} if it is not used again,", self.idle_at),
            format!("           {} at the latest", self.expires_at),
            format!("state      {end}"),
            String::new(),
        ];
        lines.extend(OF_TOKENS.map(str::to_owned));
        lines.extend(self.tokens.iter().rev().flat_map(TokenPart::lines));
        lines.push(String::new());
        lines.extend(OF_EVENTS.map(str::to_owned));
        lines.extend(self.events.iter().map(|event| {
            let ip = event.ip.as_deref().unwrap_or("-");
            let detail = event.detail.as_deref().unwrap_or_default();
            format!("  {}  {:<20} {ip:<15} {detail}", event.at, event.kind)
        }));
        lines
    }
}
