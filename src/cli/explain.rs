//! Implements `tokenpair session explain`: the life of one session, and the response that each of
//! its refresh tokens would get now. The rotation rule itself ([`decide`]) gives the verdicts.

use std::io::Write;

use serde::Serialize;

use super::CommandError;
use crate::config::Settings;
use crate::printable::{printable, printable_lines};
use tokenpair::clock::Timestamp;
use tokenpair::session::{
    Delivery, End, Rotation, RotationCase, RotationDecision, Row, SessionPolicy, SessionRecord,
    decide,
};
use tokenpair::web::ErrorCode;
use tokenpair_store::{DieselStore, Event};

/// Maximum number of events to show.
const EVENTS: i64 = 200;

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

/// The refresh token of one generation, or of all older ones.
#[derive(Serialize)]
struct TokenPart {
    generation: i64,
    role: Role,
    since: Option<String>,
    handed_at: Option<String>,
    presented_at: Option<String>,
    /// The response if the token is presented now.
    #[serde(flatten)]
    response: Answer,
    /// The next time at which the response changes, if nothing else happens.
    then: Option<Change>,
}

/// The place of a token among those of its session.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    /// Newer than the row, as after a failover that lost commits.
    Newer,
    Current,
    /// Between the previous and the current one: replaced before it was presented.
    Orphan,
    Previous,
    Older,
}

#[derive(Clone, PartialEq, Eq, Serialize)]
struct Answer {
    verdict: &'static str,
    /// The `code` of the error, if it is one.
    code: Option<&'static str>,
    /// Whether presenting the token revokes the session.
    ends_session: bool,
    meaning: &'static str,
}

#[derive(Serialize)]
struct Change {
    at: String,
    verdict: &'static str,
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
    json: bool,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let session = &record.session;
    let events = store.session_events(&record.subject.id, &session.id, EVENTS);
    let life = Life::of(&record, judge, events.await?);
    if json {
        let text = serde_json::to_string_pretty(&life)?;
        return Ok(writeln!(out, "{}", printable_lines(&text))?);
    }
    for line in life.lines() {
        writeln!(out, "{}", printable(line.trim_end()))?;
    }
    Ok(())
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
            format!(
                "expires    {} if it is not used again, {} at the latest",
                self.idle_at, self.expires_at
            ),
            format!("state      {end}"),
            String::new(),
            "Refresh tokens, and the response to each if it is presented now:".to_owned(),
        ];
        lines.extend(self.tokens.iter().flat_map(TokenPart::lines));
        lines.push(String::new());
        lines.push("Recorded events (routine refreshes are not recorded):".to_owned());
        lines.extend(self.events.iter().map(|event| {
            let ip = event.ip.as_deref().unwrap_or("-");
            let detail = event.detail.as_deref().unwrap_or_default();
            format!("  {}  {:<20} {ip:<15} {detail}", event.at, event.kind)
        }));
        lines
    }
}

impl TokenPart {
    fn lines(&self) -> Vec<String> {
        let generation = self.generation;
        let name = match self.role {
            Role::Newer => format!("{generation} (newer than the database's)"),
            Role::Current => format!("{generation} (current)"),
            Role::Orphan => format!("{generation} (replaced before it was presented)"),
            Role::Previous => format!("{generation} (previous)"),
            Role::Older if generation > 1 => format!("{generation} and older"),
            Role::Older => format!("{generation} (older)"),
        };
        let Answer {
            verdict,
            code,
            meaning,
            ..
        } = &self.response;
        let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
        let mut lines = vec![
            format!("  generation {name}: {verdict}{code}"),
            format!("    {meaning}"),
        ];
        let facts = [
            ("issued", &self.since),
            ("last handed out", &self.handed_at),
            ("first presented", &self.presented_at),
        ];
        let facts = facts
            .iter()
            .filter_map(|(name, at)| Some(format!("{name} {}", at.as_ref()?)));
        let facts: Vec<String> = facts.collect();
        if !facts.is_empty() {
            lines.push(format!("    {}", facts.join(", ")));
        }
        if let Some(Change { at, verdict }) = &self.then {
            lines.push(format!("    from {at} on: {verdict}"));
        }
        lines
    }
}

