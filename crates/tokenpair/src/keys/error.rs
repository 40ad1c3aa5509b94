//! Defines the errors of keys and of signatures.

use std::fmt;

use thiserror::Error;

use super::Algorithm;
use crate::crypto::RSA_BITS;

/// The reason a key cannot be used. Never quotes the key.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The secret is shorter than the hash's output (RFC 7518 section 3.2).
    #[error("the secret has {len} bytes, and {} needs at least {}", .algorithm.name(), .algorithm.min_secret_len().unwrap_or_default())]
    TooShort {
        /// The algorithm the secret is for.
        algorithm: Algorithm,
        /// The length of the secret, in bytes.
        len: usize,
    },
    /// The secret is printed in documentation or templates.
    #[error("the secret is a published placeholder")]
    Placeholder,
    /// The secret is a short text repeated, so its length is not its strength.
    #[error("the secret is a short text repeated, which makes it no stronger")]
    Repeated,
    /// The secret is a key in PEM, DER, JWK or OpenSSH form. With a public key as the secret,
    /// anyone could sign (RFC 8725 section 2.1).
    #[error(
        "the secret is a public or private key; a secret is random bytes that only the server knows"
    )]
    KeyAsSecret,
    /// A secret was given for an algorithm that signs with a private key.
    #[error("{} takes {}, not a secret", .0.name(), .0.wants())]
    SecretForKeyPair(Algorithm),
    /// A PEM key was given for an algorithm that signs with a secret.
    #[error("{} takes a secret, not a key in PEM form", .0.name())]
    PemForSecret(Algorithm),
    /// The PEM text has no key, or the text between its lines is not base64.
    #[error(
        "this is not a key in PEM form, which begins with a line such as -----BEGIN PRIVATE KEY-----"
    )]
    NotPem,
    /// The PEM text has several keys.
    #[error("the PEM text holds more than one key")]
    SeveralKeys,
    /// The private key is encrypted, and a server cannot ask for its passphrase.
    #[error("the private key is encrypted; write it without a passphrase with `openssl pkey`")]
    Encrypted,
    /// A certificate where a public key is required.
    #[error("this is a certificate; extract its public key with `openssl x509 -pubkey -noout`")]
    Certificate,
    /// A public key where a private key is required.
    #[error("this is a public key; signing needs the private key")]
    PublicKeyForSigning,
    /// A private key where a public key is required. It has been exposed to a verifier, which must
    /// not have it.
    #[error("this is a private key; verifying needs the public key alone (`openssl pkey -pubout`)")]
    PrivateKeyForVerifying,
    /// The key is of another kind or on another curve than the algorithm's.
    #[error("{} takes {}, but this is {found}", .algorithm.name(), .algorithm.wants())]
    WrongKind {
        /// The algorithm the key is for.
        algorithm: Algorithm,
        /// The kind of key found.
        found: &'static str,
    },
    /// An RSA key of fewer than 2048 bits (RFC 7518 section 3.3), or of more than 8192, which would
    /// be slow. Without the feature `aws-lc-rs`, of more than 4096.
    #[error("the RSA key must have {} to {} bits", RSA_BITS.start(), RSA_BITS.end())]
    RsaSize,
    /// Without the feature `aws-lc-rs`, RSA keys verify and do not sign: the time that the crate
    /// `rsa` takes for a signature depends on the private key, and reveals it to a patient client
    /// (RUSTSEC-2023-0071, the Marvin attack).
    #[error(
        "{} does not sign with the feature `rust-crypto`, whose RSA reveals the private key by its timing (RUSTSEC-2023-0071); \
         sign with ES256 or EdDSA, or enable the feature `aws-lc-rs`",
        .0.name()
    )]
    RsaSigning(Algorithm),
    /// The parts of the key do not form a key of the algorithm's kind.
    #[error("{} takes {}, but this cannot be read as such a key", .0.name(), .0.wants())]
    Unreadable(Algorithm),
    /// Two keys of one algorithm have the same key ID, so it cannot distinguish them.
    #[error("two {} keys have the key ID {kid:?}", .algorithm.name())]
    SameKeyId {
        /// The algorithm of both.
        algorithm: Algorithm,
        /// The key ID of both.
        kid: String,
    },
    /// The ring only verifies.
    #[error("there is no signing key")]
    NoSigningKey,
    /// The cryptographic library failed to generate a key.
    #[error("the key could not be generated")]
    Generation,
    /// The cryptographic library failed to sign.
    #[error("the token could not be signed")]
    Signing,
}

/// Prints the sentence too, since this is how Rust prints an error that `main` returns.
impl fmt::Debug for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The reason a signature is rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// No key of the ring has the algorithm (RFC 8725 section 3.1).
    #[error("no key has this algorithm")]
    AlgorithmNotAllowed,
    /// Keys of the ring have the algorithm, but none has the key ID.
    #[error("no key has this key ID")]
    KeyNotFound,
    /// The signature does not match the message under any candidate key.
    #[error("the signature does not match any key")]
    BadSignature,
}
