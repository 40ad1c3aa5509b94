//! Defines the key that verifies: a secret, or the public half of a key pair.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use jsonwebtoken::DecodingKey;

use super::algorithm::Algorithm;
use super::error::KeyError;
use super::jwk::{Jwk, Members};
use super::pem::{self, Form};
use super::{kind, private, secret};
use crate::crypto::{self, Backend, Crypto, KeyKind, PublicKey};

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
        crypto::choose_provider();
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
        let Some(kind) = algorithm.key_kind() else {
            return Err(KeyError::PemForSecret(algorithm));
        };
        let (form, der) = pem::key(public_pem)?;
        if form != Form::Public {
            return Err(KeyError::PrivateKeyForVerifying);
        }
        // AWS-LC alone would also take a bare point.
        match kind::of_public(&der) {
            Some(found) if found == algorithm.wants() => {}
            Some(found) => return Err(KeyError::WrongKind { algorithm, found }),
            None => return Err(KeyError::Unreadable(algorithm)),
        }
        let public = match kind {
            KeyKind::Rsa => kind::rsa_public(&der)?.and_then(|der| Crypto::public_key(kind, der)),
            _ => Crypto::public_key(kind, &der),
        };
        Self::from_public(algorithm, &public.ok_or(KeyError::Unreadable(algorithm))?)
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
        let pair = private::from_pem(algorithm, private_pem)?;
        Self::from_public(algorithm, &pair.public)
    }

    pub(super) fn from_public(algorithm: Algorithm, public: &PublicKey) -> Result<Self, KeyError> {
        let unreadable = || KeyError::Unreadable(algorithm);
        let members = members(algorithm, public).ok_or_else(unreadable)?;
        let key = members.decoding_key().map_err(|_| unreadable())?;
        crypto::choose_provider();
        Ok(Self {
            algorithm,
            kid: Some(members.thumbprint()),
            key,
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
        crypto::verifies(self.algorithm.jws(), &self.key, message, signature)
    }

    /// Returns the JWK. `None` for a secret, which must stay private, and for a key without a key
    /// ID.
    pub(super) fn jwk(&self) -> Option<Jwk> {
        let (members, kid) = (self.public.clone()?, self.kid.clone()?);
        Some(Jwk::new(members, self.algorithm, kid))
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

fn members(algorithm: Algorithm, public: &PublicKey) -> Option<Members> {
    match public {
        PublicKey::Rsa { modulus, exponent } => Some(Members::rsa(modulus, exponent)),
        PublicKey::Point { x, y } => Some(Members::elliptic(algorithm.curve()?, x, y)),
        PublicKey::Ed25519(x) => has_large_order(x).then(|| Members::edwards(x)),
    }
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

fn has_large_order(point: &[u8]) -> bool {
    let mut unsigned = point.to_vec();
    if let Some(last) = unsigned.last_mut() {
        *last &= 0x7f;
    }
    !SMALL_ORDER.contains(&URL_SAFE_NO_PAD.encode(unsigned).as_str())
}