/// Returns the tokens that a client may hold, newest first.
fn tokens(row: &Row, now: Timestamp, policy: &SessionPolicy) -> Vec<TokenPart> {
    let Rotation {
        generation,
        previous,
        ..
    } = row.rotation;
    let newer = generation.saturating_add(1);
    let mut roles = vec![(newer, Role::Newer), (generation, Role::Current)];
    if let Some(previous) = previous {
        let orphans = (previous.saturating_add(1)..generation).rev();
        roles.extend(
            orphans
                .take(MOST_ORPHANS)
                .map(|orphan| (orphan, Role::Orphan)),
        );
        roles.push((previous, Role::Previous));
    }
    let older = previous.unwrap_or(generation) - 1;
    if older >= 1 {
        roles.push((older, Role::Older));
    }
    let part = |(generation, role)| token(row, generation, role, (now, policy));
    roles.into_iter().map(part).collect()
}

/// Each lost response in a row leaves an orphan.
const MOST_ORPHANS: usize = 3;

fn token(
    row: &Row,
    generation: i64,
    role: Role,
    (now, policy): (Timestamp, &SessionPolicy),
) -> TokenPart {
    let rotation = &row.rotation;
    let of_current = |at: Option<Timestamp>| at.filter(|_| role == Role::Current);
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let response = answer(decide(row, generation, now, policy));
    TokenPart {
        generation,
        role,
        since: text(of_current(Some(rotation.rotated_at))),
        handed_at: text(of_current(rotation.handed_at)),
        presented_at: text(of_current(rotation.confirmed_at)),
        then: next_change(row, generation, (now, policy)),
        response,
    }
}

/// Returns the next time at which the rule decides otherwise, if nothing else happens. Its verdicts
/// depend on the time only through these instants.
fn next_change(
    row: &Row,
    generation: i64,
    (now, policy): (Timestamp, &SessionPolicy),
) -> Option<Change> {
    let window = policy.rotation_window;
    let rotation = &row.rotation;
    let verdict = |at| answer(decide(row, generation, at, policy)).verdict;
    let mut instants = vec![
        rotation.rotated_at + window,
        row.expires_at,
        row.last_used_at + policy.idle,
    ];
    instants.extend(rotation.handed_at.map(|handed| handed + window));
    instants.extend(
        rotation
            .confirmed_at
            .map(|confirmed| confirmed + window / 2),
    );
    instants.sort();
    let current = verdict(now);
    let mut later = instants.into_iter().filter(|at| *at > now);
    let at = later.find(|at| verdict(*at) != current)?;
    Some(Change {
        at: at.to_string(),
        verdict: verdict(at),
    })
}

/// Puts a decision into words.
fn answer(decision: RotationDecision) -> Answer {
    let granted = |verdict, meaning| Answer {
        verdict,
        code: None,
        ends_session: false,
        meaning,
    };
    let rejected = |verdict, code: ErrorCode, meaning| Answer {
        code: Some(code.as_str()),
        ..granted(verdict, meaning)
    };
    match decision {
        RotationDecision::Grant { case, .. } => match case {
            RotationCase::Rotate => granted("rotated", "It buys a new pair and is replaced."),
            RotationCase::RepeatCurrent => granted(
                "repeated",
                "It was just handed out: it buys a new access token and stays.",
            ),
            RotationCase::ReplayPrevious => granted(
                "same",
                "Another tab or a retry: it gets the pair that replaced it.",
            ),
            RotationCase::LostResponse => granted(
                "recovered",
                "Its successor was never presented, so the response was lost: it gets a new pair.",
            ),
            RotationCase::LostCommit => granted(
                "forward",
                "The database lost a commit: the session goes on from this token.",
            ),
            RotationCase::Reissue => granted("reissued", "It buys a new access token."),
        },
        RotationDecision::Reused => Answer {
            ends_session: true,
            ..rejected(
                "reused",
                ErrorCode::RefreshTokenReused,
                "A copy is in use: the session ends.",
            )
        },
        RotationDecision::Superseded => rejected(
            "superseded",
            ErrorCode::RefreshSuperseded,
            "It is out of date, without a sign of theft: the session stays.",
        ),
        RotationDecision::Ended(end) => match end {
            End::Expired => rejected(
                "ended",
                ErrorCode::SessionExpired,
                "The session has expired: log in again.",
            ),
            End::UserDisabled => rejected(
                "ended",
                ErrorCode::UserDisabled,
                "The user is disabled: enable it with tokenpair user enable.",
            ),
            End::Revoked | End::Unknown => rejected(
                "ended",
                ErrorCode::SessionRevoked,
                "The session was revoked: log in again.",
            ),
        },
    }
}
