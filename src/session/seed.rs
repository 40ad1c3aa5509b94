//! Randomness of sessions: a seed per session, and what is derived from it.
//!
//! The refresh token of a generation must be the same text whenever it is made, so its `jti` is derived; the CSRF
//! values must stay the same over reissue and refresh, so they are derived too.

use std::fmt;

use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How many random bytes an id or a CSRF value has: 128 bits. A UUID has 122 and does not qualify (OWASP ASVS 5.0,
/// 11.5.1).
pub(super) const RANDOM_BYTES: usize = 16;

/// That many random bytes, as base64url.
///
/// # Panics
///
/// If the operating system has no randomness to give, which no program should survive.
#[expect(
    clippy::expect_used,
    reason = "without randomness every token could be guessed"
)]
pub fn random_text(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    rand::fill(&mut buffer).expect("BUG: the operating system gives no randomness");
    URL_SAFE_NO_PAD.encode(buffer)
}

/// The secret of one session, from which its CSRF values and token ids are derived. It signs nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed(String);

impl Seed {
    /// A new one.
    pub fn random() -> Self {
        Self(random_text(RANDOM_BYTES))
    }

    /// As a store kept it.
    pub const fn from_text(text: String) -> Self {
        Self(text)
    }

    /// For a store to keep.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// 128 bits that only this seed and this label give.
    pub(super) fn derive(&self, label: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        let tag = hmac::sign(&key, label.as_bytes());
        URL_SAFE_NO_PAD.encode(tag.as_ref().get(..RANDOM_BYTES).unwrap_or_default())
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}
