//! The keys of the settings: read or made at the start, and followed where they are a folder's.

use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::secret_file;
use super::shared_key::Seal;
use super::start_error::StartError;
use crate::key_folder::{Fingerprint, FolderError, Held, KeyFolder, KeyState};
use crate::settings::{KeySource, PreviousSecret, Settings};
use tokenpair::clock::Timestamp;
use tokenpair::keys::{KeyError, KeyRing};
use tokenpair::token::Tokens;

/// For how long others may keep the published keys (`Cache-Control` of `/.well-known/jwks.json`), and so how long a coming
/// key should have been published before it signs.
pub const KEYS_MAX_AGE: Duration = Duration::from_secs(300);

/// The keys at the start.
pub(super) struct Keys {
    pub(super) ring: KeyRing,
    /// Where they may change.
    pub(super) followed: Option<Followed>,
}

/// A folder of keys that the server follows.
pub(super) struct Followed {
    folder: KeyFolder,
    /// What the ring was made of.
    known: Fingerprint,
    previous: Vec<PreviousSecret>,
    /// Whether it was said that the folder cannot be read.
    away: bool,
    /// Seals of new keys, under which the shared key has to be stored too.
    new: Vec<Seal>,
}

/// The keys of the settings. What the server has to make on its first start is made.
pub(super) fn begin(settings: &Settings, now: Timestamp) -> Result<Keys, StartError> {
    match &settings.keys {
        KeySource::KeptSecret(path) if secret_in(path)?.is_none() => {
            secret_file::make(path).map_err(unreadable(path))?;
        }
        KeySource::KeptFolder(path) => {
            KeyFolder::new(path).begin(settings.algorithm, now)?;
        }
        _ => {}
    }
    let keys = present(settings)?;
    let keys = keys.ok_or(KeyError::NoSigningKey)?;
    remark_on_algorithm(settings, &keys.ring);
    Ok(keys)
}

/// The keys of the settings; none if the server has to make them first.
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
        KeySource::KeptFolder(path) if KeyFolder::new(path).is_empty()? => return Ok(None),
        KeySource::Folder(path) | KeySource::KeptFolder(path) => {
            return followed(KeyFolder::new(path), settings).map(Some);
        }
    };
    let ring = with_previous(ring, &settings.previous)?;
    Ok(Some(Keys {
        ring,
        followed: None,
    }))
}

fn followed(folder: KeyFolder, settings: &Settings) -> Result<Keys, StartError> {
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

/// Returns a seal for each known key that signs tokens or did, to open the key that all servers share.
pub(super) fn seals(settings: &Settings) -> Result<Vec<Seal>, StartError> {
    let mut seals = match &settings.keys {
        KeySource::Secret(text) | KeySource::PrivateKey(text) => vec![seal(text)],
        KeySource::KeptSecret(path) => vec![Seal::of(&secret_in(path)?.unwrap_or_default())],
        KeySource::Folder(path) | KeySource::KeptFolder(path) => {
            folder_seals(&KeyFolder::new(path))?
        }
    };
    let previous = settings.previous.iter();
    seals.extend(previous.map(|previous| Seal::of(previous.secret.expose_secret().as_bytes())));
    seals
        .into_iter()
        .collect::<Option<_>>()
        .ok_or(StartError::SharedKey)
}

fn folder_seals(folder: &KeyFolder) -> Result<Vec<Option<Seal>>, FolderError> {
    Ok(folder.pems()?.iter().map(seal).collect())
}

fn seal(text: &SecretString) -> Option<Seal> {
    Seal::of(text.expose_secret().trim().as_bytes())
}

/// They have no key ID, so a token finds them by its algorithm, which no key pair has.
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

/// The folder has the last word, so that keys of another algorithm can take over without a restart.
fn remark_on_algorithm(settings: &Settings, ring: &KeyRing) {
    let wanted = settings.algorithm.name();
    let signs = ring.algorithm().map_or("none", |signs| signs.name());
    if signs != wanted {
        log::warn!(
            "JWT_ALGORITHM is {wanted}, and the key that signs is {signs}'s: set JWT_ALGORITHM={signs}, or make another \
             key with `tokenpair keys generate` and `tokenpair keys rotate`"
        );
    }
}

impl Followed {
    /// Looks whether the folder has changed, and if so lets `tokens` have its keys. A folder that cannot be read changes
    /// nothing; that is said once, or once more if the operator `asked`, and once that it can be read again.
    pub(super) fn look(mut self, tokens: &Tokens, asked: bool) -> Self {
        match self.changed() {
            Ok(changed) => {
                if let Some((held, ring)) = changed {
                    tokens.replace_keys(ring);
                    let seals = folder_seals(&self.folder).unwrap_or_default();
                    self.new = seals.into_iter().flatten().collect();
                    log::info!("the keys have changed: {}", told(&held));
                } else if self.away {
                    log::info!("the keys can be read again, and are those in use");
                }
                self.away = false;
            }
            Err(error) => {
                if asked || !self.away {
                    log::error!("the keys cannot be read, and those in use are kept: {error}");
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

    fn changed(&mut self) -> Result<Option<(Held, KeyRing)>, FolderError> {
        let Some(held) = self.folder.read_if_changed(self.known)? else {
            return Ok(None);
        };
        let path = self.folder.path().to_owned();
        let ring = with_previous(held.ring.clone(), &self.previous)
            .map_err(|source| FolderError::Key { path, source })?;
        self.known = held.fingerprint;
        Ok(Some((held, ring)))
    }
}

/// Key IDs are public.
fn told(held: &Held) -> String {
    let signing = held.of_state(KeyState::Signing);
    let kid = signing.map_or("nothing", |key| &key.kid);
    let others = held.keys.len().saturating_sub(1);
    format!("{kid} signs, and {others} more verify")
}
