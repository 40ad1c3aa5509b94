//! Detects the kind of key that DER bytes hold.

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_FIXED,
    ECDSA_P256K1_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, ParsedPublicKey, RsaKeyPair, RsaSubjectPublicKey,
};

/// Returns the kind of a public key, in the words of [`Algorithm::wants`](super::Algorithm::wants).
pub(super) fn of_public(der: &[u8]) -> Option<&'static str> {
    if RsaSubjectPublicKey::from_der(der).is_ok() {
        return Some("an RSA key");
    }
    // The library would accept any 32 bytes as a bare key.
    if der.len() > 32 && ParsedPublicKey::new(&ED25519, der).is_ok() {
        return Some("an Ed25519 key");
    }
    [
        (&ECDSA_P256_SHA256_FIXED, "a key on the curve P-256"),
        (&ECDSA_P384_SHA384_FIXED, "a key on the curve P-384"),
        (&ECDSA_P521_SHA512_FIXED, "a key on the curve P-521"),
        (&ECDSA_P256K1_SHA256_FIXED, "a key on the curve secp256k1"),
    ]
    .into_iter()
    .find(|(curve, _)| ParsedPublicKey::new(*curve, der).is_ok())
    .map(|(_, name)| name)
}

/// Returns the kind of a private key, in the words of
/// [`Algorithm::wants`](super::Algorithm::wants).
pub(super) fn of_private(der: &[u8]) -> Option<&'static str> {
    let rsa = |parsed: Result<RsaKeyPair, KeyRejected>| match parsed {
        Ok(_) => true,
        Err(rejected) => is_size(rejected),
    };
    let curves = [
        (&ECDSA_P256_SHA256_FIXED_SIGNING, "a key on the curve P-256"),
        (&ECDSA_P384_SHA384_FIXED_SIGNING, "a key on the curve P-384"),
        (&ECDSA_P521_SHA512_FIXED_SIGNING, "a key on the curve P-521"),
        (
            &ECDSA_P256K1_SHA256_FIXED_SIGNING,
            "a key on the curve secp256k1",
        ),
    ];
    if rsa(RsaKeyPair::from_pkcs8(der)) || rsa(RsaKeyPair::from_der(der)) {
        return Some("an RSA key");
    }
    if Ed25519KeyPair::from_pkcs8(der).is_ok() {
        return Some("an Ed25519 key");
    }
    let mut curves = curves.into_iter();
    curves
        .find(|(curve, _)| EcdsaKeyPair::from_private_key_der(curve, der).is_ok())
        .map(|(_, name)| name)
}

/// Returns whether an RSA key was rejected for its size. `aws_lc_rs` reports that only as text.
pub(super) fn is_size(rejected: KeyRejected) -> bool {
    matches!(rejected.description_(), "TooSmall" | "TooLarge")
}
