//! Implements `tokenpair keys`.

use std::io::Write;

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::listing::{Entry, Form, or_dash};
use super::{CommandError, settings};
use crate::command::command;
use crate::config::{KeySource, Settings};
use crate::keys::{DirectoryError, Key, KeyDirectory, KeyState};
use crate::server::{KEYS_MAX_AGE, StartError};
use tokenpair::clock::{Clock, Timestamp};
use tokenpair::keys::Algorithm;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a coming key, which is published now and signs after the next rotation
    Generate {
        /// RS256, PS256, ES256, EdDSA or another with a key pair [default: JWT_ALGORITHM]
        #[arg(long, value_parser = PossibleValuesParser::new(with_key_pairs()), hide_possible_values = true)]
        algorithm: Option<String>,
    },
    /// List the keys and their states: signing, coming or verifying
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Start signing with the coming key; the previous key still verifies
    Rotate,
    /// Delete a key that no longer signs; its tokens are rejected from then on
    Retire {
        /// The key ID, as `keys list` shows it
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

fn with_key_pairs() -> impl Iterator<Item = &'static str> {
    let all = Algorithm::ALL.into_iter();
    all.filter(|algorithm| !Algorithm::HMAC.contains(algorithm))
        .map(Algorithm::name)
}

pub(super) fn run(command: Command, out: &mut dyn Write) -> Result<(), CommandError> {
    let settings = settings()?;
    let folder = folder(&settings)?;
    let now = Clock::system().now();
    let done = match command {
        Command::Generate { algorithm } => {
            let algorithm = algorithm.and_then(|name| Algorithm::from_name(&name));
            let key = folder.generate(algorithm.unwrap_or(settings.algorithm), now);
            key.map_err(CommandError::from)
                .and_then(|key| generated(&key, out))
        }
        Command::List { form } => list(&folder).and_then(|keys| form.print(&keys, out)),
        Command::Rotate => rotate(&folder, &settings, now, out),
        Command::Retire { kid } => retire(&folder, &kid, &settings, now, out),
    };
    done.map_err(naming_the_setting)
}

/// Names the setting if the folder cannot be used. A key that cannot be retired or added is not its
/// fault.
fn naming_the_setting(failure: CommandError) -> CommandError {
    use DirectoryError::{ComingAlready, Signs, Unknown};
    match failure.downcast::<DirectoryError>() {
        Ok(error) if matches!(*error, Unknown(_) | Signs(_) | ComingAlready(_)) => error,
        Ok(error) => StartError::from(*error).into(),
        Err(other) => other,
    }
}

/// Returns the folder that the server watches.
fn folder(settings: &Settings) -> Result<KeyDirectory, CommandError> {
    match &settings.keys {
        KeySource::Folder(path) | KeySource::KeptFolder(path) => Ok(KeyDirectory::new(path)),
        KeySource::PrivateKey(_) => {
            Err("the signing key comes from JWT_PRIVATE_KEY; to rotate keys, set JWT_KEYS_DIR to a folder instead".into())
        }
        KeySource::Secret(_) | KeySource::KeptSecret(_) => Err(format!(
            "JWT_ALGORITHM is {}, which signs with a secret; set JWT_ALGORITHM=ES256, or another with a key pair",
            settings.algorithm.name()
        )
        .into()),
    }
}

fn generated(key: &Key, out: &mut dyn Write) -> Result<(), CommandError> {
    let name = key.algorithm.name();
    writeln!(out, "{} {name} is {}", key.kid, key.state)?;
    if key.state == KeyState::Coming {
        let minutes = KEYS_MAX_AGE.as_secs() / 60;
        writeln!(
            out,
            "rotate in {minutes} minutes or later: until then, verifiers may cache the keys published before"
        )?;
    }
    Ok(())
}

/// A key, as `keys list` shows it.
#[derive(Serialize)]
struct KeyEntry {
    kid: String,
    algorithm: &'static str,
    state: String,
    since: Option<String>,
    file: String,
}

impl Entry for KeyEntry {
    fn head() -> String {
        line_of(["kid", "algorithm", "state", "since"])
    }

    fn line(&self) -> String {
        let since = or_dash(self.since.as_deref());
        line_of([&self.kid, self.algorithm, &self.state, since])
    }
}

fn line_of([kid, algorithm, state, since]: [&str; 4]) -> String {
    format!("{kid:<43} {algorithm:<9} {state:<9} {since}")
}

fn list(folder: &KeyDirectory) -> Result<Vec<KeyEntry>, CommandError> {
    let entry = |key: Key| KeyEntry {
        kid: key.kid,
        algorithm: key.algorithm.name(),
        state: key.state.to_string(),
        since: key.since.map(|since| since.to_string()),
        file: key.file,
    };
    Ok(folder.read()?.keys.into_iter().map(entry).collect())
}

fn rotate(
    folder: &KeyDirectory,
    settings: &Settings,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let rotated = folder.rotate(settings.algorithm, now)?;
    let (signing, before) = (&rotated.signing, &rotated.before);
    let name = signing.algorithm.name();
    writeln!(out, "{} {name} is signing", signing.kid)?;
    writeln!(
        out,
        "{} {} is verifying",
        before.kid,
        before.algorithm.name()
    )?;
    let published = match &rotated.announced {
        None => Some(now),
        Some(key) => key.since,
    };
    let known_at = published.map(|since| since + KEYS_MAX_AGE);
    if let Some(known_at) = known_at.filter(|known_at| *known_at > now) {
        writeln!(
            out,
            "warning: until {known_at} verifiers may cache the keys published before, and reject tokens of the new one; \
             servers load it within a second. To avoid this, run `{}` some minutes before",
            command("keys generate")
        )?;
    }
    if signing.algorithm != settings.algorithm {
        writeln!(
            out,
            "note: set JWT_ALGORITHM={name}, so that later keys use it too"
        )?;
    }
    Ok(())
}

fn retire(
    folder: &KeyDirectory,
    kid: &str,
    settings: &Settings,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let key = folder.retire(kid)?;
    writeln!(out, "{} {} is deleted", key.kid, key.algorithm.name())?;
    if key.state == KeyState::Coming {
        return Ok(());
    }
    let lifetime = settings.tokens.refresh_expires.unwrap_or_default();
    let until = key.since.map(|since| since + lifetime);
    if until.is_none_or(|until| until > now) {
        let when = until.map_or("an unknown time".to_owned(), |until| until.to_string());
        writeln!(
            out,
            "warning: tokens it signed may be valid until {when}; their holders must log in again"
        )?;
    }
    Ok(())
}
