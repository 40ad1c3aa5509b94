//! Defines [`KeyDirectory`] and reads it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{self, SHA256};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use super::files;
use super::state::{DirectoryState, Key, KeyState, STATE};
use crate::command::command;
use tokenpair::keys::{Algorithm, KeyError, KeyRing, VerifyingKey};

/// A folder of keys, which may not exist yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyDirectory {
    pub(super) path: PathBuf,
}

/// A hash of a folder's content, which detects changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fingerprint([u8; 32]);

/// A snapshot of a folder.
#[derive(Clone, Debug)]
pub struct Held {
    /// The signing key, the coming key, and the others by name.
    pub keys: Vec<Key>,
    /// The keys, for signing and verifying.
    pub ring: KeyRing,
    /// The fingerprint of this content.
    pub fingerprint: Fingerprint,
}

/// Why a key folder cannot be read or changed. Never quotes a key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The operating system failed.
    #[error("{path} cannot be read or written: {source}")]
    Io {
        /// The file or the folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no key.
    #[error("there is no key in {0}; run `{generate}` to add one", generate = command("keys generate"))]
    Empty(PathBuf),
    /// A file name without an algorithm.
    #[error(
        "{0}: rename the file so that it begins with the key's algorithm and ends with .pem, as in ES256-2026.pem"
    )]
    Name(PathBuf),
    /// A file with an unusable key.
    #[error("{path} cannot be used: {source}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// One key in two files. A key must not serve two algorithms (RFC 8725 section 3.1).
    #[error("{0} and {1} hold the same key; remove one of them")]
    Twice(PathBuf, String),
    /// Several keys without a `state.toml` that names the signing key.
    #[error("{0} does not say which key signs; write signing = \"FILE\" into it")]
    NoState(PathBuf),
    /// `state.toml` cannot be parsed.
    #[error(
        "{0} cannot be parsed; write signing = \"FILE\", and coming = \"FILE\" if there is a coming key"
    )]
    DirectoryState(PathBuf),
    /// The file of the signing key is missing.
    #[error("{path} names the signing key {file}, and there is no such file")]
    Missing {
        /// The `state.toml`.
        path: PathBuf,
        /// The missing file.
        file: String,
    },
    /// No key with that ID.
    #[error("there is no key {0:?}; list all with `{list}`", list = command("keys list"))]
    Unknown(String),
    /// The signing key cannot be deleted.
    #[error("{0} is the signing key; run `{rotate}` first", rotate = command("keys rotate"))]
    Signs(String),
    /// There is a coming key already.
    #[error(
        "{0} is already coming; start signing with it by `{rotate}`, or delete it by `{retire}`",
        rotate = command("keys rotate"),
        retire = command("keys retire")
    )]
    ComingAlready(String),
}

impl DirectoryError {
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            path: path.clone(),
            source,
        }
    }
}

impl KeyDirectory {
    /// Returns the folder of that path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the folder.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`] if it cannot be read, holds no key, or does not say which key signs.
    pub fn read(&self) -> Result<Held, DirectoryError> {
        let read = || self.files()?.held(&self.path);
        // A change may have interrupted the first attempt.
        read().or_else(|_| read())
    }

    /// Reads the folder if its content differs from `known`.
    ///
    /// # Errors
    ///
    /// As [`KeyDirectory::read`].
    pub fn read_if_changed(&self, known: Fingerprint) -> Result<Option<Held>, DirectoryError> {
        match self.files() {
            Ok(files) if files.fingerprint() == known => Ok(None),
            _ => self.read().map(Some),
        }
    }

    /// Returns the paths of keys that other users of the machine can read.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Io`].
    pub fn exposed(&self) -> Result<Vec<PathBuf>, DirectoryError> {
        let files = self.files()?;
        let paths = files.pems.keys().map(|file| self.path.join(file));
        Ok(paths.filter(|path| files::others_can_read(path)).collect())
    }

    /// Returns the private keys in PEM.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Io`].
    pub(crate) fn pems(&self) -> Result<Vec<SecretString>, DirectoryError> {
        Ok(self.files()?.pems.into_values().collect())
    }

    /// Returns whether the folder is missing or has no key.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Io`].
    pub fn is_empty(&self) -> Result<bool, DirectoryError> {
        Ok(self.files()?.pems.is_empty())
    }

