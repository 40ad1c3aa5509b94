//! A folder of signing keys that servers share: one key signs, older ones still verify, a coming one is published before
//! it signs. Servers follow it while they run.
//!
//! ```text
//! ES256-….pem    a private key (PEM, PKCS#8); the name begins with the one algorithm it serves
//! state.toml     signing = "ES256-….pem", coming = "ES256-….pem", and since when
//! ```
//!
//! The names, and not an order of time, say what a key is for, so a folder can be mounted by a secret manager as it is. A
//! folder with one key needs no `state.toml`. Each change is one rename: of a key that nothing names yet, or of the whole
//! `state.toml`; those who change take turns by a lock. So a reader finds the folder before the change or after it.

mod change;
pub(crate) mod files;
mod state;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{self, SHA256};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

pub use self::change::Rotated;
use self::state::{DirectoryState, STATE};
pub use self::state::{Key, KeyState};
use tokenpair::keys::{Algorithm, KeyError, KeyRing, VerifyingKey};

/// A folder of keys, which may not be there yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyFolder {
    path: PathBuf,
}

/// Tells what a folder holds from what it held before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fingerprint([u8; 32]);

/// What a folder held at one moment.
#[derive(Clone, Debug)]
pub struct Held {
    /// The keys: the one that signs, the coming one, and the others by their names.
    pub keys: Vec<Key>,
    /// The same, to sign and to verify with.
    pub ring: KeyRing,
    /// To see whether this has changed.
    pub fingerprint: Fingerprint,
}

/// Why a folder of keys cannot be read or changed. Never quotes a key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The operating system said no.
    #[error("{path} cannot be read or written: {source}")]
    Io {
        /// The file or the folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no key.
    #[error("there is no key in {0}; `tokenpair keys generate` makes one")]
    Empty(PathBuf),
    /// A file whose name does not say which algorithm its key serves.
    #[error(
        "{0}: the name of a key's file begins with its algorithm and ends with .pem, as in ES256-2026.pem"
    )]
    Name(PathBuf),
    /// A file whose key cannot be used.
    #[error("{path} cannot be used: {source}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// One key in two files: it would serve twice, or serve two algorithms (RFC 8725 section 3.1).
    #[error("{0} and {1} hold the same key; remove one of them")]
    Twice(PathBuf, String),
    /// Several keys, and nothing says which one signs.
    #[error("{0} does not say which key signs; write signing = \"FILE\" into it")]
    NoState(PathBuf),
    /// `state.toml` is not understood.
    #[error(
        "{0} is not understood; write signing = \"FILE\", and coming = \"FILE\" if there is such a key"
    )]
    DirectoryState(PathBuf),
    /// The key that is said to sign is not there.
    #[error("{path} says that {file} signs, and there is no such file")]
    Missing {
        /// The `state.toml`.
        path: PathBuf,
        /// What it names.
        file: String,
    },
    /// No key of that name.
    #[error("there is no key {0:?}; `tokenpair keys list` shows them")]
    Unknown(String),
    /// The key that signs cannot be taken away.
    #[error("{0} is the key that signs; `tokenpair keys rotate` first")]
    Signs(String),
    /// There is a coming key, so another one would have to wait behind it.
    #[error(
        "{0} is coming already; `tokenpair keys rotate` lets it sign, `keys retire` removes it"
    )]
    ComingAlready(String),
}

impl FolderError {
    fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            path: path.clone(),
            source,
        }
    }
}

impl KeyFolder {
    /// The folder of that path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    ///
    /// # Errors
    ///
    /// [`FolderError`] if it cannot be read, holds no key, or does not say which key signs.
    pub fn read(&self) -> Result<Held, FolderError> {
        let read = || self.files()?.held(&self.path);
        // What was not whole may have been taken away while it was read.
        read().or_else(|_| read())
    }

    /// What it holds, if that is not what it held at `known`. The keys are looked at only then.
    ///
    /// # Errors
    ///
    /// As [`KeyFolder::read`].
    pub fn read_if_changed(&self, known: Fingerprint) -> Result<Option<Held>, FolderError> {
        match self.files() {
            Ok(files) if files.fingerprint() == known => Ok(None),
            _ => self.read().map(Some),
        }
    }

    /// The paths of its keys that other users of the machine can read.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`].
    pub fn exposed(&self) -> Result<Vec<PathBuf>, FolderError> {
        let files = self.files()?;
        let paths = files.pems.keys().map(|file| self.path.join(file));
        Ok(paths.filter(|path| files::others_can_read(path)).collect())
    }

