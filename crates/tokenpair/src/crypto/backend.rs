//! Defines what the library needs of a cryptographic library.

use jsonwebtoken::EncodingKey;
use jsonwebtoken::crypto::CryptoProvider;

/// A kind of key pair.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// A public key that the library has checked, in the numbers of its JWK, big-endian.
pub(crate) enum PublicKey {
    /// Without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// The coordinates of a point on P-256 or P-384, as long as the curve's field.
    Point { x: Vec<u8>, y: Vec<u8> },
    /// 32 bytes, little-endian, as in RFC 8032.
    Ed25519(Vec<u8>),
}

/// A private key that the library has checked, and its public half.
pub(crate) struct KeyPair {
    /// In the form that this library's provider of `jsonwebtoken` reads.
    pub(crate) signing: EncodingKey,
    pub(crate) public: PublicKey,
}

/// A cryptographic library.
pub(crate) trait Backend {
    /// Signs and verifies in `jsonwebtoken`.
    const PROVIDER: &'static CryptoProvider;

    /// Whether its RSA signatures take the same time whatever the private key.
    const SIGNS_WITH_RSA: bool;

    /// The largest modulus it verifies with, in bits.
    const RSA_MAX_BITS: usize;

    fn sha256(data: &[u8]) -> [u8; 32];

    fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32];

    /// Compares in a time that depends on the lengths alone.
    fn equal(one: &[u8], other: &[u8]) -> bool;

    /// Returns a new private key as PKCS#8. RSA keys have 3072 bits: as strong as the others, 128
    /// bits (NIST SP 800-57 part 1, table 2). `None` if the library fails, or refuses the kind.
    fn generate(kind: KeyKind) -> Option<Vec<u8>>;

    /// Parses a private key, and checks that its parts agree. RSA keys are in PKCS#1, keys on a
    /// curve in PKCS#8 or SEC 1, Ed25519 keys in PKCS#8.
    fn key_pair(kind: KeyKind, der: &[u8]) -> Option<KeyPair>;

    /// Parses a public key, and checks that its point is on the curve, and that RSA's exponent is
    /// odd and at least 3. RSA keys are in PKCS#1, others in a SubjectPublicKeyInfo.
    fn public_key(kind: KeyKind, der: &[u8]) -> Option<PublicKey>;
}
