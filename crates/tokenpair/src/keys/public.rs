//! Defines the key that verifies: a secret, or the public half of a key pair.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey, RsaParameters, RsaSubjectPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::{self, CryptoProvider};

use super::algorithm::{Algorithm, Curve, Family};
use super::error::KeyError;
use super::jwk::{Jwk, Members};
use super::pem::{self, Form};
use super::{kind, private, secret};

/// A key that verifies signatures of one algorithm (RFC 8725 section 3.1).
///
/// To accept several algorithms with one key, as Flask-JWT-Extended's `JWT_DECODE_ALGORITHMS`
/// allows, make one key for each algorithm.
///
/// ```
/// use tokenpair::keys::{Algorithm, KeyError, VerifyingKey};
///
/// let public = "-----BEGIN PUBLIC KEY-----
/// MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
/// -----END PUBLIC KEY-----";
/// let key = VerifyingKey::from_pem(Algorithm::EdDsa, public)?;
/// assert_eq!(key.kid(), Some("3YZxBJ12jO3n_mXt_q-j_Z-TFP1vt-NiI3OCf-fEnHQ"));
/// assert_eq!(key.with_kid("2026").kid(), Some("2026"));
///
/// // A key has one algorithm, and a public key is not a secret.
/// let other = VerifyingKey::from_pem(Algorithm::Rs256, public);
/// assert!(matches!(other, Err(KeyError::WrongKind { .. })));
/// let secret = VerifyingKey::from_secret(Algorithm::Hs256, public.as_bytes());
/// assert_eq!(secret.unwrap_err(), KeyError::KeyAsSecret);
/// # Ok::<(), KeyError>(())
/// ```
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    kid: Option<String>,
    key: DecodingKey,
    /// The public members. `None` for a secret.
    public: Option<Members>,
}

impl VerifyingKey {
    /// Returns a shared secret as a key. It has no key ID, so tokens without one match it.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::KeyAsSecret`] for a key in PEM, DER, JWK or OpenSSH form,
    /// [`KeyError::Placeholder`] for a published example or one repeated character,
    /// [`KeyError::Repeated`] for a short text that is repeated, [`KeyError::TooShort`] for less
    /// than [`Algorithm::min_secret_len`] bytes, and [`KeyError::SecretForKeyPair`] if the
    /// algorithm takes no secret.
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        secret::check(algorithm, secret)?;
        choose_provider();
        Ok(Self {
            algorithm,
            kid: None,
            key: DecodingKey::from_secret(secret),
            public: None,
        })
    }

    /// Reads a public key in PEM form: `PUBLIC KEY` (SubjectPublicKeyInfo) or `RSA PUBLIC KEY`
    /// (PKCS#1). Its key ID is the thumbprint of its JWK (RFC 7638, with SHA-256).
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::PrivateKeyForVerifying`] for a private key, [`KeyError::Certificate`]
    /// for a certificate, [`KeyError::WrongKind`] for another kind of key or another curve than the
    /// algorithm's, [`KeyError::RsaSize`] for an RSA key that is too short,
    /// [`KeyError::PemForSecret`] if the algorithm takes a secret, and the errors of a text that is
    /// not PEM.
    pub fn from_pem(algorithm: Algorithm, public_pem: &str) -> Result<Self, KeyError> {
        if let Family::Hmac = algorithm.family() {
            return Err(KeyError::PemForSecret(algorithm));
        }
        let (form, der) = pem::key(public_pem)?;
        if form != Form::Public {
            return Err(KeyError::PrivateKeyForVerifying);
        }
        Self::from_der(algorithm, &der)
    }

    /// Reads the public half of a private key in PEM form. The result cannot sign.
    ///
    /// ```
    /// use secrecy::ExposeSecret;
    /// use tokenpair::keys::{Algorithm, KeyRing, VerifyingKey, generate_pem};
    ///
    /// let (new, old) = (generate_pem(Algorithm::EdDsa)?, generate_pem(Algorithm::EdDsa)?);
    /// let old = VerifyingKey::from_private_pem(Algorithm::EdDsa, old.expose_secret())?;
    /// let keys = KeyRing::from_pem(Algorithm::EdDsa, new.expose_secret())?.with_verifying(old)?;
    /// assert_eq!(keys.jwks().keys().len(), 2);
    /// # Ok::<(), tokenpair::keys::KeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`KeyRing::from_pem`](super::KeyRing::from_pem).
    pub fn from_private_pem(algorithm: Algorithm, private_pem: &str) -> Result<Self, KeyError> {
        let (_, public) = private::from_pem(algorithm, private_pem)?;
        Self::from_der(algorithm, public.as_ref())
    }

    pub(super) fn from_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let members = match algorithm.family() {
            Family::Hmac => return Err(KeyError::PemForSecret(algorithm)),
            Family::Rsa(parameters) => rsa(parameters, der),
            Family::Ecdsa(curve) => elliptic(curve, der),
            Family::Ed25519 => edwards(der),
        }
        .map_err(|failure| failure.explain(algorithm, der))?;
        let key = members.decoding_key();
        choose_provider();
        Ok(Self {
            algorithm,
            kid: Some(members.thumbprint()),
            key: key.map_err(|_| KeyError::Unreadable(algorithm))?,
            public: Some(members),
        })
    }

    /// Returns the key with another key ID, such as the `kid` in tokens of another issuer.
    #[must_use]
    pub fn with_kid(self, kid: impl Into<String>) -> Self {
        Self {
            kid: Some(kid.into()),
            ..self
        }
    }

    /// Returns the only algorithm that the key serves.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the key ID, which a token's `kid` names (RFC 7515 section 4.1.4).
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Returns the key without a key ID, as Flask-JWT-Extended's keys are: tokens signed with it
    /// carry no `kid`.
    #[must_use]
    pub fn without_kid(self) -> Self {
        Self { kid: None, ..self }
    }

    /// Returns whether the key made this signature (base64url). MACs are compared in constant time.
    pub(super) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        crypto::verify(signature, message, &self.key, self.algorithm.jws()).unwrap_or(false)
    }

    /// Returns the JWK. `None` for a secret, which must stay private, and for a key without a key
    /// ID.
    pub(super) fn jwk(&self) -> Option<Jwk> {
        let (members, kid) = (self.public.clone()?, self.kid.clone()?);
        Some(Jwk::new(members, self.algorithm, kid))
    }
}

