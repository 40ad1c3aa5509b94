//! Why a key cannot be used, and why a signature is not taken.

use thiserror::Error;

use super::Algorithm;

/// Why a key cannot be used. Never quotes the key.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The secret has fewer bytes than the hash puts out (RFC 7518 section 3.2).
    #[error("the secret has {len} bytes, and {} needs at least {}", .algorithm.name(), .algorithm.min_secret_len().unwrap_or_default())]
    TooShort {
        /// The algorithm it was meant for.
        algorithm: Algorithm,
        /// How many bytes there are.
        len: usize,
    },
    /// The secret is one that documentation and templates print.
    #[error("the secret is a placeholder that anyone can look up")]
    Placeholder,
    /// The secret is a short text, several times over: its length is not its strength.
    #[error("the secret is a short text that is repeated, and is no stronger for it")]
    Repeated,
    /// The secret is a key in PEM, DER, JWK or OpenSSH form. With a public key as the secret anyone could sign
    /// (RFC 8725 section 2.1).
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
    /// There is no key in the PEM text, or what is between its lines is no base64.
    #[error(
        "this is no key in PEM form; it begins with a line such as -----BEGIN PRIVATE KEY-----"
    )]
    NotPem,
    /// There are several keys in the PEM text.
    #[error("the PEM text holds more than one key")]
    SeveralKeys,
    /// The private key is encrypted, and nobody is there to type its passphrase.
    #[error("the private key is encrypted; write it without a passphrase with `openssl pkey`")]
    Encrypted,
    /// A certificate, where its public key is wanted.
    #[error("this is a certificate; take its key out with `openssl x509 -pubkey -noout`")]
    Certificate,
    /// A public key where a private key is due.
    #[error("this is a public key; signing needs the private key")]
    PublicKeyForSigning,
    /// A private key where a public key is due. It was shown to one who must not have it.
    #[error("this is a private key; verifying needs the public key alone (`openssl pkey -pubout`)")]
    PrivateKeyForVerifying,
    /// A key of another kind or on another curve than the algorithm's.
    #[error("{} takes {}, and this is {found}", .algorithm.name(), .algorithm.wants())]
    WrongKind {
        /// The algorithm it was meant for.
        algorithm: Algorithm,
        /// What it is.
        found: &'static str,
    },
    /// An RSA key of fewer than 2048 bits (RFC 7518 section 3.3), or of more than 8192, which would be slow.
    #[error("the RSA key has to have from 2048 to 8192 bits")]
    RsaSize,
    /// The parts of the key do not make a key of the algorithm's kind.
    #[error("{} takes {}, and this cannot be read as one", .0.name(), .0.wants())]
    Unreadable(Algorithm),
    /// Two keys of one algorithm have the same key ID, so it would not tell them apart.
    #[error("two {} keys have the key ID {kid:?}", .algorithm.name())]
    SameKeyId {
        /// The algorithm of both.
        algorithm: Algorithm,
        /// The key ID of both.
        kid: String,
    },
    /// The ring only verifies.
    #[error("there is no key to sign with")]
    NoSigningKey,
    /// The cryptographic library refused to make a key.
    #[error("the key could not be made")]
    Generation,
    /// The cryptographic library refused to sign.
    #[error("the token could not be signed")]
    Signing,
}

/// Why a signature is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// No key of the ring has the algorithm (RFC 8725 section 3.1).
    #[error("no key has this algorithm")]
    AlgorithmNotAllowed,
    /// Keys of the ring have the algorithm, and all have other key IDs.
    #[error("no key has this key ID")]
    KeyNotFound,
    /// The signature is of other keys, or of another message.
    #[error("the signature is not of a key we know")]
    BadSignature,
}
