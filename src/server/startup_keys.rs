//! Implements the keys of the settings: reads or creates them at the start, and reloads a key
//! folder.

use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::secret_file;
use super::shared_key::Seal;
use super::start_error::StartError;
use crate::command::command;
use crate::config::{KeySource, PreviousSecret, Settings};
use crate::keys::{DirectoryError, Fingerprint, Held, KeyDirectory, KeyState};
use tokenpair::clock::Timestamp;
use tokenpair::keys::{KeyError, KeyRing};
use tokenpair::token::Tokens;

/// How long verifiers may cache the published keys (`Cache-Control` of `/.well-known/jwks.json`),
/// and so how long a coming key should be published before it signs.
pub const KEYS_MAX_AGE: Duration = Duration::from_secs(300);

/// The keys at the start.
pub(super) struct Keys {
    pub(super) ring: KeyRing,
    /// The folder where they may change.
    pub(super) followed: Option<Followed>,
}

/// A key folder that the server watches.
pub(super) struct Followed {
    folder: KeyDirectory,
    /// The content that the current ring was made from.
    known: Fingerprint,
    previous: Vec<PreviousSecret>,
    /// Whether the log says that the folder cannot be read.
    away: bool,
    /// Seals of new keys, under which the shared key must be stored too.
    new: Vec<Seal>,
}

/// Returns the keys of the settings. Creates them on the first start where the settings leave that
/// to the server.
pub(super) fn begin(settings: &Settings, now: Timestamp) -> Result<Keys, StartError> {
    match &settings.keys {
        KeySource::KeptSecret(path) if secret_in(path)?.is_none() => {
            secret_file::make(path).map_err(unreadable(path))?;
        }
        KeySource::KeptFolder(path) => {
            KeyDirectory::new(path).begin(settings.algorithm, now)?;
        }
        _ => {}
    }
    let keys = present(settings)?;
    let keys = keys.ok_or(KeyError::NoSigningKey)?;
    remark_on_algorithm(settings, &keys.ring);
    Ok(keys)
}

/// Returns the keys of the settings. `None` if the server must create them first.
pub(super) fn present(settings: &Settings) -> Result<Option<Keys>, StartError> {
    let ring = match &settings.keys {
        KeySource::Secret(text) => {
            KeyRing::from_secret(settings.algorithm, text.expose_secret().as_bytes())?
        }
        KeySource::KeptSecret(path) => match secret_in(path)? {
            Some(secret) => {
                KeyRing::from_secret(settings.algorithm, &secret).map_err(|source| {
                    StartError::KeptSecret {
                        path: shown(path),
                        source,
                    }
                })?
            }
            None => return Ok(None),
        },
        KeySource::PrivateKey(pem) => KeyRing::from_pem(settings.algorithm, pem.expose_secret())?,
        KeySource::KeptFolder(path) if KeyDirectory::new(path).is_empty()? => return Ok(None),
        KeySource::Folder(path) | KeySource::KeptFolder(path) => {
            return followed(KeyDirectory::new(path), settings).map(Some);
        }
    };
    let ring = with_previous(ring, &settings.previous)?;
    Ok(Some(Keys {
        ring,
        followed: None,
    }))
}

fn followed(folder: KeyDirectory, settings: &Settings) -> Result<Keys, StartError> {
    let held = folder.read()?;
    let followed = Followed {
        folder,
        known: held.fingerprint,
        previous: settings.previous.clone(),
        away: false,
        new: Vec::new(),
    };
    Ok(Keys {
        ring: with_previous(held.ring, &followed.previous)?,
        followed: Some(followed),
    })
}

