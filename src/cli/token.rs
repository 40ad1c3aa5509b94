//! `tokenpair token`

use std::io::{self, BufRead, Write};

use clap::Subcommand;
use serde_json::{Map, Value};

use super::{Failure, settings};
use crate::clock::{Clock, Timestamp};
use crate::server::key_ring;
use crate::settings::{Secret, Settings};
use crate::token::{TokenError, Tokens};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read a token on standard input; print its header, its claims, and each verdict on it. Exit with 1 if it is refused
    Inspect,
}

pub(super) fn inspect(out: &mut dyn Write) -> Result<(), Failure> {
    let settings = settings()?;
    let tokens = tokens(&settings)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let token = line.trim();
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let inspection = tokens.inspect(token, Clock::system().now())?;
    writeln!(out, "header {}", pretty(&inspection.unverified_header)?)?;
    writeln!(out, "claims {}", pretty(&inspection.unverified_claims)?)?;
    for name in ["iat", "nbf", "exp"] {
        if let Some(seconds) = inspection
            .unverified_claims
            .get(name)
            .and_then(Value::as_i64)
        {
            writeln!(out, "{name} is {}", Timestamp::from_unix(seconds))?;
        }
    }
    let session = match inspection.unverified_claims.get("sid") {
        Some(_) => Ok(()),
        None => Err(TokenError::Missing("sid")),
    };
    let verdicts = inspection
        .verdicts
        .into_iter()
        .chain([("session", session)]);
    let verdicts: Vec<_> = verdicts.collect();
    for (what, verdict) in &verdicts {
        match verdict {
            Ok(()) => writeln!(out, "{what}: good")?,
            Err(error) => writeln!(out, "{what}: {error}")?,
        }
    }
    match verdicts
        .iter()
        .filter(|(_, verdict)| verdict.is_err())
        .count()
    {
        0 => Ok(writeln!(
            out,
            "the token is good, unless its session was ended; the database knows"
        )?),
        _ => Err("the token is refused".into()),
    }
}

/// To look must not make a secret.
fn tokens(settings: &Settings) -> Result<Tokens, Failure> {
    match &settings.secret {
        Secret::Kept(path) if !path.exists() => Err(format!(
            "there is no signing secret yet at {}; the server makes it",
            path.display()
        )
        .into()),
        _ => Ok(Tokens::new(key_ring(settings)?, settings.tokens.clone())),
    }
}

fn pretty(object: &Map<String, Value>) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(object)?)
}
