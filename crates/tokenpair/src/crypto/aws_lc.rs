//! Implements the cryptography with AWS-LC.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, RsaSubjectPublicKey,
    VerificationAlgorithm,
};
use aws_lc_rs::{constant_time, digest, hmac};
use jsonwebtoken::EncodingKey;
use jsonwebtoken::crypto::{CryptoProvider, aws_lc};

use super::backend::{Backend, KeyKind, KeyPair, PublicKey};

pub(crate) struct AwsLc;

impl Backend for AwsLc {
    const PROVIDER: &'static CryptoProvider = &aws_lc::DEFAULT_PROVIDER;
    const SIGNS_WITH_RSA: bool = true;
    const RSA_MAX_BITS: usize = 8192;

    fn sha256(data: &[u8]) -> [u8; 32] {
        array(digest::digest(&digest::SHA256, data).as_ref())
    }

    fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        array(hmac::sign(&key, message).as_ref())
    }

    fn equal(one: &[u8], other: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(one, other).is_ok()
    }

    fn generate(kind: KeyKind) -> Option<Vec<u8>> {
        let elliptic = |curve| {
            let pair = EcdsaKeyPair::generate(curve).ok()?;
            Some(pair.to_pkcs8v1().ok()?.as_ref().to_vec())
        };
        match kind {
            KeyKind::Rsa => {
                let pair = RsaKeyPair::generate(KeySize::Rsa3072).ok()?;
                let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
                Some(der.as_ref().to_vec())
            }
            KeyKind::P256 => elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING),
            KeyKind::P384 => elliptic(&ECDSA_P384_SHA384_FIXED_SIGNING),
            KeyKind::Ed25519 => {
                let pair = Ed25519KeyPair::generate().ok()?;
                Some(pair.to_pkcs8v1().ok()?.as_ref().to_vec())
            }
        }
    }

    fn key_pair(kind: KeyKind, der: &[u8]) -> Option<KeyPair> {
        match kind {
            KeyKind::Rsa => {
                let pair = RsaKeyPair::from_der(der).ok()?;
                Some(KeyPair {
                    signing: EncodingKey::from_rsa_der(der),
                    public: rsa(pair.public_key()),
                })
            }
            KeyKind::P256 => elliptic_pair(&ECDSA_P256_SHA256_FIXED_SIGNING, der),
            KeyKind::P384 => elliptic_pair(&ECDSA_P384_SHA384_FIXED_SIGNING, der),
            KeyKind::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8(der).ok()?;
                Some(KeyPair {
                    signing: EncodingKey::from_ed_der(der),
                    public: PublicKey::Ed25519(pair.public_key().as_ref().to_vec()),
                })
            }
        }
    }

    fn public_key(kind: KeyKind, der: &[u8]) -> Option<PublicKey> {
        match kind {
            KeyKind::Rsa => {
                let public = RsaSubjectPublicKey::from_der(der).ok()?;
                // For its checks of the numbers, which are the same for all RSA algorithms.
                ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.as_ref()).ok()?;
                Some(rsa(&public))
            }
            KeyKind::P256 => point(&end_of(&ECDSA_P256_SHA256_FIXED, der, 64)?),
            KeyKind::P384 => point(&end_of(&ECDSA_P384_SHA384_FIXED, der, 96)?),
            KeyKind::Ed25519 => end_of(&ED25519, der, 32).map(PublicKey::Ed25519),
        }
    }
}

fn array(hash: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.copy_from_slice(hash);
    array
}

fn rsa(public: &RsaSubjectPublicKey) -> PublicKey {
    let (modulus, exponent) = (public.modulus(), public.exponent());
    PublicKey::Rsa {
        modulus: modulus.big_endian_without_leading_zero().to_vec(),
        exponent: exponent.big_endian_without_leading_zero().to_vec(),
    }
}

fn elliptic_pair(curve: &'static EcdsaSigningAlgorithm, der: &[u8]) -> Option<KeyPair> {
    let pair = EcdsaKeyPair::from_private_key_der(curve, der).ok()?;
    let pkcs8 = pair.to_pkcs8v1().ok()?;
    Some(KeyPair {
        signing: EncodingKey::from_ec_der(pkcs8.as_ref()),
        // After the byte that says that both coordinates follow.
        public: point(pair.public_key().as_ref().get(1..)?)?,
    })
}

fn point(coordinates: &[u8]) -> Option<PublicKey> {
    let (x, y) = coordinates.split_at_checked(coordinates.len() / 2)?;
    Some(PublicKey::Point {
        x: x.to_vec(),
        y: y.to_vec(),
    })
}

/// Returns the end of a SubjectPublicKeyInfo: the key itself, as an uncompressed point.
fn end_of(
    algorithm: &'static dyn VerificationAlgorithm,
    der: &[u8],
    bytes: usize,
) -> Option<Vec<u8>> {
    let key = ParsedPublicKey::new(algorithm, der).ok()?;
    let der = key.as_der().ok()?;
    let der = der.as_ref();
    let end = der.get(der.len().checked_sub(bytes)?..)?;
    Some(end.to_vec())
}
