//! Implements `tokenpair token`.

use std::io::{self, BufRead, Write};

use clap::Subcommand;
use serde_json::{Map, Value};

use super::{CommandError, settings};
use crate::config::{KeySource, Settings};
use crate::printable::{printable, printable_lines};
use crate::server::present_keys;
use tokenpair::clock::{Clock, Timestamp};
use tokenpair::token::{Inspection, TokenError, Tokens};

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
    let mut inspection = tokens.inspect(token, Clock::system().now())?;
    let session = inspection.unverified_claims.contains_key("sid");
    let session = session
        .then_some(())
        .ok_or(TokenError::Missing("sid".into()));
    inspection.verdicts.push(("session", session));
    print(&inspection, out)?;
    if inspection
        .verdicts
        .iter()
        .any(|(_, verdict)| verdict.is_err())
    {
        return Err("the token is rejected".into());
    }
    let valid = "the token is valid, unless its session has ended, which only the database shows";
    Ok(writeln!(out, "{valid}")?)
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
