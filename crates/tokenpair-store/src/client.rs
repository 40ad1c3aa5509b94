//! Defines a [`Client`]: a service that authenticates with an id and a secret, to ask about tokens
//! or to revoke them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use tokenpair::clock::Timestamp;
use tokenpair::random::random_text;
use tokenpair::session::StoreError;

/// The number of random bytes in a secret.
const SECRET_BYTES: usize = 32;

/// A client's secret in plain text, which is shown once and never stored.
///
/// ```
/// use tokenpair_store::ClientSecret;
///
/// let secret = ClientSecret::random();
/// assert!(secret.expose().starts_with("tpc_") && secret.expose().len() == 47);
/// assert_eq!(format!("{secret:?}"), "ClientSecret(..)");
/// assert!(secret.digest().matches(secret.expose()));
/// assert!(!secret.digest().matches("tpc_another"));
/// ```
pub struct ClientSecret(String);

impl ClientSecret {
    /// The start of every secret, by which scanners find leaked ones.
    pub const PREFIX: &'static str = "tpc_";

    /// Returns a new secret of 256 random bits.
    ///
    /// # Panics
    ///
    /// Panics if the operating system has no randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("{}{}", Self::PREFIX, random_text(SECRET_BYTES)))
    }

    /// Returns the text, to show it to its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the digest to store.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(&self.0)
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

/// The SHA-256 of a client's secret. A secret has 256 random bits, so it needs no slow hash.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretDigest(String);

impl SecretDigest {
    /// Returns the digest of a text that a client sent.
    pub fn of(text: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(text)))
    }

    pub(super) const fn from_text(text: String) -> Self {
        Self(text)
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Returns whether this is the digest of that text. Takes the same time for every text of one
    /// length.
    pub fn matches(&self, text: &str) -> bool {
        self.is(&Self::of(text))
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}

/// A permission of a client.
///
/// ```
/// use tokenpair_store::ClientPermission;
///
/// assert_eq!(ClientPermission::from_word("revoke"), Some(ClientPermission::Revoke));
/// assert_eq!(ClientPermission::Introspect.word(), "introspect");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum ClientPermission {
    /// To ask whether a token is active (RFC 7662).
    Introspect,
    /// To end the session of a token (RFC 7009).
    Revoke,
}

impl ClientPermission {
    /// All permissions.
    pub const ALL: [Self; 2] = [Self::Introspect, Self::Revoke];

    /// Returns the word that is kept and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Introspect => "introspect",
            Self::Revoke => "revoke",
        }
    }

    /// Returns the permission for a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|permission| permission.word() == word)
    }

    pub(super) fn join(permissions: &[Self]) -> String {
        let words: Vec<_> = permissions.iter().map(|one| one.word()).collect();
        words.join(" ")
    }

    /// Permissions of a later version are left out: this one has no use for them.
    pub(super) fn split(text: &str) -> Vec<Self> {
        text.split_whitespace()
            .filter_map(Self::from_word)
            .collect()
    }
}

impl fmt::Display for ClientPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The name of a client.
///
/// ```
/// use tokenpair_store::{ClientName, ClientNameError};
///
/// assert_eq!(ClientName::parse("billing-api").map(ClientName::into_string), Ok("billing-api".to_owned()));
/// assert_eq!(ClientName::parse("Billing API"), Err(ClientNameError));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientName(String);

/// The reason a text is not a client's name.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a client's name has 1 to 64 lower-case letters, digits, - and _")]
pub struct ClientNameError;

impl ClientName {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// Returns a [`ClientNameError`] if it is not valid.
    pub fn parse(text: &str) -> Result<Self, ClientNameError> {
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        let good = (1..=64).contains(&text.len()) && text.bytes().all(plain);
        good.then(|| Self(text.to_owned())).ok_or(ClientNameError)
    }

    /// Returns the name.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// A stored client.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Client {
    /// UUIDv7; the `client_id` of its requests.
    pub id: String,
    /// The name, which is unique.
    pub name: String,
    /// What it may do.
    pub permissions: Vec<ClientPermission>,
    /// The digest of its current secret.
    pub secret: SecretDigest,
    /// The time at which it got that secret.
    pub secret_at: Timestamp,
    /// The digest of the secret before, as long as that is accepted too.
    pub previous_secret: Option<SecretDigest>,
    /// The time at which it was added.
    pub created_at: Timestamp,
}

impl Client {
    /// Returns whether it may do this.
    pub fn may(&self, permission: ClientPermission) -> bool {
        self.permissions.contains(&permission)
    }

    /// Returns whether a digest is that of one of its secrets. Compares with both in any case.
    pub fn accepts(&self, digest: &SecretDigest) -> bool {
        let current = self.secret.is(digest);
        let previous = self.previous_secret.as_ref();
        let previous = previous.is_some_and(|previous| previous.is(digest));
        current || previous
    }
}

/// The reason a client was not added.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The name is taken.
    #[error("another client has this name")]
    Taken,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
