//! What verifies: a secret, or the public half of a key pair.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256K1_SHA256_FIXED, ECDSA_P384_SHA384_FIXED,
    ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey, RsaParameters, RsaSubjectPublicKey,
};

use super::algorithm::{Algorithm, Curve, Family};
use super::error::KeyError;
use super::jwk::{Jwk, Members};
use super::pem::{self, Form};
use super::secret;

/// A key whose signatures are taken, for one algorithm (RFC 8725 section 3.1).
///
/// Where several algorithms have to be taken for one key, as Flask-JWT-Extended's `JWT_DECODE_ALGORITHMS` allows, make
/// one of these for each of them.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    kid: Option<String>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Secret(Arc<hmac::Key>),
    Public(ParsedPublicKey, Members),
}

impl VerifyingKey {
    /// A shared secret. It has no key ID, so that tokens without one find it.
    ///
    /// # Errors
    ///
    /// [`KeyError::KeyAsSecret`] for a key in PEM, DER, JWK or OpenSSH form, [`KeyError::Placeholder`] for a published
    /// example or one repeated character, [`KeyError::TooShort`] for less than [`Algorithm::min_secret_len`] bytes, and
    /// [`KeyError::SecretForKeyPair`] if the algorithm takes no secret.
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        secret::key(algorithm, secret).map(|key| Self::from_hmac(algorithm, key))
    }

    /// A public key in PEM form: `PUBLIC KEY` (SubjectPublicKeyInfo) or `RSA PUBLIC KEY` (PKCS#1). Its key ID is the
    /// thumbprint of its JWK (RFC 7638, with SHA-256).
    ///
    /// # Errors
    ///
    /// [`KeyError::PrivateKeyForVerifying`] for a private key, [`KeyError::Certificate`] for a certificate,
    /// [`KeyError::WrongKind`] for another kind of key or another curve than the algorithm's, [`KeyError::RsaSize`] for
    /// an RSA key that is too short, [`KeyError::PemForSecret`] if the algorithm takes a secret, and the errors of a text
    /// that is no PEM.
    pub fn from_pem(algorithm: Algorithm, public_pem: &str) -> Result<Self, KeyError> {
        if let Family::Hmac(_) = algorithm.family() {
            return Err(KeyError::PemForSecret(algorithm));
        }
        let (form, der) = pem::key(public_pem)?;
        if form != Form::Public {
            return Err(KeyError::PrivateKeyForVerifying);
        }
        Self::from_der(algorithm, &der)
    }

    pub(super) const fn from_hmac(algorithm: Algorithm, key: Arc<hmac::Key>) -> Self {
        Self {
            algorithm,
            kid: None,
            material: Material::Secret(key),
        }
    }

    pub(super) fn from_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let (key, members) = match algorithm.family() {
            Family::Hmac(_) => return Err(KeyError::PemForSecret(algorithm)),
            Family::Rsa(_, parameters) => rsa(parameters, der),
            Family::Ecdsa(curve) => elliptic(curve, der),
            Family::Ed25519 => edwards(der),
        }
        .map_err(|failure| failure.explain(algorithm, der))?;
        Ok(Self {
            algorithm,
            kid: Some(members.thumbprint()),
            material: Material::Public(key, members),
        })
    }

    /// Another key ID, such as the one that somebody else's tokens carry.
    #[must_use]
    pub fn with_kid(self, kid: impl Into<String>) -> Self {
        Self {
            kid: Some(kid.into()),
            ..self
        }
    }

    /// The only algorithm it is good for.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key ID, which a token's `kid` names (RFC 7515 section 4.1.4).
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether the key made this signature. MACs are compared in constant time.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Material::Public(key, _) => key.verify_sig(message, signature).is_ok(),
        }
    }

    /// None of a secret: nobody else may know it.
    pub(super) fn jwk(&self) -> Option<Jwk> {
        match (&self.material, &self.kid) {
            (Material::Public(_, members), Some(kid)) => {
                Some(Jwk::new(members.clone(), self.algorithm, kid.clone()))
            }
            _ => None,
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm.name())
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

enum Failure {
    Size,
    Unreadable,
}

impl Failure {
    fn explain(&self, algorithm: Algorithm, der: &[u8]) -> KeyError {
        if matches!(self, Self::Size) {
            return KeyError::RsaSize;
        }
        match kind(der) {
            Some(found) if found != algorithm.wants() => KeyError::WrongKind { algorithm, found },
            _ => KeyError::Unreadable(algorithm),
        }
    }
}

impl From<KeyRejected> for Failure {
    fn from(_: KeyRejected) -> Self {
        Self::Unreadable
    }
}

type Parsed = Result<(ParsedPublicKey, Members), Failure>;

/// RFC 7518 section 3.3 wants 2048 bits; more than 8192 the library does not verify.
fn rsa(parameters: &'static RsaParameters, der: &[u8]) -> Parsed {
    let public = RsaSubjectPublicKey::from_der(der)?;
    let modulus = public.modulus().big_endian_without_leading_zero();
    let unused = modulus.first().map_or(0, |byte| byte.leading_zeros());
    let bits = (modulus.len() * 8).saturating_sub(unused as usize);
    if !(2048..=8192).contains(&bits) {
        return Err(Failure::Size);
    }
    let exponent = public.exponent().big_endian_without_leading_zero();
    let members = Members::rsa(modulus, exponent);
    Ok((ParsedPublicKey::new(parameters, public.as_ref())?, members))
}

/// The library refuses points that are not on the curve.
fn elliptic(curve: &Curve, der: &[u8]) -> Parsed {
    let key = ParsedPublicKey::new(curve.verifying, der)?;
    let point = last(&key, 2 * curve.size)?;
    let (x, y) = point
        .split_at_checked(curve.size)
        .ok_or(Failure::Unreadable)?;
    let members = Members::elliptic(curve.name, x, y);
    Ok((key, members))
}

fn edwards(der: &[u8]) -> Parsed {
    let key = ParsedPublicKey::new(&ED25519, der)?;
    let members = Members::edwards(&last(&key, 32)?);
    Ok((key, members))
}

/// What ends a SubjectPublicKeyInfo: the key itself, a point without compression.
fn last(key: &ParsedPublicKey, bytes: usize) -> Result<Vec<u8>, Failure> {
    let der = key.as_der().map_err(|_| Failure::Unreadable)?;
    let der = der.as_ref();
    let point = der.get(der.len().saturating_sub(bytes)..);
    point.map(<[u8]>::to_vec).ok_or(Failure::Unreadable)
}

/// What kind of public key this is, in the words of [`Algorithm::wants`].
pub(super) fn kind(der: &[u8]) -> Option<&'static str> {
    if RsaSubjectPublicKey::from_der(der).is_ok() {
        return Some("an RSA key");
    }
    // 32 bytes the library would take for a bare key, whatever they are.
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
