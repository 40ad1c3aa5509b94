//! Defines the states of keys, and `state.toml`, which records them: the signing key, the coming
//! key, and since when.

use std::collections::BTreeMap;
use std::fmt;

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use toml::value::Datetime;

use tokenpair::clock::Timestamp;
use tokenpair::keys::Algorithm;

/// The state of a key. In every state it is published and verifies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum KeyState {
    /// It signs new tokens.
    Signing,
    /// It signs after the next rotation. Verifiers learn of it until then.
    Coming,
    /// It signed before.
    Verifying,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Signing => "signing",
            Self::Coming => "coming",
            Self::Verifying => "verifying",
        })
    }
}

/// A key's public data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// The file name.
    pub file: String,
    /// The key ID: the thumbprint of the public key (RFC 7638).
    pub kid: String,
    /// Its only algorithm.
    pub algorithm: Algorithm,
    /// Its state.
    pub state: KeyState,
    /// Since when it has this state, if that was recorded.
    pub since: Option<Timestamp>,
}

pub(super) const STATE: &str = "state.toml";

const PREFACE: &str =
    "# Which key signs. Written by `tokenpair keys`; by hand only `signing` is needed.\n";

/// The content of `state.toml`. All keys not named here verify.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DirectoryState {
    /// The file of the signing key.
    pub(super) signing: String,
    /// The file of the coming key. A missing file is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) coming: Option<String>,
    /// Since when each file's key has its state.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    since: BTreeMap<String, Datetime>,
}

impl DirectoryState {
    /// Returns the state of a folder with this key only.
    pub(super) const fn of(signing: String) -> Self {
        Self {
            signing,
            coming: None,
            since: BTreeMap::new(),
        }
    }

    /// Returns the state of a folder with these keys, one of which signs.
    pub(super) fn of_keys(keys: &[Key]) -> Self {
        let of_state = |state| keys.iter().find(|key| key.state == state);
        let file = |key: &Key| key.file.clone();
        let mut this = Self {
            signing: of_state(KeyState::Signing).map(file).unwrap_or_default(),
            coming: of_state(KeyState::Coming).map(file),
            since: BTreeMap::new(),
        };
        for (key, since) in keys.iter().filter_map(|key| Some((key, key.since?))) {
            this.changed(&key.file, since);
        }
        this
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        toml::from_str(text).ok()
    }

    pub(super) fn text(&self) -> Option<String> {
        let body = toml::to_string(self).ok()?;
        Some(format!("{PREFACE}{body}"))
    }

    pub(super) fn key(&self, file: &str, kid: String, algorithm: Algorithm) -> Key {
        let state = if file == self.signing {
            KeyState::Signing
        } else if self.coming.as_deref() == Some(file) {
            KeyState::Coming
        } else {
            KeyState::Verifying
        };
        Key {
            file: file.to_owned(),
            kid,
            algorithm,
            state,
            since: self.since.get(file).and_then(timestamp),
        }
    }

    /// Records since when the key of that file has its state.
    pub(super) fn changed(&mut self, file: &str, since: Timestamp) {
        if let Ok(since) = since.to_string().parse() {
            self.since.insert(file.to_owned(), since);
        }
    }

    pub(super) fn forget(&mut self, file: &str) {
        self.coming = self.coming.take().filter(|coming| coming != file);
        self.since.remove(file);
    }
}

/// Converts a TOML date and time. `None` without an offset from UTC.
fn timestamp(written: &Datetime) -> Option<Timestamp> {
    let parsed = DateTime::parse_from_rfc3339(&written.to_string()).ok()?;
    Some(Timestamp::from_unix(parsed.timestamp()))
}
