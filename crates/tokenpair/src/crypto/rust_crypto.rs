//! Implements the cryptography with the crates of RustCrypto, in the versions that `jsonwebtoken`
//! uses.
//!
//! Their RSA leaks the private key through the time that a signature takes (RUSTSEC-2023-0071), so
//! RSA only verifies here.

use ed25519_dalek::pkcs8::KeypairBytes;
use ed25519_dalek::{SigningKey, VerifyingKey};
use hmac::{Hmac, Mac};
use jsonwebtoken::EncodingKey;
use jsonwebtoken::crypto::{CryptoProvider, rust_crypto};
use p256::NistP256;
use p256::elliptic_curve::sec1::{
    Coordinates, FromEncodedPoint, ModulusSize, ToEncodedPoint, ValidatePublicKey,
};
use p256::elliptic_curve::{self, AffinePoint, CurveArithmetic, FieldBytesSize, SecretKey};
use p256::pkcs8::{AssociatedOid, DecodePrivateKey, DecodePublicKey, EncodePrivateKey};
use p384::NistP384;
use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, RsaPublicKey};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::backend::{Backend, KeyKind, KeyPair, PublicKey};
use crate::random::random_bytes;

pub(crate) struct RustCrypto;

impl Backend for RustCrypto {
    const PROVIDER: &'static CryptoProvider = &rust_crypto::DEFAULT_PROVIDER;
    const SIGNS_WITH_RSA: bool = false;
    const RSA_MAX_BITS: usize = RsaPublicKey::MAX_SIZE;

    fn sha256(data: &[u8]) -> [u8; 32] {
        Sha256::digest(data).into()
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(key).expect("BUG: HMAC refuses a key");
        mac.chain_update(message).finalize().into_bytes().into()
    }

    fn equal(one: &[u8], other: &[u8]) -> bool {
        one.ct_eq(other).into()
    }

    fn generate(kind: KeyKind) -> Option<Vec<u8>> {
        match kind {
            KeyKind::Rsa => None,
            KeyKind::P256 => new_elliptic::<NistP256>(),
            KeyKind::P384 => new_elliptic::<NistP384>(),
            KeyKind::Ed25519 => {
                let mut pair = KeypairBytes {
                    secret_key: [0; 32],
                    // Not every program reads the version of PKCS#8 that includes it.
                    public_key: None,
                };
                random_bytes(&mut pair.secret_key);
                Some(pair.to_pkcs8_der().ok()?.as_bytes().to_vec())
            }
        }
    }

    fn key_pair(kind: KeyKind, der: &[u8]) -> Option<KeyPair> {
        match kind {
            KeyKind::Rsa => {
                let pair = RsaPrivateKey::from_pkcs1_der(der).ok()?;
                Some(KeyPair {
                    signing: EncodingKey::from_rsa_der(der),
                    public: rsa(&pair),
                })
            }
            KeyKind::P256 => elliptic_pair::<NistP256>(der),
            KeyKind::P384 => elliptic_pair::<NistP384>(der),
            KeyKind::Ed25519 => {
                let pair = SigningKey::from_pkcs8_der(der).ok()?;
                Some(KeyPair {
                    signing: EncodingKey::from_ed_der(der),
                    public: PublicKey::Ed25519(pair.verifying_key().to_bytes().to_vec()),
                })
            }
        }
    }

    fn public_key(kind: KeyKind, der: &[u8]) -> Option<PublicKey> {
        match kind {
            KeyKind::Rsa => RsaPublicKey::from_pkcs1_der(der).ok().as_ref().map(rsa),
            KeyKind::P256 => point(&p256::PublicKey::from_public_key_der(der).ok()?),
            KeyKind::P384 => point(&p384::PublicKey::from_public_key_der(der).ok()?),
            KeyKind::Ed25519 => {
                let key = VerifyingKey::from_public_key_der(der).ok()?;
                Some(PublicKey::Ed25519(key.to_bytes().to_vec()))
            }
        }
    }
}

fn rsa(key: &impl PublicKeyParts) -> PublicKey {
    PublicKey::Rsa {
        modulus: key.n().to_bytes_be(),
        exponent: key.e().to_bytes_be(),
    }
}

/// Draws numbers until one is a private key: not zero, and below the order (FIPS 186-5 appendix
/// A.2.2). Nearly every number is.
fn new_elliptic<C>() -> Option<Vec<u8>>
where
    C: CurveArithmetic + AssociatedOid,
    AffinePoint<C>: FromEncodedPoint<C> + ToEncodedPoint<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let key = loop {
        let mut bytes = elliptic_curve::FieldBytes::<C>::default();
        random_bytes(&mut bytes);
        if let Ok(key) = SecretKey::<C>::from_bytes(&bytes) {
            break key;
        }
    };
    Some(key.to_pkcs8_der().ok()?.as_bytes().to_vec())
}

fn elliptic_pair<C>(der: &[u8]) -> Option<KeyPair>
where
    C: CurveArithmetic + AssociatedOid + ValidatePublicKey,
    AffinePoint<C>: FromEncodedPoint<C> + ToEncodedPoint<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let pkcs8 = SecretKey::<C>::from_pkcs8_der(der).ok();
    let key = pkcs8.or_else(|| SecretKey::<C>::from_sec1_der(der).ok())?;
    Some(KeyPair {
        signing: EncodingKey::from_ec_der(key.to_pkcs8_der().ok()?.as_bytes()),
        public: point(&key.public_key())?,
    })
}

fn point<C>(key: &elliptic_curve::PublicKey<C>) -> Option<PublicKey>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromEncodedPoint<C> + ToEncodedPoint<C>,
    FieldBytesSize<C>: ModulusSize,
{
    match key.to_encoded_point(false).coordinates() {
        Coordinates::Uncompressed { x, y } => Some(PublicKey::Point {
            x: x.to_vec(),
            y: y.to_vec(),
        }),
        _ => None,
    }
}