    /// The private keys themselves, in PEM.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`].
    pub(crate) fn pems(&self) -> Result<Vec<SecretString>, FolderError> {
        Ok(self.files()?.pems.into_values().collect())
    }

    /// Whether there is no key in it, or it is not there.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`].
    pub fn is_empty(&self) -> Result<bool, FolderError> {
        Ok(self.files()?.pems.is_empty())
    }

    /// `state.toml` first: a key is there before it is named, and it is named no more before it goes.
    fn files(&self) -> Result<Files, FolderError> {
        let state = read_if_there(&self.path.join(STATE))?;
        let mut pems = BTreeMap::new();
        for name in names(&self.path).map_err(FolderError::io(&self.path))? {
            if let Some(text) = read_if_there(&self.path.join(&name))? {
                pems.insert(name, SecretString::from(text));
            }
        }
        Ok(Files { state, pems })
    }
}

/// The names of its keys' files; none in a folder that is not there yet.
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

fn read_if_there(path: &Path) -> Result<Option<String>, FolderError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError::io(path)(error)),
    }
}

/// The texts, not understood yet.
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

    fn held(&self, folder: &Path) -> Result<Held, FolderError> {
        let state = self.state(folder)?;
        let pem = self.pems.get(&state.signing);
        let pem = pem.ok_or_else(|| FolderError::Missing {
            path: folder.join(STATE),
            file: state.signing.clone(),
        })?;
        let (algorithm, path) = (
            algorithm(folder, &state.signing)?,
            folder.join(&state.signing),
        );
        let ring = KeyRing::from_pem(algorithm, pem.expose_secret())
            .map_err(|source| FolderError::Key { path, source })?;
        let kid = ring.kid().unwrap_or_default().to_owned();
        let first = state.key(&state.signing, kid, algorithm);
        let mut held = Held {
            keys: vec![first],
            ring,
            fingerprint: self.fingerprint(),
        };
        for (file, pem) in self.pems.iter().filter(|(file, _)| **file != state.signing) {
            held.add(folder, (file, pem), &state)?;
        }
        held.keys.sort_by_key(|key| key.state);
        Ok(held)
    }

    /// A single key needs none.
    fn state(&self, folder: &Path) -> Result<DirectoryState, FolderError> {
        let path = folder.join(STATE);
        let mut names = self.pems.keys();
        match (&self.state, names.next(), names.next()) {
            (_, None, _) => Err(FolderError::Empty(folder.to_owned())),
            (Some(text), ..) => {
                DirectoryState::parse(text).ok_or(FolderError::DirectoryState(path))
            }
            (None, Some(only), None) => Ok(DirectoryState::of(only.clone())),
            (None, ..) => Err(FolderError::NoState(path)),
        }
    }
}

impl Held {
    /// One more whose signatures are taken.
    fn add(
        &mut self,
        folder: &Path,
        (file, pem): (&str, &SecretString),
        state: &DirectoryState,
    ) -> Result<(), FolderError> {
        let path = folder.join(file);
        let algorithm = algorithm(folder, file)?;
        let unusable = |source| FolderError::Key {
            path: path.clone(),
            source,
        };
        let key = VerifyingKey::from_private_pem(algorithm, pem.expose_secret());
        let key = key.map_err(unusable)?;
        let kid = key.kid().unwrap_or_default().to_owned();
        if let Some(same) = self.keys.iter().find(|other| other.kid == kid) {
            return Err(FolderError::Twice(path, same.file.clone()));
        }
        self.ring = self.ring.clone().with_verifying(key).map_err(unusable)?;
        self.keys.push(state.key(file, kid, algorithm));
        Ok(())
    }

    /// The key of that state; there is one at most that signs, and one that is coming.
    pub fn of_state(&self, state: KeyState) -> Option<&Key> {
        self.keys.iter().find(|key| key.state == state)
    }
}

/// The one that a key serves, by the name of its file: an RSA key alone would serve six (RFC 8725 section 3.1).
fn algorithm(folder: &Path, file: &str) -> Result<Algorithm, FolderError> {
    let name = file.split_once('-').map(|(name, _)| name);
    name.and_then(Algorithm::from_name)
        .ok_or_else(|| FolderError::Name(folder.join(file)))
}
