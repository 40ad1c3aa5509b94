//! Judges the refresh tokens of a session: the rotation rule itself ([`decide`]) gives the verdicts.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::command::command;
use tokenpair::clock::Timestamp;
use tokenpair::session::{
    End, Rotation, RotationCase, RotationDecision, Row, SessionPolicy, decide,
};
use tokenpair::web::ErrorCode;

/// The refresh token of one generation, or of all older ones.
#[derive(Serialize)]
pub(super) struct TokenPart {
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
    meaning: Cow<'static, str>,
}

#[derive(Serialize)]
struct Change {
    at: String,
    #[serde(serialize_with = "verdict_alone", rename = "verdict")]
    answer: Answer,
}

fn verdict_alone<S: Serializer>(answer: &Answer, to: S) -> Result<S::Ok, S::Error> {
    answer.verdict.serialize(to)
}

impl TokenPart {
    /// Returns the text for a person.
    pub(super) fn lines(&self) -> Vec<String> {
        let generation = self.generation;
        let name = match self.role {
            Role::Older if generation > 1 => format!("1 to {generation} (replaced long ago)"),
            Role::Older => format!("{generation} (replaced long ago)"),
            Role::Previous => format!("{generation} (previous: replaced last)"),
            Role::Orphan => format!("{generation} (replaced before any client used it)"),
            Role::Current => format!("{generation} (current)"),
            Role::Newer => format!("{generation} (not issued yet)"),
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
            ("last sent to a client", &self.handed_at),
            ("first used by a client", &self.presented_at),
        ];
        let facts = facts
            .iter()
            .filter_map(|(name, at)| Some(format!("    {name} {}", at.as_ref()?)));
        lines.extend(facts);
        if let Some(Change { at, answer }) = &self.then {
            lines.push(format!("    from {at} on: {}", answer.verdict));
            lines.push(format!("      {}", answer.meaning));
        }
        lines
    }
}

/// Returns the tokens that a client may hold, newest first.
pub(super) fn tokens(row: &Row, now: Timestamp, policy: &SessionPolicy) -> Vec<TokenPart> {
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
    let at_time = |at| answer(decide(row, generation, at, policy));
    let verdict = |at| at_time(at).verdict;
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
        answer: at_time(at),
    })
}

/// Puts a decision into words.
fn answer(decision: RotationDecision) -> Answer {
    let granted = |verdict, meaning: &'static str| Answer {
        verdict,
        code: None,
        ends_session: false,
        meaning: meaning.into(),
    };
    let rejected = |verdict, code: ErrorCode, meaning| Answer {
        code: Some(code.as_str()),
        ..granted(verdict, meaning)
    };
    match decision {
        RotationDecision::Grant { case, .. } => match case {
            RotationCase::Rotate => granted(
                "rotated",
                "The client gets a new pair, and the next generation replaces this one.",
            ),
            RotationCase::RepeatCurrent => granted(
                "repeated",
                "It is new, so the client gets a new access token, and this token stays.",
            ),
            RotationCase::ReplayPrevious => granted(
                "same",
                "Another tab or a retry sends it: it gets the pair that replaced it.",
            ),
            RotationCase::LostResponse => granted(
                "recovered",
                "No client used its successor, so that answer was lost: a new pair.",
            ),
            RotationCase::LostCommit => granted(
                "forward",
                "If a client has it, the database lost a commit: the session goes on from it.",
            ),
            RotationCase::Reissue => granted(
                "reissued",
                "The client gets a new access token, and this token stays.",
            ),
        },
        RotationDecision::Reused => Answer {
            ends_session: true,
            ..rejected(
                "reused",
                ErrorCode::RefreshTokenReused,
                "A client uses its successor, so this is a copy: the session ends.",
            )
        },
        RotationDecision::Superseded => rejected(
            "superseded",
            ErrorCode::RefreshSuperseded,
            "It is out of date without a sign of theft: refused, and the session stays.",
        ),
        RotationDecision::Ended(end) => match end {
            End::Expired => rejected(
                "ended",
                ErrorCode::SessionExpired,
                "The session has expired: log in again.",
            ),
            End::UserDisabled => Answer {
                meaning: format!(
                    "The user is disabled: enable it with {}.",
                    command("user enable NAME")
                )
                .into(),
                ..rejected("ended", ErrorCode::UserDisabled, "")
            },
            End::Revoked | End::Unknown => rejected(
                "ended",
                ErrorCode::SessionRevoked,
                "The session was revoked: log in again.",
            ),
        },
    }
}
