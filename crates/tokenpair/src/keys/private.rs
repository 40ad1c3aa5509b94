//! Defines the private half of a key pair, which signs.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};

use jsonwebtoken::EncodingKey;

use super::algorithm::{Algorithm, Family};
use super::error::KeyError;
use super::kind;
use super::pem::{self, Form};

/// The private half of a key pair, parsed and checked.
pub(super) enum PrivateKey {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Returns the signing key, and the public half as a SubjectPublicKeyInfo.
pub(super) fn from_pem(
    algorithm: Algorithm,
    text: &str,
) -> Result<(EncodingKey, PublicKeyX509Der<'static>), KeyError> {
    if let Family::Hmac = algorithm.family() {
        return Err(KeyError::PemForSecret(algorithm));
    }
    let (form, der) = pem::key(text)?;
    if form == Form::Public {
        return Err(KeyError::PublicKeyForSigning);
    }
    let pair = PrivateKey::parse(algorithm, form, &der)
        .map_err(|rejected| reason(algorithm, &der, rejected))?;
    let unreadable = || KeyError::Unreadable(algorithm);
    let public = pair.public_der().ok_or_else(unreadable)?;
    let signing = pair.signing(text, &der).ok_or_else(unreadable)?;
    Ok((signing, public))
}

impl PrivateKey {
    /// The library checks that the halves belong together and that RSA's parts agree.
    fn parse(algorithm: Algorithm, form: Form, der: &[u8]) -> Result<Self, KeyRejected> {
        Ok(match algorithm.family() {
            Family::Hmac => return Err(Unspecified.into()),
            Family::Rsa(_) if form == Form::RsaPrivate => Self::Rsa(RsaKeyPair::from_der(der)?),
            Family::Rsa(_) => Self::Rsa(RsaKeyPair::from_pkcs8(der)?),
            Family::Ecdsa(curve) => {
                Self::Ecdsa(EcdsaKeyPair::from_private_key_der(curve.signing, der)?)
            }
            Family::Ed25519 => Self::Ed25519(Ed25519KeyPair::from_pkcs8(der)?),
        })
    }

    /// In the form that jsonwebtoken wants: PKCS#1 for RSA, which it makes of either PEM itself,
    /// else PKCS#8.
    fn signing(&self, text: &str, der: &[u8]) -> Option<EncodingKey> {
        match self {
            Self::Rsa(_) => EncodingKey::from_rsa_pem(text.as_bytes()).ok(),
            Self::Ecdsa(pair) => {
                let der = pair.to_pkcs8v1().ok()?;
                Some(EncodingKey::from_ec_der(der.as_ref()))
            }
            Self::Ed25519(_) => Some(EncodingKey::from_ed_der(der)),
        }
    }

    fn public_der(&self) -> Option<PublicKeyX509Der<'static>> {
        match self {
            Self::Rsa(pair) => pair.public_key().as_der().ok(),
            Self::Ecdsa(pair) => pair.public_key().as_der().ok(),
            Self::Ed25519(pair) => pair.public_key().as_der().ok(),
        }
    }
}

fn reason(algorithm: Algorithm, der: &[u8], rejected: KeyRejected) -> KeyError {
    let rsa = matches!(algorithm.family(), Family::Rsa(_));
    if rsa && kind::is_size(rejected) {
        return KeyError::RsaSize;
    }
    match kind::of_private(der) {
        Some(found) if found != algorithm.wants() => KeyError::WrongKind { algorithm, found },
        _ => KeyError::Unreadable(algorithm),
    }
}
