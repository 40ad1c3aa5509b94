//! Defines the secret of a session, and the values derived from it.
//!
//! The refresh token of a generation must be the same text each time it is issued, so its `jti` is
//! derived. The CSRF value must stay the same over reissue and refresh, so it is derived too.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::{Backend, Crypto};
use crate::random::{ID_BYTES, random_text};

/// The secret of one session, from which its CSRF value and token ids are derived. It signs
/// nothing.
///
/// ```
/// use tokenpair::session::SessionSecret;
///
/// let seed = SessionSecret::random();
/// assert_eq!(SessionSecret::from_text(seed.expose().to_owned()), seed);
/// assert_ne!(SessionSecret::random(), seed);
/// assert_eq!(format!("{seed:?}"), "SessionSecret(..)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SessionSecret(String);

impl SessionSecret {
    /// Returns a new random secret.
    pub fn random() -> Self {
        Self(random_text(ID_BYTES))
    }

    /// Returns a secret as a store kept it.
    pub const fn from_text(text: String) -> Self {
        Self(text)
    }

    /// Returns the text for a store to keep.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Derives 128 bits from this secret and this label.
    pub(super) fn derive(&self, label: &str) -> String {
        let tag = Crypto::hmac_sha256(self.0.as_bytes(), label.as_bytes());
        URL_SAFE_NO_PAD.encode(tag.get(..ID_BYTES).unwrap_or_default())
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(..)")
    }
}
