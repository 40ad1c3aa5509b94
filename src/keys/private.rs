//! What signs: a secret, or the private half of a key pair.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_FIXED_SIGNING,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair, RsaKeyPair, RsaSignatureEncoding,
};

use super::algorithm::{Algorithm, Family};
use super::error::KeyError;
use super::pem::{self, Form};

/// Parsed once: signing with a parsed RSA key takes a third of the time.
pub(super) enum PrivateKey {
    Secret(Arc<hmac::Key>),
    Rsa(RsaKeyPair, &'static RsaSignatureEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    pub(super) fn from_pem(algorithm: Algorithm, text: &str) -> Result<Self, KeyError> {
        if let Family::Hmac(_) = algorithm.family() {
            return Err(KeyError::PemForSecret(algorithm));
        }
        let (form, der) = pem::key(text)?;
        if form == Form::Public {
            return Err(KeyError::PublicKeyForSigning);
        }
        Self::parse(algorithm, form, &der).map_err(|rejected| reason(algorithm, &der, rejected))
    }

    /// The library checks that the halves belong together and that RSA's parts agree.
    fn parse(algorithm: Algorithm, form: Form, der: &[u8]) -> Result<Self, KeyRejected> {
        Ok(match algorithm.family() {
            Family::Hmac(hash) => Self::Secret(Arc::new(hmac::Key::new(hash, der))),
            Family::Rsa(encoding, _) if form == Form::RsaPrivate => {
                Self::Rsa(RsaKeyPair::from_der(der)?, encoding)
            }
            Family::Rsa(encoding, _) => Self::Rsa(RsaKeyPair::from_pkcs8(der)?, encoding),
            Family::Ecdsa(curve) => {
                Self::Ecdsa(EcdsaKeyPair::from_private_key_der(curve.signing, der)?)
            }
            Family::Ed25519 => Self::Ed25519(Ed25519KeyPair::from_pkcs8(der)?),
        })
    }

    /// The public half as a SubjectPublicKeyInfo; none of a secret.
    pub(super) fn public_der(&self) -> Option<PublicKeyX509Der<'static>> {
        match self {
            Self::Secret(_) => None,
            Self::Rsa(pair, _) => pair.public_key().as_der().ok(),
            Self::Ecdsa(pair) => pair.public_key().as_der().ok(),
            Self::Ed25519(pair) => pair.public_key().as_der().ok(),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let random = SystemRandom::new();
        Ok(match self {
            Self::Secret(key) => hmac::sign(key, message).as_ref().to_vec(),
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature)?;
                signature
            }
            Self::Ecdsa(pair) => pair.sign(&random, message)?.as_ref().to_vec(),
            Self::Ed25519(pair) => pair.try_sign(message)?.as_ref().to_vec(),
        })
    }
}

fn reason(algorithm: Algorithm, der: &[u8], rejected: KeyRejected) -> KeyError {
    let rsa = matches!(algorithm.family(), Family::Rsa(..));
    if rsa && is_size(rejected) {
        return KeyError::RsaSize;
    }
    match kind(der) {
        Some(found) if found != algorithm.wants() => KeyError::WrongKind { algorithm, found },
        _ => KeyError::Unreadable(algorithm),
    }
}

/// The library tells why only by these words.
fn is_size(rejected: KeyRejected) -> bool {
    matches!(rejected.description_(), "TooSmall" | "TooLarge")
}

/// What kind of private key this is, in the words of [`Algorithm::wants`].
pub(super) fn kind(der: &[u8]) -> Option<&'static str> {
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
