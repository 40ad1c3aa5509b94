//! The keys of the settings: read or made at the start, and followed where they are a folder's.

use std::path::Path;

use aws_lc_rs::hmac;
use secrecy::ExposeSecret;

use super::{StartError, secret};
use crate::clock::Timestamp;
use crate::key_folder::{Fingerprint, FolderError, Held, KeyFolder, KeyState};
use crate::keys::{KeyError, KeyRing, VerifyingKey};
use crate::settings::{KeySource, Settings};
use crate::token::Tokens;

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
    previous: Vec<VerifyingKey>,
    /// Whether it was said that the folder cannot be read.
    away: bool,
}

/// The keys of the settings. What the server has to make on its first start is made.
pub(super) fn begin(settings: &Settings, now: Timestamp) -> Result<Keys, StartError> {
    match &settings.keys {
        KeySource::KeptSecret(path) if secret_in(path)?.is_none() => {
            secret::make(path).map_err(unreadable(path))?;
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
            Some(secret) => KeyRing::from_secret(settings.algorithm, &secret)?,
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
    };
    Ok(Keys {
        ring: with_previous(held.ring, &followed.previous)?,
        followed: Some(followed),
    })
}

/// The key under which failures are counted: the same on all servers that began with the same key, and of no use to whoever
/// reads the database alone.
pub(super) fn throttle_key(settings: &Settings) -> Result<hmac::Key, StartError> {
    let material = match &settings.keys {
        KeySource::Secret(text) | KeySource::PrivateKey(text) => {
            text.expose_secret().as_bytes().to_vec()
        }
        KeySource::KeptSecret(path) => secret_in(path)?.unwrap_or_default(),
        KeySource::Folder(path) | KeySource::KeptFolder(path) => {
            let held = KeyFolder::new(path).read()?;
            let signing = held.of_state(KeyState::Signing);
            let signing = signing.ok_or(KeyError::NoSigningKey)?;
            let path = path.join(&signing.file);
            std::fs::read(&path).map_err(unreadable(&path))?
        }
    };
    let material = hmac::Key::new(hmac::HMAC_SHA256, &material);
    let derived = hmac::sign(&material, b"tokenpair throttle v1");
    Ok(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
}

/// They have no key ID, so a token finds them by its algorithm, which no key pair has.
fn with_previous(ring: KeyRing, previous: &[VerifyingKey]) -> Result<KeyRing, KeyError> {
    let mut previous = previous.iter().cloned();
    previous.try_fold(ring, KeyRing::with_verifying)
}

fn secret_in(path: &Path) -> Result<Option<Vec<u8>>, StartError> {
    secret::read(path).map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> StartError {
    let path = path.display().to_string();
    move |source| StartError::Secret {
        path: path.clone(),
        source,
    }
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
    /// nothing; that is said once, and once that it can be read again.
    pub(super) fn look(mut self, tokens: &Tokens) -> Self {
        match self.changed() {
            Ok(changed) => {
                if let Some((held, ring)) = changed {
                    tokens.replace_keys(ring);
                    log::info!("the keys have changed: {}", told(&held));
                } else if self.away {
                    log::info!("the keys can be read again, and are those in use");
                }
                self.away = false;
            }
            Err(error) => {
                if !self.away {
                    log::error!("the keys cannot be read, and those in use are kept: {error}");
                }
                self.away = true;
            }
        }
        self
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
