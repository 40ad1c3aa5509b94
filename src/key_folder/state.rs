//! Defines what a key of the folder is for, and `state.toml`, which says so: which key signs, which one is coming, and since
//! when.

use std::collections::BTreeMap;
use std::fmt;

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use toml::value::Datetime;

use tokenpair::clock::Timestamp;
use tokenpair::keys::Algorithm;

/// What a key is for. All of them are published, and their signatures taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum KeyState {
    /// New tokens are signed with it.
    Signing,
    /// It will sign next; others learn of it meanwhile.
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

/// What is known of a key. Nothing of it is secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// Its file.
    pub file: String,
    /// The thumbprint of its public half (RFC 7638), which tokens name.
    pub kid: String,
    /// The only algorithm it serves.
    pub algorithm: Algorithm,
    /// What it is for.
    pub state: KeyState,
    /// Since when it is that; none if nobody wrote it down.
    pub since: Option<Timestamp>,
}

pub(super) const STATE: &str = "state.toml";

const PREFACE: &str =
    "# Which key signs. Written by `tokenpair keys`; by hand only `signing` is needed.\n";

/// All other keys of the folder verify.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DirectoryState {
    /// The file of the key that signs.
    pub(super) signing: String,
    /// The file of the coming key. One that is not there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) coming: Option<String>,
    /// Since when each file's key is what it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    since: BTreeMap<String, Datetime>,
}

impl DirectoryState {
    /// That this key signs, and nothing else.
    pub(super) const fn of(signing: String) -> Self {
        Self {
            signing,
            coming: None,
            since: BTreeMap::new(),
        }
    }

    /// What is known of these keys, one of which signs.
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
            since: self.since.get(file).and_then(instant),
        }
    }

    /// Since then the key of that file is what it is.
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

/// None without an offset from UTC.
fn instant(written: &Datetime) -> Option<Timestamp> {
    let instant = DateTime::parse_from_rfc3339(&written.to_string()).ok()?;
    Some(Timestamp::from_unix(instant.timestamp()))
}