/// Returns a seal for each known key that signs or signed tokens, to open the key that all servers
/// share.
pub(super) fn seals(settings: &Settings) -> Result<Vec<Seal>, StartError> {
    let mut seals = match &settings.keys {
        KeySource::Secret(text) | KeySource::PrivateKey(text) => vec![seal(text)],
        KeySource::KeptSecret(path) => vec![Seal::of(&secret_in(path)?.unwrap_or_default())],
        KeySource::Folder(path) | KeySource::KeptFolder(path) => {
            folder_seals(&KeyDirectory::new(path))?
        }
    };
    let previous = settings.previous.iter();
    seals.extend(previous.map(|previous| Seal::of(previous.secret.expose_secret().as_bytes())));
    seals
        .into_iter()
        .collect::<Option<_>>()
        .ok_or(StartError::SharedKey)
}

fn folder_seals(folder: &KeyDirectory) -> Result<Vec<Option<Seal>>, DirectoryError> {
    Ok(folder.pems()?.iter().map(seal).collect())
}

fn seal(text: &SecretString) -> Option<Seal> {
    Seal::of(text.expose_secret().trim().as_bytes())
}

/// Adds the previous secrets. They have no key ID, so a token finds them by its algorithm, which no
/// key pair has.
fn with_previous(ring: KeyRing, previous: &[PreviousSecret]) -> Result<KeyRing, KeyError> {
    let mut previous = previous.iter().map(|previous| previous.key.clone());
    previous.try_fold(ring, KeyRing::with_verifying)
}

fn secret_in(path: &Path) -> Result<Option<Vec<u8>>, StartError> {
    secret_file::read(path).map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> StartError {
    let path = shown(path);
    move |source| StartError::Secret {
        path: path.clone(),
        source,
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Warns if the algorithms differ. The folder is authoritative, so that keys of another algorithm
/// can take over without a restart.
fn remark_on_algorithm(settings: &Settings, ring: &KeyRing) {
    let wanted = settings.algorithm.name();
    let signs = ring.algorithm().map_or("none", |signs| signs.name());
    if signs != wanted {
        log::warn!(
            "JWT_ALGORITHM is {wanted}, and the signing key is for {signs}: set JWT_ALGORITHM={signs}, or switch keys \
             with `{}` and `{}`",
            command("keys generate"),
            command("keys rotate")
        );
    }
}

impl Followed {
    /// Passes the folder's keys to `tokens` if the folder has changed. An unreadable folder changes
    /// nothing: that is logged once, again if the operator `requested` a reload, and once when the
    /// folder can be read again.
    pub(super) fn reload(mut self, tokens: &Tokens, requested: bool) -> Self {
        match self.changed() {
            Ok(changed) => {
                if let Some((held, ring)) = changed {
                    tokens.replace_keys(ring);
                    let seals = folder_seals(&self.folder).unwrap_or_default();
                    self.new = seals.into_iter().flatten().collect();
                    log::info!("the keys have changed: {}", summary(&held));
                } else if self.away {
                    log::info!("the keys can be read again and have not changed");
                }
                self.away = false;
            }
            Err(error) => {
                if requested || !self.away {
                    log::error!("cannot read the keys, so the current ones stay in use: {error}");
                }
                self.away = true;
            }
        }
        self
    }

    /// Returns the seals of the keys found since the last call.
    pub(super) fn take_new(&mut self) -> Vec<Seal> {
        std::mem::take(&mut self.new)
    }

    fn changed(&mut self) -> Result<Option<(Held, KeyRing)>, DirectoryError> {
        let Some(held) = self.folder.read_if_changed(self.known)? else {
            return Ok(None);
        };
        let path = self.folder.path().to_owned();
        let ring = with_previous(held.ring.clone(), &self.previous)
            .map_err(|source| DirectoryError::Key { path, source })?;
        self.known = held.fingerprint;
        Ok(Some((held, ring)))
    }
}

/// Describes the keys, for the log. Key IDs are public.
fn summary(held: &Held) -> String {
    let signing = held.of_state(KeyState::Signing);
    let kid = signing.map_or("nothing", |key| &key.kid);
    let others = held.keys.len().saturating_sub(1);
    format!("{kid} signs; other keys that verify: {others}")
}
