//! `tokenpair token`

use std::io::{self, BufRead, Write};

use clap::Subcommand;
use serde_json::{Map, Value};

use super::{CommandError, settings};
use crate::printable::{printable, printable_lines};
use crate::server::present_keys;
use crate::settings::{KeySource, Settings};
use tokenpair::clock::{Clock, Timestamp};
use tokenpair::token::{Inspection, TokenError, Tokens};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read a token on standard input; print its header, its claims, and each verdict on it. Exit with 1 if it is refused
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
        return Err("the token is refused".into());
    }
    let good = "the token is good, unless its session was ended; the database knows";
    Ok(writeln!(out, "{good}")?)
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
    for (what, verdict) in &inspection.verdicts {
        match verdict {
            Ok(()) => writeln!(out, "{what}: good")?,
            Err(error) => writeln!(out, "{what}: {}", printable(&error.to_string()))?,
        }
    }
    Ok(())
}

/// To look must not make a key.
fn tokens(settings: &Settings) -> Result<Tokens, CommandError> {
    if let Some(keys) = present_keys(settings)? {
        return Ok(Tokens::new(keys, settings.tokens.clone()));
    }
    Err(match &settings.keys {
        KeySource::KeptFolder(path) => format!(
            "there is no signing key yet in {}; the server makes it",
            path.display()
        ),
        KeySource::KeptSecret(path) => format!(
            "there is no signing secret yet at {}; the server makes it",
            path.display()
        ),
        _ => "there is no signing key".to_owned(),
    }
    .into())
}

fn pretty(object: &Map<String, Value>) -> Result<String, CommandError> {
    Ok(printable_lines(&serde_json::to_string_pretty(object)?))
}
