//! Generates keys for the tests by openssl on each run, and encodes the little DER that the RFCs'
//! keys need.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use tokenpair::keys::{Algorithm, KeyError, KeyRing, VerifyError, VerifyingKey};

pub(crate) use crate::openssl::{Pair, openssl};

/// Long enough for each HMAC algorithm.
pub(crate) const SECRET: &[u8] =
    b"sixty-four bytes or more that these tests alone know, and nobody else";

const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
pub(crate) const RSA_1024: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:1024";
const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const P384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384";
pub(crate) const P521: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-521";
pub(crate) const SECP256K1: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1";
pub(crate) const ED25519: &str = "-algorithm ED25519";

fn kind(algorithm: Algorithm) -> usize {
    match algorithm.name() {
        "ES256" => 1,
        "ES384" => 2,
        "EdDSA" => 3,
        _ => 0,
    }
}

/// Returns the pair for that algorithm, the same for all of a kind.
pub(crate) fn pair(algorithm: Algorithm) -> &'static Pair {
    static PAIRS: OnceLock<Vec<Pair>> = OnceLock::new();
    let make = || [RSA, P256, P384, ED25519].map(Pair::new).into();
    &PAIRS.get_or_init(make)[kind(algorithm)]
}

/// Returns another pair for that algorithm.
pub(crate) fn other_pair(algorithm: Algorithm) -> &'static Pair {
    static PAIRS: OnceLock<Vec<Pair>> = OnceLock::new();
    let make = || [RSA, P256, P384, ED25519].map(Pair::new).into();
    &PAIRS.get_or_init(make)[kind(algorithm)]
}

pub(crate) fn is_hmac(algorithm: Algorithm) -> bool {
    Algorithm::HMAC.contains(&algorithm)
}

pub(crate) fn asymmetric() -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL.into_iter().filter(|one| !is_hmac(*one))
}

fn is_rsa(algorithm: Algorithm) -> bool {
    kind(algorithm) == 0 && !is_hmac(algorithm)
}

/// Returns whether the library signs with that algorithm: without AWS-LC, RSA keys only verify.
pub(crate) fn signs(algorithm: &Algorithm) -> bool {
    cfg!(feature = "aws-lc-rs") || !is_rsa(*algorithm)
}

/// Returns a ring that signs, where the library does.
pub(crate) fn ring(algorithm: Algorithm) -> KeyRing {
    if is_hmac(algorithm) {
        KeyRing::from_secret(algorithm, SECRET).unwrap()
    } else if signs(&algorithm) {
        KeyRing::from_pem(algorithm, &pair(algorithm).private).unwrap()
    } else {
        KeyRing::verifying(public(algorithm))
    }
}

/// Signs with the key of that algorithm: by the library, or by jsonwebtoken where the library does
/// not.
pub(crate) fn sign(algorithm: Algorithm, message: &[u8]) -> String {
    if signs(&algorithm) {
        ring(algorithm).sign(message).unwrap()
    } else {
        sign_elsewhere(algorithm, pair(algorithm), message)
    }
}

/// Signs with the other key of that algorithm.
pub(crate) fn sign_by_other(algorithm: Algorithm, message: &[u8]) -> String {
    let pair = other_pair(algorithm);
    if signs(&algorithm) {
        let keys = KeyRing::from_pem(algorithm, &pair.private).unwrap();
        keys.sign(message).unwrap()
    } else {
        sign_elsewhere(algorithm, pair, message)
    }
}

fn sign_elsewhere(algorithm: Algorithm, pair: &Pair, message: &[u8]) -> String {
    let key = EncodingKey::from_rsa_pem(pair.private.as_bytes()).unwrap();
    jsonwebtoken::crypto::sign(message, &key, algorithm.name().parse().unwrap()).unwrap()
}

/// Returns the tag of HS256 for any key, however weak.
pub(crate) fn hs256(secret: &[u8], message: &[u8]) -> String {
    let key = EncodingKey::from_secret(secret);
    jsonwebtoken::crypto::sign(message, &key, jsonwebtoken::Algorithm::HS256).unwrap()
}

pub(crate) fn public(algorithm: Algorithm) -> VerifyingKey {
    if is_hmac(algorithm) {
        VerifyingKey::from_secret(algorithm, SECRET).unwrap()
    } else {
        VerifyingKey::from_pem(algorithm, &pair(algorithm).public).unwrap()
    }
}

/// Verifies with the `alg` and the `kid` of the ring's first key.
pub(crate) fn verify(ring: &KeyRing, message: &[u8], signature: &str) -> Result<(), VerifyError> {
    if let Some(algorithm) = ring.algorithm() {
        return ring.verify(algorithm.name(), ring.kid(), message, signature);
    }
    let jwks = serde_json::to_value(ring.jwks()).unwrap();
    let member = |name: &str| jwks["keys"][0][name].as_str();
    ring.verify(member("alg").unwrap(), member("kid"), message, signature)
}

pub(crate) fn signing_error(algorithm: Algorithm, pem: &str) -> KeyError {
    KeyRing::from_pem(algorithm, pem).unwrap_err()
}

pub(crate) fn verifying_error(algorithm: Algorithm, pem: &str) -> KeyError {
    VerifyingKey::from_pem(algorithm, pem).unwrap_err()
}

pub(crate) fn decode(base64url: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(base64url).unwrap()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns the bytes between the lines of a PEM text.
pub(crate) fn der_of(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("--")).collect();
    STANDARD.decode(body).unwrap()
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// Encodes a DER value: tag, length, content.
pub(crate) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let head = match content.len() {
        0..128 => vec![tag, low],
        128..256 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&head[..], content].concat()
}

/// Encodes a DER INTEGER, never negative, with no more zero bytes than needed.
pub(crate) fn integer(number: &[u8]) -> Vec<u8> {
    match number.first() {
        Some(first) if *first >= 0x80 => der(0x02, &[&[0], number].concat()),
        _ => der(0x02, number),
    }
}

pub(crate) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(0x30, &parts.concat())
}
