//! Defines public keys as JSON (RFC 7517) and their thumbprints (RFC 7638).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Serialize;

use super::Algorithm;
use crate::crypto::{Backend, Crypto};

/// The public keys of a ring, as `/.well-known/jwks.json` serves them (RFC 7517 section 5). The
/// type cannot hold secrets or private members.
///
/// ```
/// use tokenpair::keys::{Algorithm, KeyRing};
///
/// # let public = "-----BEGIN PUBLIC KEY-----
/// # MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
/// # -----END PUBLIC KEY-----";
/// let ring = KeyRing::verifying_pem(Algorithm::EdDsa, public)?;
/// let json = serde_json::to_value(ring.jwks())?;
/// assert_eq!(json["keys"][0]["kty"], "OKP");
/// assert_eq!(json["keys"][0]["use"], "sig");
/// assert_eq!(Some(ring.jwks().keys()[0].kid()), json["keys"][0]["kid"].as_str());
///
/// let secret = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows")?;
/// assert!(secret.jwks().keys().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

impl Jwks {
    pub(super) const fn new(keys: Vec<Jwk>) -> Self {
        Self { keys }
    }

    /// Returns the keys, starting with the signing key.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }
}

/// One public key (RFC 7517 section 4) of [`Jwks::keys`]: `kty` and its members, `alg`, `use` and
/// `kid`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Jwk {
    #[serde(flatten)]
    members: Members,
    alg: &'static str,
    #[serde(rename = "use")]
    purpose: &'static str,
    kid: String,
}

impl Jwk {
    pub(super) const fn new(members: Members, algorithm: Algorithm, kid: String) -> Self {
        Self {
            members,
            alg: algorithm.name(),
            purpose: "sig",
            kid,
        }
    }

    /// Returns the key ID that this key's tokens carry.
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

/// The members that identify the key, in the order of the thumbprint (RFC 7638 section 3.2): by
/// name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Members {
    /// RFC 7518 section 6.3.1.
    Rsa {
        e: String,
        kty: &'static str,
        n: String,
    },
    /// RFC 7518 section 6.2.1; without `y`, RFC 8037 section 2.
    Curve {
        crv: &'static str,
        kty: &'static str,
        x: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        y: Option<String>,
    },
}

impl Members {
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Self {
        Self::Rsa {
            e: URL_SAFE_NO_PAD.encode(exponent),
            kty: "RSA",
            n: URL_SAFE_NO_PAD.encode(modulus),
        }
    }

    pub(super) fn elliptic(crv: &'static str, x: &[u8], y: &[u8]) -> Self {
        Self::Curve {
            crv,
            kty: "EC",
            x: URL_SAFE_NO_PAD.encode(x),
            y: Some(URL_SAFE_NO_PAD.encode(y)),
        }
    }

    pub(super) fn edwards(x: &[u8]) -> Self {
        Self::Curve {
            crv: "Ed25519",
            kty: "OKP",
            x: URL_SAFE_NO_PAD.encode(x),
            y: None,
        }
    }

    /// Converts the key for `jsonwebtoken`.
    pub(super) fn decoding_key(&self) -> Result<DecodingKey, jsonwebtoken::errors::Error> {
        match self {
            Self::Rsa { e, n, .. } => DecodingKey::from_rsa_components(n, e),
            Self::Curve { x, y: Some(y), .. } => DecodingKey::from_ec_components(x, y),
            Self::Curve { x, y: None, .. } => DecodingKey::from_ed_components(x),
        }
    }

    /// Returns the SHA-256 of the members as JSON without whitespace, in base64url.
    pub(super) fn thumbprint(&self) -> String {
        let json = match self {
            Self::Rsa { e, kty, n } => format!(r#"{{"e":"{e}","kty":"{kty}","n":"{n}"}}"#),
            Self::Curve { crv, kty, x, y } => {
                let y = y
                    .as_ref()
                    .map(|y| format!(r#","y":"{y}""#))
                    .unwrap_or_default();
                format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}"{y}}}"#)
            }
        };
        URL_SAFE_NO_PAD.encode(Crypto::sha256(json.as_bytes()))
    }
}
