//! Defines keys for the tokens of one test run, for every algorithm that both sides support.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};

/// Long enough for HS512, and without a meaning elsewhere.
pub(crate) const SECRET: &str =
    "the-secret-of-both-sides-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEF";

#[derive(Clone, Debug)]
pub(crate) struct Pem {
    pub(crate) private: String,
    pub(crate) public: String,
}

#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) rsa: Pem,
    pub(crate) p256: Pem,
    pub(crate) p384: Pem,
    pub(crate) ed25519: Pem,
}

impl Keys {
    pub(crate) fn generate() -> Self {
        Self {
            rsa: rsa(),
            p256: elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING),
            p384: elliptic(&ECDSA_P384_SHA384_FIXED_SIGNING),
            ed25519: ed25519(),
        }
    }

    /// Returns the pair for an algorithm; `None` for HMAC.
    pub(crate) fn pair(&self, algorithm: Algorithm) -> Option<&Pem> {
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

fn rsa() -> Pem {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    both(private.as_ref(), public.as_ref())
}

fn elliptic(algorithm: &'static EcdsaSigningAlgorithm) -> Pem {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    both(private.as_ref(), public.as_ref())
}

fn ed25519() -> Pem {
    let pair = Ed25519KeyPair::generate().unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    both(private.as_ref(), public.as_ref())
}

fn both(private: &[u8], public: &[u8]) -> Pem {
    Pem {
        private: pem("PRIVATE KEY", private),
        public: pem("PUBLIC KEY", public),
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
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
