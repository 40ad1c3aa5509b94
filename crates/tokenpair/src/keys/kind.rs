//! Detects the kind of key that DER bytes hold, and finds RSA keys in them.

use super::der::{self, Algorithm};
use super::error::KeyError;
use crate::crypto::RSA_BITS;

/// `rsaEncryption` (RFC 8017 appendix A.1). Not `id-RSASSA-PSS`, whose keys may prescribe another
/// hash and salt than the algorithm's (RFC 4055 section 3.1).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// `id-ecPublicKey` (RFC 5480 section 2.1.1).
const ELLIPTIC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// `id-Ed25519` (RFC 8410 section 3).
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const SECP256K1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x0a];

/// Returns the kind of a public key, in the words of [`Algorithm::wants`](super::Algorithm::wants).
pub(super) fn of_public(der: &[u8]) -> Option<&'static str> {
    match der::subject_public_key(der) {
        Some((algorithm, _)) => name(algorithm),
        None => der::pkcs1_public_modulus(der).map(|_| "an RSA key"),
    }
}

/// Returns the kind of a private key, in the words of
/// [`Algorithm::wants`](super::Algorithm::wants).
pub(super) fn of_private(der: &[u8]) -> Option<&'static str> {
    if let Some((algorithm, _)) = der::pkcs8(der) {
        return name(algorithm);
    }
    match der::pkcs1_private_modulus(der) {
        Some(_) => Some("an RSA key"),
        None => der::sec1_curve(der).and_then(curve),
    }
}

fn name(algorithm: Algorithm<'_>) -> Option<&'static str> {
    match algorithm.id {
        RSA => Some("an RSA key"),
        ED25519 => Some("an Ed25519 key"),
        ELLIPTIC => algorithm.curve.and_then(curve),
        _ => None,
    }
}

fn curve(id: &[u8]) -> Option<&'static str> {
    match id {
        P256 => Some("a key on the curve P-256"),
        P384 => Some("a key on the curve P-384"),
        P521 => Some("a key on the curve P-521"),
        SECP256K1 => Some("a key on the curve secp256k1"),
        _ => None,
    }
}

/// Returns a public RSA key in PKCS#1.
pub(super) fn rsa_public(der: &[u8]) -> Result<Option<&[u8]>, KeyError> {
    let pkcs1 = match der::subject_public_key(der) {
        Some((algorithm, key)) => (algorithm.id == RSA).then_some(key),
        None => Some(der),
    };
    sized(pkcs1, der::pkcs1_public_modulus)
}

/// Returns a private RSA key in PKCS#1.
pub(super) fn rsa_private(der: &[u8]) -> Result<Option<&[u8]>, KeyError> {
    let pkcs1 = match der::pkcs8(der) {
        Some((algorithm, key)) => (algorithm.id == RSA).then_some(key),
        None => Some(der),
    };
    sized(pkcs1, der::pkcs1_private_modulus)
}

fn sized(
    pkcs1: Option<&[u8]>,
    modulus: fn(&[u8]) -> Option<&[u8]>,
) -> Result<Option<&[u8]>, KeyError> {
    let Some(number) = pkcs1.and_then(modulus) else {
        return Ok(None);
    };
    let unused = number.first().map_or(0, |byte| byte.leading_zeros());
    let bits = (number.len() * 8).saturating_sub(unused as usize);
    if RSA_BITS.contains(&bits) {
        Ok(pkcs1)
    } else {
        Err(KeyError::RsaSize)
    }
}
