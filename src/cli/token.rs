//! Implements `tokenpair token`.

use std::io::{self, BufRead, Write};

use clap::Subcommand;
use serde_json::{Map, Value};

use super::{CommandError, block_on, session, settings};
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
    Inspect,
}

pub(super) fn inspect(out: &mut dyn Write) -> Result<(), CommandError> {
    let settings = settings()?;
    let tokens = tokens(&settings)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let token = line.trim();
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let now = Clock::system().now();
    let inspection = tokens
        .inspect(token, now)
        .map_err(|error| not_a_token(&error))?;
    print(&inspection, out)?;
    let is_rejected = |(_, verdict): &(_, Result<(), _>)| verdict.is_err();
    if inspection.verdicts.iter().any(is_rejected) {
        return Err("the token is rejected".into());
    }
    let claims = tokens.verify(token, now, Expiry::Enforced)?;
    if claims.sid.is_none() {
        return without_session(&settings, &claims, out);
    }
    let store = match open_current_store(&settings) {
        Ok(store) => store,
        Err(error) => {
            let error = error.to_string();
            writeln!(out, "session: not checked: {}", printable(&error))?;
            let valid =
                "the token is valid, unless its session has ended, which only the database shows";
            return Ok(writeln!(out, "{valid}")?);
        }
    };
    match block_on(session_fault(&store, &settings, &claims, now))? {
        None => Ok(writeln!(out, "session: active\nthe token is valid")?),
        Some(fault) => {
            writeln!(out, "session: {fault}")?;
            Err("the token is rejected".into())
        }
    }
}

/// Judges a token of another issuer, which has no session.
fn without_session(
    settings: &Settings,
    claims: &Claims,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    if settings.web.accept_foreign && claims.kind == TokenKind::Access {
        let valid = "session: none, which JWT_ACCEPT_FOREIGN accepts\nthe token is valid";
        return Ok(writeln!(out, "{valid}")?);
    }
    writeln!(out, "session: the token has none (claim sid)")?;
    Err("the token is rejected".into())
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

fn print(inspection: &Inspection, out: &mut dyn Write) -> Result<(), CommandError> {
    let claims = &inspection.unverified_claims;
    writeln!(out, "header {}", pretty(&inspection.unverified_header)?)?;
    writeln!(out, "claims {}", pretty(claims)?)?;
    for name in ["iat", "nbf", "exp"] {
        if let Some(seconds) = claims.get(name).and_then(Value::as_i64) {
            writeln!(out, "{name} is {}", Timestamp::from_unix(seconds))?;
        }
    }
    for (check, verdict) in &inspection.verdicts {
        match verdict {
            Ok(()) => writeln!(out, "{check}: valid")?,
            Err(error) => writeln!(out, "{check}: {}", printable(&error.to_string()))?,
        }
    }
    Ok(())
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
