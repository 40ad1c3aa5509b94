//! Keys: which algorithm signs, with what, and which signatures are taken.
//!
//! A [`KeyRing`] is made once at start and refuses what cannot be safe, so nothing above it has to ask again.
//! One key serves one algorithm (RFC 8725 section 3.1): a token that names another is refused before its signature is
//! looked at.

use std::fmt;

use jsonwebtoken::crypto::{self, CryptoProvider};
use jsonwebtoken::{DecodingKey, EncodingKey};
use thiserror::Error;

/// The JWS algorithms a key ring can hold (RFC 7518 section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Algorithm {
    /// HMAC with SHA-256, the default, as in Flask-JWT-Extended.
    #[default]
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl Algorithm {
    /// All of them, for messages and settings.
    pub const ALL: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];

    /// The name in a token's `alg`; compared exactly, case included (RFC 7515 section 4.1.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// The algorithm of that exact name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    /// The shortest secret allowed, in bytes: that of the hash's output (RFC 7518 section 3.2).
    pub const fn min_secret_len(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
        }
    }

    const fn jws(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Hs384 => jsonwebtoken::Algorithm::HS384,
            Self::Hs512 => jsonwebtoken::Algorithm::HS512,
        }
    }
}

/// Why a key cannot be used. Never quotes the key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The secret has fewer bytes than the hash puts out.
    #[error("the secret has {len} bytes, and {} needs at least {}", .algorithm.name(), .algorithm.min_secret_len())]
    TooShort {
        /// The algorithm it was meant for.
        algorithm: Algorithm,
        /// How many bytes there are.
        len: usize,
    },
    /// The secret is one that documentation and templates print.
    #[error("the secret is a placeholder that anyone can look up")]
    Placeholder,
    /// The cryptographic library refused to sign.
    #[error("the token could not be signed")]
    Signing(#[source] jsonwebtoken::errors::Error),
}

/// The key that signs, and the keys whose signatures are taken.
#[derive(Clone)]
pub struct KeyRing {
    algorithm: Algorithm,
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl KeyRing {
    /// A ring with one shared secret.
    ///
    /// # Errors
    ///
    /// [`KeyError::Placeholder`] for a published example or a secret of one repeated character, [`KeyError::TooShort`]
    /// for less than [`Algorithm::min_secret_len`] bytes.
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        if is_placeholder(secret) {
            return Err(KeyError::Placeholder);
        }
        if secret.len() < algorithm.min_secret_len() {
            return Err(KeyError::TooShort {
                algorithm,
                len: secret.len(),
            });
        }
        choose_provider();
        Ok(Self {
            algorithm,
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
        })
    }

    /// The algorithm that signs.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The signature of `message` in base64url.
    ///
    /// # Errors
    ///
    /// [`KeyError::Signing`] if the cryptographic library refuses.
    pub fn sign(&self, message: &[u8]) -> Result<String, KeyError> {
        crypto::sign(message, &self.signing, self.algorithm.jws()).map_err(KeyError::Signing)
    }

    /// Whether `signature` (base64url) is ours for `message`. Compared in constant time by the library below.
    pub fn verify(&self, message: &[u8], signature: &str) -> bool {
        crypto::verify(signature, message, &self.verifying, self.algorithm.jws()).unwrap_or(false)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({})", self.algorithm.name())
    }
}

/// An application that also enables jsonwebtoken's other backend would make its automatic choice panic; the first
/// choice stands, so an error only says that the application has made its own.
fn choose_provider() {
    let _already_chosen = CryptoProvider::install_default(&crypto::aws_lc::DEFAULT_PROVIDER);
}

/// Secrets printed in documentation, templates and tutorials; an attacker's first guesses.
const PUBLISHED: &[&str] = &[
    "a-string-secret-at-least-256-bits-long",
    "change-this",
    "change-me",
    "changeme",
    "default",
    "dev",
    "jwt-secret",
    "jwt-secret-string",
    "my-secret",
    "mysecret",
    "none",
    "password",
    "placeholder",
    "replace-me",
    "secret",
    "secret-key",
    "super-secret",
    "super-secret-key",
    "supersecret",
    "test",
    "todo",
    "your-256-bit-secret",
    "your-384-bit-secret",
    "your-512-bit-secret",
    "your-secret",
    "your-secret-key",
];

fn is_placeholder(secret: &[u8]) -> bool {
    let plain: Vec<u8> = letters_and_digits(secret);
    let one_character = secret.windows(2).all(|pair| pair.first() == pair.last());
    let published = PUBLISHED
        .iter()
        .any(|known| letters_and_digits(known.as_bytes()) == plain);
    one_character || published || says_change_me(&plain)
}

/// `CHANGE_ME_IN_PRODUCTION_0000...` and its kin, whatever pads them to length.
fn says_change_me(plain: &[u8]) -> bool {
    const MARKS: [&[u8]; 4] = [b"changeme", b"changethis", b"replaceme", b"yoursecret"];
    MARKS
        .iter()
        .any(|mark| plain.windows(mark.len()).any(|part| part == *mark))
}

fn letters_and_digits(text: &[u8]) -> Vec<u8> {
    text.iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(u8::to_ascii_lowercase)
        .collect()
}
