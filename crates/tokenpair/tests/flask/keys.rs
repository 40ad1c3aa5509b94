//! Defines keys for the tokens of one test run, for every algorithm that both sides support.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};

use crate::openssl::Pair;

/// Long enough for HS512, and without a meaning elsewhere.
pub(crate) const SECRET: &str =
    "the-secret-of-both-sides-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEF";

#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) rsa: Pair,
    pub(crate) p256: Pair,
    pub(crate) p384: Pair,
    pub(crate) ed25519: Pair,
}

impl Keys {
    pub(crate) fn generate() -> Self {
        Self {
            rsa: Pair::new("-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
            p256: Pair::new("-algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
            p384: Pair::new("-algorithm EC -pkeyopt ec_paramgen_curve:P-384"),
            ed25519: Pair::new("-algorithm ED25519"),
        }
    }

    /// Returns the pair for an algorithm; `None` for HMAC.
    pub(crate) fn pair(&self, algorithm: Algorithm) -> Option<&Pair> {
        match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => None,
            Algorithm::ES256 => Some(&self.p256),
            Algorithm::ES384 => Some(&self.p384),
            Algorithm::EdDSA => Some(&self.ed25519),
            _ => Some(&self.rsa),
        }
    }

    pub(crate) fn signing(&self, algorithm: Algorithm) -> EncodingKey {
        let Some(pair) = self.pair(algorithm) else {
            return EncodingKey::from_secret(SECRET.as_bytes());
        };
        let pem = pair.private.as_bytes();
        match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem),
            _ => EncodingKey::from_rsa_pem(pem),
        }
        .unwrap()
    }
}

/// Signs a token of exactly these bytes.
pub(crate) fn sign(header: &[u8], payload: &[u8], key: &EncodingKey, with: Algorithm) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, with).unwrap();
    format!("{message}.{signature}")
}