    /// Reads `state.toml` first. A key file exists before and after `state.toml` names it.
    fn files(&self) -> Result<Files, DirectoryError> {
        let state = read_if_there(&self.path.join(STATE))?;
        let mut pems = BTreeMap::new();
        for name in names(&self.path).map_err(DirectoryError::io(&self.path))? {
            if let Some(text) = read_if_there(&self.path.join(&name))? {
                pems.insert(name, SecretString::from(text));
            }
        }
        Ok(Files { state, pems })
    }
}

/// Returns the file names of keys. A missing folder has no keys.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let ours = |name: &String| !name.starts_with('.') && name.ends_with(".pem");
    names
        .filter(|name: &io::Result<String>| name.as_ref().map_or(true, ours))
        .collect()
}

fn read_if_there(path: &Path) -> Result<Option<String>, DirectoryError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DirectoryError::io(path)(error)),
    }
}

/// The files' contents, not yet parsed.
struct Files {
    state: Option<String>,
    pems: BTreeMap<String, SecretString>,
}

impl Files {
    fn fingerprint(&self) -> Fingerprint {
        let mut digest = digest::Context::new(&SHA256);
        let mut add = |text: &str| {
            digest.update(&text.len().to_be_bytes());
            digest.update(text.as_bytes());
        };
        add(self.state.as_deref().unwrap_or_default());
        for (name, pem) in &self.pems {
            add(name);
            add(pem.expose_secret());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.finish().as_ref());
        Fingerprint(bytes)
    }

    fn held(&self, folder: &Path) -> Result<Held, DirectoryError> {
        let state = self.state(folder)?;
        let pem = self.pems.get(&state.signing);
        let pem = pem.ok_or_else(|| DirectoryError::Missing {
            path: folder.join(STATE),
            file: state.signing.clone(),
        })?;
        let (algorithm, path) = (
            algorithm(folder, &state.signing)?,
            folder.join(&state.signing),
        );
        let ring = KeyRing::from_pem(algorithm, pem.expose_secret())
            .map_err(|source| DirectoryError::Key { path, source })?;
        let kid = ring.kid().unwrap_or_default().to_owned();
        let first = state.key(&state.signing, kid, algorithm);
        let mut held = Held {
            keys: vec![first],
            ring,
            fingerprint: self.fingerprint(),
        };
        for (file, pem) in self.pems.iter().filter(|(file, _)| **file != state.signing) {
            held.add(folder, file, pem, &state)?;
        }
        held.keys.sort_by_key(|key| key.state);
        Ok(held)
    }

    /// Parses the state. A single key needs no `state.toml`.
    fn state(&self, folder: &Path) -> Result<DirectoryState, DirectoryError> {
        let path = folder.join(STATE);
        let mut names = self.pems.keys();
        match (&self.state, names.next(), names.next()) {
            (_, None, _) => Err(DirectoryError::Empty(folder.to_owned())),
            (Some(text), ..) => {
                DirectoryState::parse(text).ok_or(DirectoryError::DirectoryState(path))
            }
            (None, Some(only), None) => Ok(DirectoryState::of(only.clone())),
            (None, ..) => Err(DirectoryError::NoState(path)),
        }
    }
}

impl Held {
    /// Adds a key that verifies.
    fn add(
        &mut self,
        folder: &Path,
        file: &str,
        pem: &SecretString,
        state: &DirectoryState,
    ) -> Result<(), DirectoryError> {
        let path = folder.join(file);
        let algorithm = algorithm(folder, file)?;
        let unusable = |source| DirectoryError::Key {
            path: path.clone(),
            source,
        };
        let key = VerifyingKey::from_private_pem(algorithm, pem.expose_secret());
        let key = key.map_err(unusable)?;
        let kid = key.kid().unwrap_or_default().to_owned();
        if let Some(same) = self.keys.iter().find(|other| other.kid == kid) {
            return Err(DirectoryError::Twice(path, same.file.clone()));
        }
        self.ring = self.ring.clone().with_verifying(key).map_err(unusable)?;
        self.keys.push(state.key(file, kid, algorithm));
        Ok(())
    }

    /// Returns the first key in that state. At most one key is signing, and at most one is coming.
    pub fn of_state(&self, state: KeyState) -> Option<&Key> {
        self.keys.iter().find(|key| key.state == state)
    }
}

/// Returns the algorithm that the file name states. The key does not decide it: an RSA key could
/// serve six (RFC 8725 section 3.1).
fn algorithm(folder: &Path, file: &str) -> Result<Algorithm, DirectoryError> {
    let name = file.split_once('-').map(|(name, _)| name);
    name.and_then(Algorithm::from_name)
        .ok_or_else(|| DirectoryError::Name(folder.join(file)))
}