/// An application that also enables jsonwebtoken's other backend would make its automatic choice
/// panic. The first choice stands, so an error only means that the application has chosen already.
pub(super) fn choose_provider() {
    let _already_chosen = CryptoProvider::install_default(&crypto::aws_lc::DEFAULT_PROVIDER);
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm.name())
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

enum SignatureFailure {
    Size,
    Unreadable,
}

impl SignatureFailure {
    fn explain(&self, algorithm: Algorithm, der: &[u8]) -> KeyError {
        if matches!(self, Self::Size) {
            return KeyError::RsaSize;
        }
        match kind::of_public(der) {
            Some(found) if found != algorithm.wants() => KeyError::WrongKind { algorithm, found },
            _ => KeyError::Unreadable(algorithm),
        }
    }
}

impl From<KeyRejected> for SignatureFailure {
    fn from(_: KeyRejected) -> Self {
        Self::Unreadable
    }
}

type Parsed = Result<Members, SignatureFailure>;

/// `id-RSASSA-PSS`: a key for PSS alone, perhaps with its own hash and salt (RFC 4055 section 3.1).
const PSS_ALONE: [u8; 11] = [
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a,
];

/// RFC 7518 section 3.3 requires 2048 bits; the library does not verify with more than 8192. It
/// would accept the public half of a key for PSS alone for any use, but never the private half.
fn rsa(parameters: &'static RsaParameters, der: &[u8]) -> Parsed {
    let before_key = der.get(..32).unwrap_or(der);
    if before_key
        .windows(PSS_ALONE.len())
        .any(|here| here == PSS_ALONE)
    {
        return Err(SignatureFailure::Unreadable);
    }
    let public = RsaSubjectPublicKey::from_der(der)?;
    let modulus = public.modulus().big_endian_without_leading_zero();
    let unused = modulus.first().map_or(0, |byte| byte.leading_zeros());
    let bits = (modulus.len() * 8).saturating_sub(unused as usize);
    if !(2048..=8192).contains(&bits) {
        return Err(SignatureFailure::Size);
    }
    let exponent = public.exponent().big_endian_without_leading_zero();
    ParsedPublicKey::new(parameters, public.as_ref())?;
    Ok(Members::rsa(modulus, exponent))
}

/// The library rejects points that are not on the curve.
fn elliptic(curve: &Curve, der: &[u8]) -> Parsed {
    let key = ParsedPublicKey::new(curve.verifying, der)?;
    let point = last(&key, 2 * curve.size)?;
    let (x, y) = point
        .split_at_checked(curve.size)
        .ok_or(SignatureFailure::Unreadable)?;
    Ok(Members::elliptic(curve.name, x, y))
}

/// The points of order 8 or less, without the sign, in base64url. No private key belongs to such a
/// public key, and anyone can sign for it.
const SMALL_ORDER: [&str; 7] = [
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
    "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
    "7P_______________________________________38",
    "7f_______________________________________38",
    "7v_______________________________________38",
];

fn edwards(der: &[u8]) -> Parsed {
    let key = ParsedPublicKey::new(&ED25519, der)?;
    let point = last(&key, 32)?;
    let mut unsigned = point.clone();
    if let Some(last) = unsigned.last_mut() {
        *last &= 0x7f;
    }
    if SMALL_ORDER.contains(&URL_SAFE_NO_PAD.encode(unsigned).as_str()) {
        return Err(SignatureFailure::Unreadable);
    }
    Ok(Members::edwards(&point))
}

/// Returns the end of a SubjectPublicKeyInfo: the key itself, as an uncompressed point.
fn last(key: &ParsedPublicKey, bytes: usize) -> Result<Vec<u8>, SignatureFailure> {
    let der = key.as_der().map_err(|_| SignatureFailure::Unreadable)?;
    let der = der.as_ref();
    let point = der.get(der.len().saturating_sub(bytes)..);
    point
        .map(<[u8]>::to_vec)
        .ok_or(SignatureFailure::Unreadable)
}
