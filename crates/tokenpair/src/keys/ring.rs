//! Defines the key ring: the key that signs, and the keys that verify.

use std::fmt;

use jsonwebtoken::EncodingKey;

use super::algorithm::Algorithm;
use super::error::{KeyError, VerifyError};
use super::jwk::Jwks;
use super::private;
use super::public::VerifyingKey;
use crate::crypto;

/// A signing key, if any, and the keys that verify. The signing key also verifies.
///
/// To rotate, add the new key and keep the old key for verifying until its last token has expired:
///
/// ```
/// use tokenpair::keys::{Algorithm, KeyRing, VerifyingKey};
///
/// # let before = KeyRing::from_secret(Algorithm::Hs256, b"the 32 bytes that signed before.")?;
/// # let old_signature = before.sign(b"a message")?;
/// let old = VerifyingKey::from_secret(Algorithm::Hs256, b"the 32 bytes that signed before.")?;
/// let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows")?
///     .with_verifying(old)?;
/// keys.verify("HS256", None, b"a message", &old_signature)?;
/// assert_ne!(keys.sign(b"a message")?, old_signature);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A ring may hold a secret and a public key, as in a migration from HS256 to RS256: each key
/// serves only its own algorithm, and a public key is never used as a secret.
#[derive(Clone)]
pub struct KeyRing {
    signing: Option<EncodingKey>,
    /// Begins with the public half of the signing key, if there is a signing key.
    verifying: Vec<VerifyingKey>,
}

