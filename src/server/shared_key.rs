//! Defines the key that all servers on one database share. Keys derived from it identify rate-limit
//! counters and sign device cookies. It survives rotations of the signing keys, so that all servers
//! keep sharing their counters.
//!
//! It is random and created by the first server that starts. The database stores it, encrypted
//! under each signing key, current and former. A server with any of these keys can open it, and
//! seals it under its other keys too. A copy of the database alone does not reveal it.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::start_error::StartError;
use crate::causes::in_a_line;
use tokenpair::clock::Timestamp;
use tokenpair::random::random_bytes;
use tokenpair_store::{DieselStore, SealedKey};

/// Length of the key and of a nonce of AES-GCM, in bytes.
const BYTES: usize = 32;
const NONCE: usize = 12;

/// The shared key.
#[derive(Clone)]
pub(super) struct SharedKey([u8; BYTES]);

/// Seals and opens the shared key, with a key derived from a current or former signing key.
pub(super) struct Seal {
    /// The id of its row, which reveals nothing of the key.
    id: String,
    key: RandomizedNonceKey,
}

impl SharedKey {
    /// Returns the key that the servers on this database share. Creates it if no seal opens one.
    ///
    /// Writes only the seals that are missing, so a server starts on a database that accepts no
    /// writes if it can open the key.
    pub(super) async fn of(
        store: &DieselStore,
        seals: &[Seal],
        now: Timestamp,
    ) -> Result<Self, StartError> {
        let rows = rows(store, seals).await?;
        if let Some(known) = Self::opened(&rows, seals) {
            let is_missing = |seal: &&Seal| rows.iter().all(|row| row.id != seal.id);
            let missing = seals.iter().filter(is_missing);
            if let Err(error) = known.seal_under(store, missing, now).await {
                log::warn!(
                    "cannot store the key that all servers share under the new signing keys in the table server_keys: \
                     {}; restart this server once the database accepts writes, and keep the former signing keys until then",
                    in_a_line(&error)
                );
            }
            return Ok(known);
        }
        let new = Self::random();
        new.seal_under(store, seals, now)
            .await
            .map_err(|error| match error {
                StartError::Sealed(cause) => StartError::Sealing(cause),
                error => error,
            })?;
        // Of several servers that start together, the first one's key is kept.
        Self::opened(&self::rows(store, seals).await?, seals).ok_or(StartError::SharedKey)
    }

    fn random() -> Self {
        let mut bytes = [0; BYTES];
        random_bytes(&mut bytes);
        Self(bytes)
    }

    fn opened(rows: &[SealedKey], seals: &[Seal]) -> Option<Self> {
        seals.iter().find_map(|seal| {
            let mut rows = rows.iter().filter(|row| row.id == seal.id);
            rows.find_map(|row| seal.open(&row.sealed))
        })
    }

    /// Stores the key under each of these seals that has no row yet.
    pub(super) async fn seal_under(
        &self,
        store: &DieselStore,
        seals: impl IntoIterator<Item = &Seal>,
        now: Timestamp,
    ) -> Result<(), StartError> {
        let rows = seals.into_iter().map(|seal| {
            Some(SealedKey {
                id: seal.id.clone(),
                sealed: seal.seal(self)?,
                created_at: now,
            })
        });
        let rows: Vec<_> = rows.collect::<Option<_>>().ok_or(StartError::SharedKey)?;
        if rows.is_empty() {
            return Ok(());
        }
        Ok(store.keep_sealed_keys(rows).await?)
    }

    /// Returns a key for one purpose.
    pub(super) fn derive(&self, purpose: &[u8]) -> hmac::Key {
        let own = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&own, purpose).as_ref())
    }
}

/// Returns the stored seals that these may open.
async fn rows(store: &DieselStore, seals: &[Seal]) -> Result<Vec<SealedKey>, StartError> {
    let ids = seals.iter().map(|seal| seal.id.clone()).collect();
    Ok(store.sealed_keys(ids).await?)
}

impl Seal {
    /// Derives a seal from a signing key: a secret's bytes, or a private key's PEM.
    pub(super) fn of(signing: &[u8]) -> Option<Self> {
        let signing = hmac::Key::new(hmac::HMAC_SHA256, signing);
        let derive = |purpose: &[u8]| hmac::sign(&signing, purpose);
        let key = derive(b"tokenpair shared key v1");
        Some(Self {
            id: URL_SAFE_NO_PAD.encode(derive(b"tokenpair shared key id v1")),
            key: RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()).ok()?,
        })
    }

    fn seal(&self, shared: &SharedKey) -> Option<String> {
        let mut text = shared.0.to_vec();
        let aad = Aad::from(self.id.as_bytes());
        let nonce = self.key.seal_in_place_append_tag(aad, &mut text).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &text].concat()))
    }

    fn open(&self, sealed: &str) -> Option<SharedKey> {
        let mut sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = sealed.split_at_mut_checked(NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let aad = Aad::from(self.id.as_bytes());
        let opened = self.key.open_in_place(nonce, aad, text).ok()?;
        let bytes: &[u8] = opened;
        Some(SharedKey(bytes.try_into().ok()?))
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_opened_by_the_key_that_sealed_it_and_by_no_other() {
        let (ours, other) = (Seal::of(b"ours").unwrap(), Seal::of(b"another").unwrap());
        let shared = SharedKey::random();
        let sealed = ours.seal(&shared).unwrap();
        assert_eq!(ours.open(&sealed).unwrap().0, shared.0);
        assert!(other.open(&sealed).is_none());
        let moved = Seal {
            id: "another row".to_owned(),
            ..ours
        };
        assert!(moved.open(&sealed).is_none());
        for broken in ["", "x", &sealed[1..], &format!("{sealed}A")] {
            assert!(moved.open(broken).is_none());
        }
    }
}
