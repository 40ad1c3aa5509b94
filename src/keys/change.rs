//! Implements changes of a key folder. Each change is atomic, and a lock serializes them.

use secrecy::ExposeSecret;

use super::directory::{DirectoryError, KeyDirectory};
use super::files;
use super::state::{DirectoryState, Key, KeyState, STATE};
use tokenpair::clock::Timestamp;
use tokenpair::keys::{Algorithm, KeyRing, generate_pem};

/// The result of a rotation.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The key that signs from now on.
    pub signing: Key,
    /// That key before the rotation, when it was coming. `None` if the rotation created it.
    pub announced: Option<Key>,
    /// The key that signed before.
    pub before: Key,
}

impl KeyDirectory {
    /// Adds a coming key. The first key of a folder signs at once.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::ComingAlready`] if there is a coming key; other errors if the folder cannot
    /// be read or written.
    pub fn generate(&self, algorithm: Algorithm, now: Timestamp) -> Result<Key, DirectoryError> {
        let _lock = self.lock()?;
        if self.is_empty()? {
            return self.add_first(algorithm, now);
        }
        let held = self.read()?;
        if let Some(coming) = held.of_state(KeyState::Coming) {
            return Err(DirectoryError::ComingAlready(coming.kid.clone()));
        }
        let mut state = DirectoryState::of_keys(&held.keys);
        let (file, kid) = self.add_beside(&state, algorithm)?;
        state.coming = Some(file.clone());
        state.changed(&file, now);
        self.put_state(&state)?;
        Ok(state.key(&file, kid, algorithm))
    }

    /// Adds the first key, which signs, unless there is a key already. Of several servers that
    /// start together, one adds it.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or written.
    pub fn begin(&self, algorithm: Algorithm, now: Timestamp) -> Result<(), DirectoryError> {
        if !self.is_empty()? {
            return Ok(());
        }
        let _lock = self.lock()?;
        if self.is_empty()? {
            self.add_first(algorithm, now)?;
        }
        Ok(())
    }

    /// Starts signing with the coming key; the previous key only verifies. Without a coming key,
    /// creates one.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or written, or has no key.
    pub fn rotate(&self, algorithm: Algorithm, now: Timestamp) -> Result<Rotated, DirectoryError> {
        let empty = || DirectoryError::Empty(self.path.clone());
        if self.is_empty()? {
            return Err(empty());
        }
        let _lock = self.lock()?;
        let held = self.read()?;
        let announced = held.of_state(KeyState::Coming).cloned();
        let before = held.of_state(KeyState::Signing).ok_or_else(empty)?;
        let mut state = DirectoryState::of_keys(&held.keys);
        let (file, kid, algorithm) = match announced.clone() {
            Some(key) => (key.file, key.kid, key.algorithm),
            None => {
                let (file, kid) = self.add_beside(&state, algorithm)?;
                (file, kid, algorithm)
            }
        };
        state.coming = None;
        state.signing.clone_from(&file);
        state.changed(&file, now);
        state.changed(&before.file, now);
        self.put_state(&state)?;
        Ok(Rotated {
            signing: state.key(&file, kid, algorithm),
            announced,
            before: before.clone(),
        })
    }

    /// Deletes a key that does not sign, so that its tokens are rejected. Returns the key.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Signs`] for the key that signs, [`DirectoryError::Unknown`] for an unknown key;
    /// other errors if the folder cannot be read or written.
    pub fn retire(&self, kid: &str) -> Result<Key, DirectoryError> {
        if self.is_empty()? {
            return Err(DirectoryError::Empty(self.path.clone()));
        }
        let _lock = self.lock()?;
        let held = self.read()?;
        let key = held.keys.iter().find(|key| key.kid == kid);
        let key = key.ok_or_else(|| DirectoryError::Unknown(kid.to_owned()))?;
        if key.state == KeyState::Signing {
            return Err(DirectoryError::Signs(key.kid.clone()));
        }
        let mut state = DirectoryState::of_keys(&held.keys);
        state.forget(&key.file);
        self.put_state(&state)?;
        let path = self.path.join(&key.file);
        files::remove(&path).map_err(DirectoryError::io(&path))?;
        Ok(key.clone())
    }

    /// Takes the lock that a change holds.
    fn lock(&self) -> Result<std::fs::File, DirectoryError> {
        files::make_folder(&self.path)
            .and_then(|()| files::lock(&self.path))
            .map_err(DirectoryError::io(&self.path))
    }

    fn add_first(&self, algorithm: Algorithm, now: Timestamp) -> Result<Key, DirectoryError> {
        let (file, kid) = self.add(algorithm)?;
        let mut state = DirectoryState::of(file.clone());
        state.changed(&file, now);
        self.put_state(&state)?;
        Ok(state.key(&file, kid, algorithm))
    }

    /// Adds a key beside others. A folder needs `state.toml` only from its second key on.
    fn add_beside(
        &self,
        others: &DirectoryState,
        algorithm: Algorithm,
    ) -> Result<(String, String), DirectoryError> {
        self.put_state(others)?;
        self.add(algorithm)
    }

    /// Adds a key that `state.toml` does not name yet. Returns its file and its key ID.
    fn add(&self, algorithm: Algorithm) -> Result<(String, String), DirectoryError> {
        let made = generate_pem(algorithm).and_then(|pem| {
            let ring = KeyRing::from_pem(algorithm, pem.expose_secret())?;
            Ok((ring.kid().unwrap_or_default().to_owned(), pem))
        });
        let (kid, pem) = made.map_err(|source| DirectoryError::Key {
            path: self.path.clone(),
            source,
        })?;
        let file = format!("{}-{kid}.pem", algorithm.name());
        let path = self.path.join(&file);
        files::put(&path, pem.expose_secret()).map_err(DirectoryError::io(&path))?;
        Ok((file, kid))
    }

    fn put_state(&self, state: &DirectoryState) -> Result<(), DirectoryError> {
        let path = self.path.join(STATE);
        let text = state
            .text()
            .ok_or_else(|| DirectoryError::DirectoryState(path.clone()))?;
        files::put(&path, &text).map_err(DirectoryError::io(&path))
    }
}