impl KeyRing {
    /// Returns a ring with one shared secret. Its tokens carry no `kid`, as in Flask-JWT-Extended.
    ///
    /// ```
    /// use tokenpair::keys::{Algorithm, KeyError, KeyRing};
    ///
    /// let ring = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows")?;
    /// assert_eq!(ring.algorithm(), Some(Algorithm::Hs256));
    /// assert_eq!(ring.kid(), None);
    ///
    /// let refusal = KeyRing::from_secret(Algorithm::Hs256, b"too short").unwrap_err();
    /// assert_eq!(refusal.to_string(), "the secret has 9 bytes, and HS256 needs at least 32");
    /// let refusal = KeyRing::from_secret(Algorithm::Hs256, b"your-256-bit-secret").unwrap_err();
    /// assert_eq!(refusal, KeyError::Placeholder);
    /// # Ok::<(), KeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`VerifyingKey::from_secret`]: the secret is too short, published, or
    /// really a key.
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let verifying = VerifyingKey::from_secret(algorithm, secret)?;
        Ok(Self {
            signing: Some(EncodingKey::from_secret(secret)),
            verifying: vec![verifying],
        })
    }

    /// Returns a ring with one key pair, from its private key in PEM form: `PRIVATE KEY` (PKCS#8),
    /// `RSA PRIVATE KEY` (PKCS#1) or `EC PRIVATE KEY` (SEC 1). The public half is derived. Tokens
    /// carry its thumbprint as `kid` (RFC 7638).
    ///
    /// ```
    /// use tokenpair::keys::{Algorithm, KeyError, KeyRing};
    ///
    /// // From RFC 8410. Make your own: openssl genpkey -algorithm ed25519
    /// let private = "-----BEGIN PRIVATE KEY-----
    /// MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
    /// -----END PRIVATE KEY-----";
    /// let ring = KeyRing::from_pem(Algorithm::EdDsa, private)?;
    /// assert_eq!(ring.kid(), Some("3YZxBJ12jO3n_mXt_q-j_Z-TFP1vt-NiI3OCf-fEnHQ"));
    /// let other = KeyRing::from_pem(Algorithm::Es256, private).unwrap_err();
    /// assert_eq!(other.to_string(), "ES256 takes a key on the curve P-256, but this is an Ed25519 key");
    /// # Ok::<(), KeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::PublicKeyForSigning`] for a public key, [`KeyError::Encrypted`] for an
    /// encrypted key, [`KeyError::WrongKind`] for another kind of key or another curve than the
    /// algorithm's, [`KeyError::RsaSize`] for an RSA key that is too short,
    /// [`KeyError::PemForSecret`] if the algorithm takes a secret, the errors of a text that is not
    /// PEM, and [`KeyError::RsaSigning`] for any RSA key without the feature `aws-lc-rs`.
    pub fn from_pem(algorithm: Algorithm, private_pem: &str) -> Result<Self, KeyError> {
        let pair = private::from_pem(algorithm, private_pem)?;
        private::may_sign(algorithm)?;
        Ok(Self {
            signing: Some(pair.signing),
            verifying: vec![VerifyingKey::from_public(algorithm, &pair.public)?],
        })
    }

    /// Returns a ring that verifies with `key` and cannot sign.
    ///
    /// ```
    /// use tokenpair::keys::{Algorithm, KeyError, KeyRing, VerifyingKey};
    ///
    /// let key = VerifyingKey::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows")?;
    /// let ring = KeyRing::verifying(key);
    /// assert!(ring.allows("HS256"));
    /// assert_eq!(ring.sign(b"a message"), Err(KeyError::NoSigningKey));
    /// # Ok::<(), KeyError>(())
    /// ```
    pub fn verifying(key: VerifyingKey) -> Self {
        Self {
            signing: None,
            verifying: vec![key],
        }
    }

    /// Returns a ring that verifies with a public key in PEM form and cannot sign.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`VerifyingKey::from_pem`].
    pub fn verifying_pem(algorithm: Algorithm, public_pem: &str) -> Result<Self, KeyError> {
        VerifyingKey::from_pem(algorithm, public_pem).map(Self::verifying)
    }

    /// Adds a key that verifies: an older key, or the same key under another algorithm.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::SameKeyId`] if a key of that algorithm has its key ID.
    pub fn with_verifying(mut self, key: VerifyingKey) -> Result<Self, KeyError> {
        self.verifying.push(key);
        self.checked()
    }

    /// Sets the key ID of the signing key, in its tokens and in the JWKS. Does nothing if the ring
    /// cannot sign.
    ///
    /// ```
    /// use tokenpair::keys::{Algorithm, KeyError, KeyRing};
    ///
    /// # let private = "-----BEGIN PRIVATE KEY-----
    /// # MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
    /// # -----END PRIVATE KEY-----";
    /// let ring = KeyRing::from_pem(Algorithm::EdDsa, private)?.with_kid("2026-11")?;
    /// assert_eq!(ring.kid(), Some("2026-11"));
    /// assert_eq!(ring.jwks().keys()[0].kid(), "2026-11");
    /// # Ok::<(), KeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::SameKeyId`] if another key of its algorithm has that key ID.
    pub fn with_kid(mut self, kid: impl Into<String>) -> Result<Self, KeyError> {
        if let (Some(_), Some(own)) = (&self.signing, self.verifying.first_mut()) {
            *own = own.clone().with_kid(kid);
        }
        self.checked()
    }

    /// Removes all key IDs, as in Flask-JWT-Extended: tokens carry no `kid`.
    ///
    /// ```
    /// use tokenpair::keys::{Algorithm, KeyError, KeyRing};
    ///
    /// # let private = "-----BEGIN PRIVATE KEY-----
    /// # MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
    /// # -----END PRIVATE KEY-----";
    /// let ring = KeyRing::from_pem(Algorithm::EdDsa, private)?.without_kids();
    /// assert_eq!(ring.kid(), None);
    /// assert!(ring.jwks().keys().is_empty()); // a JWKS names its keys
    /// # Ok::<(), KeyError>(())
    /// ```
    #[must_use]
    pub fn without_kids(mut self) -> Self {
        let keys = self.verifying.into_iter();
        self.verifying = keys.map(VerifyingKey::without_kid).collect();
        self
    }

    /// One key under two algorithms has one thumbprint, so a key ID identifies a key only together
    /// with its algorithm.
    fn checked(self) -> Result<Self, KeyError> {
        let mut seen = Vec::with_capacity(self.verifying.len());
        for key in &self.verifying {
            let Some(kid) = key.kid() else { continue };
            let algorithm = key.algorithm();
            if seen.contains(&(algorithm, kid)) {
                let kid = kid.to_owned();
                return Err(KeyError::SameKeyId { algorithm, kid });
            }
            seen.push((algorithm, kid));
        }
        Ok(self)
    }

    fn own(&self) -> Option<&VerifyingKey> {
        self.signing.as_ref().and(self.verifying.first())
    }

    /// Returns the algorithm of the signing key, if there is one.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.own().map(VerifyingKey::algorithm)
    }

    /// Returns the `kid` of signed tokens (RFC 7515 section 4.1.4). `None` for a secret without
    /// one.
    pub fn kid(&self) -> Option<&str> {
        self.own().and_then(VerifyingKey::kid)
    }

    /// Returns whether a key of the ring has the algorithm with exactly this name. No key has
    /// `none`.
    pub fn allows(&self, algorithm: &str) -> bool {
        self.of(algorithm).next().is_some()
    }

    fn of(&self, algorithm: &str) -> impl Iterator<Item = &VerifyingKey> {
        let algorithm = Algorithm::from_name(algorithm);
        self.verifying
            .iter()
            .filter(move |key| Some(key.algorithm()) == algorithm)
    }

    /// Returns the signature of `message` in base64url. Signatures of ECDSA and PSS contain
    /// randomness, so they differ from call to call.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::NoSigningKey`] if the ring only verifies, [`KeyError::Signing`] if the
    /// cryptographic library fails.
    pub fn sign(&self, message: &[u8]) -> Result<String, KeyError> {
        let key = self.signing.as_ref().ok_or(KeyError::NoSigningKey)?;
        let algorithm = self.algorithm().ok_or(KeyError::NoSigningKey)?;
        crypto::sign(algorithm.jws(), key, message).ok_or(KeyError::Signing)
    }

    /// Verifies `signature` (base64url) of `message` under the `alg` and the `kid` of the token's
    /// header.
    ///
    /// Only keys of that algorithm are tried. If a key has the `kid`, only that key is tried; if no
    /// key has it, the keys without a key ID are. For a token without a `kid`, as in
    /// Flask-JWT-Extended, all are tried.
    ///
    /// ```
    /// use tokenpair::keys::{Algorithm, KeyRing, VerifyError};
    ///
    /// let ring = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows")?;
    /// let signature = ring.sign(b"a message")?;
    /// ring.verify("HS256", None, b"a message", &signature)?;
    /// ring.verify("HS256", Some("unheard of"), b"a message", &signature)?; // our key has no ID
    /// let forged = ring.verify("HS256", None, b"another message", &signature);
    /// assert_eq!(forged, Err(VerifyError::BadSignature));
    /// let unsigned = ring.verify("none", None, b"a message", "");
    /// assert_eq!(unsigned, Err(VerifyError::AlgorithmNotAllowed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`VerifyError::AlgorithmNotAllowed`] if no key has the algorithm,
    /// [`VerifyError::KeyNotFound`] if all of them have other key IDs,
    /// [`VerifyError::BadSignature`] if no key that was tried made the signature.
    pub fn verify(
        &self,
        algorithm: &str,
        kid: Option<&str>,
        message: &[u8],
        signature: &str,
    ) -> Result<(), VerifyError> {
        if !self.allows(algorithm) {
            return Err(VerifyError::AlgorithmNotAllowed);
        }
        let known = self.of(algorithm).any(|key| key.kid() == kid);
        let mut keys = self
            .of(algorithm)
            .filter(|key| match kid {
                None => true,
                Some(_) if known => key.kid() == kid,
                Some(_) => key.kid().is_none(),
            })
            .peekable();
        keys.peek().ok_or(VerifyError::KeyNotFound)?;
        if keys.any(|key| key.verifies(message, signature)) {
            Ok(())
        } else {
            Err(VerifyError::BadSignature)
        }
    }

    /// Returns the public keys, for others to verify our tokens with (RFC 7517). Empty if all keys
    /// are secrets. A key that serves two algorithms appears once for each, with one `kid`.
    pub fn jwks(&self) -> Jwks {
        Jwks::new(
            self.verifying
                .iter()
                .filter_map(VerifyingKey::jwk)
                .collect(),
        )
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("signs", &self.signing.is_some())
            .field("verifying", &self.verifying)
            .finish()
    }
}
