//! Implements `tokenpair token`.

use std::io::Write;

use clap::Subcommand;
use serde::Serialize;
use serde_json::{Map, Value};

use super::input::first_line;
use super::listing::ObjectForm;
use super::{CommandError, block_on, session, settings};
use crate::causes::with_causes;
use crate::config::{KeySource, Settings};
use crate::printable::{printable, printable_lines};
use crate::server::{open_current_store, present_keys};
use tokenpair::clock::{Clock, Timestamp};
use tokenpair::session::{RotationDecision, SessionStore, decide};
use tokenpair::token::{Claims, Expiry, Inspection, TokenError, TokenKind, Tokens};
use tokenpair_store::DieselStore;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read a token from standard input and print its header, its claims and each check. Exit with
    /// 1 if it is rejected
    Inspect {
        #[command(flatten)]
        form: ObjectForm,
    },
}

/// A token, taken apart. The token itself is not in it.
#[derive(Serialize)]
struct Report {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    checks: Vec<Check>,
    /// `active`, or what there is to say of the session. `None` if a check failed.
    session: Option<String>,
    /// `None` if only the database, which is not there, could tell.
    valid: Option<bool>,
}

#[derive(Serialize)]
struct Check {
    check: &'static str,
    valid: bool,
    error: Option<String>,
}

impl Report {
    fn of(inspection: Inspection) -> Self {
        let check = |(check, verdict): (_, Result<(), TokenError>)| Check {
            check,
            valid: verdict.is_ok(),
            error: verdict.err().map(|error| error.to_string()),
        };
        let checks: Vec<Check> = inspection.verdicts.into_iter().map(check).collect();
        Self {
            header: inspection.unverified_header,
            claims: inspection.unverified_claims,
            valid: Some(checks.iter().all(|check| check.valid)),
            checks,
            session: None,
        }
    }

    /// Judges the session.
    fn judged(self, valid: Option<bool>, session: impl Into<String>) -> Self {
        let session = Some(session.into());
        Self {
            session,
            valid,
            ..self
        }
    }
}

pub(super) fn inspect(form: ObjectForm, out: &mut dyn Write) -> Result<(), CommandError> {
    let settings = settings()?;
    let tokens = tokens(&settings)?;
    let line = first_line("the token, as it is in the cookie or after Bearer,")?;
    let token = line.trim();
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let report = examine(token, &settings, &tokens)?;
    let text = text(&report)?;
    form.print(&report, || text, out)?;
    out.flush()?;
    match report.valid {
        Some(false) => Err("the token is rejected".into()),
        _ => Ok(()),
    }
}

fn examine(token: &str, settings: &Settings, tokens: &Tokens) -> Result<Report, CommandError> {
    let now = Clock::system().now();
    let inspection = tokens
        .inspect(token, now)
        .map_err(|error| not_a_token(&error))?;
    let report = Report::of(inspection);
    if report.valid == Some(false) {
        return Ok(report);
    }
    let claims = tokens.verify(token, now, Expiry::Enforced)?;
    if claims.sid.is_none() {
        return Ok(without_session(report, settings, &claims));
    }
    let store = match open_current_store(settings) {
        Ok(store) => store,
        Err(error) => {
            return Ok(report.judged(None, format!("not checked: {}", with_causes(&error))));
        }
    };
    let fault = block_on(session_fault(&store, settings, &claims, now))?;
    Ok(match fault {
        None => report.judged(Some(true), "active"),
        Some(fault) => report.judged(Some(false), fault),
    })
}

/// Judges a token of another issuer, which has no session.
fn without_session(report: Report, settings: &Settings, claims: &Claims) -> Report {
    if settings.web.accept_foreign && claims.kind == TokenKind::Access {
        report.judged(Some(true), "none, which JWT_ACCEPT_FOREIGN accepts")
    } else {
        report.judged(Some(false), "the token has none (claim sid)")
    }
}

/// Says what to paste instead.
fn not_a_token(error: &TokenError) -> CommandError {
    format!(
        "malformed token: {error}; paste the whole token, as it is in the cookie or after Bearer"
    )
    .into()
}

/// Returns why the server would reject a verified token because of its session.
async fn session_fault(
    store: &DieselStore,
    settings: &Settings,
    claims: &Claims,
    now: Timestamp,
) -> Result<Option<String>, CommandError> {
    let record = store
        .load(claims.sid.as_deref().unwrap_or_default())
        .await?;
    let Some(record) = record.filter(|record| record.subject.id == claims.sub()) else {
        return Ok(Some("it is not in this database".to_owned()));
    };
    let state = session::state(&record.session, &record.subject, settings);
    if state != "active" {
        return Ok(Some(format!("it has ended ({state})")));
    }
    if let Some(generation) = claims.generation {
        return Ok(rotation_fault(decide(
            &record.row(),
            generation,
            now,
            &settings.sessions,
        )));
    }
    let is_old = claims
        .epoch
        .is_some_and(|epoch| epoch < record.subject.epoch);
    let fault = "the token is older than a change of its user; the session continues, so refresh";
    Ok(is_old.then(|| fault.to_owned()))
}

/// Returns why a refresh with this token would be rejected.
fn rotation_fault(decision: RotationDecision) -> Option<String> {
    let fault = match decision {
        RotationDecision::Grant { .. } => return None,
        RotationDecision::Reused => {
            "this refresh token was replaced, and presenting it would end the session: a copy is in use"
        }
        RotationDecision::Superseded => "this refresh token was replaced by a newer one",
        RotationDecision::Ended(_) => "it has ended",
    };
    Some(fault.to_owned())
}

/// Returns the report for a person.
fn text(report: &Report) -> Result<String, CommandError> {
    let mut text = format!("header {}\n", pretty(&report.header)?);
    text += &format!("claims {}\n", pretty(&report.claims)?);
    for name in ["iat", "nbf", "exp"] {
        if let Some(seconds) = report.claims.get(name).and_then(Value::as_i64) {
            text += &format!("{name} is {}\n", Timestamp::from_unix(seconds));
        }
    }
    for Check { check, error, .. } in &report.checks {
        let verdict = error.as_deref().unwrap_or("valid");
        text += &format!("{check}: {}\n", printable(verdict));
    }
    if let Some(session) = &report.session {
        text += &format!("session: {}\n", printable(session));
    }
    text += match report.valid {
        Some(true) => "the token is valid\n",
        None => "the token is valid, unless its session has ended, which only the database shows\n",
        Some(false) => "",
    };
    Ok(text)
}

/// Returns the tokens of the present keys. An inspection must not create a key.
fn tokens(settings: &Settings) -> Result<Tokens, CommandError> {
    if let Some(keys) = present_keys(settings)? {
        return Ok(Tokens::new(keys, settings.tokens.clone()));
    }
    Err(match &settings.keys {
        KeySource::KeptFolder(path) => format!(
            "there is no signing key yet in {}; start the server to create it",
            path.display()
        ),
        KeySource::KeptSecret(path) => format!(
            "there is no signing secret yet at {}; start the server to create it",
            path.display()
        ),
        _ => "there is no signing key".to_owned(),
    }
    .into())
}

fn pretty(object: &Map<String, Value>) -> Result<String, CommandError> {
    Ok(printable_lines(&serde_json::to_string_pretty(object)?))
}
