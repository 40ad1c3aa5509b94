//! Defines tokens: their claims, signing and verification, as pure functions of a time.

mod cache;
mod claims;
mod error;
mod extra;
mod issued;
mod loaders;
mod payload;
mod policy;
mod verify;

use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

use self::cache::Generation;
pub use self::claims::{Claims, CsrfValue, Freshness, TokenKind};
pub use self::error::{IssueError, MAX_TOKEN_LEN, TokenError};
pub use self::extra::ClaimError;
pub use self::issued::{Issued, Token};
pub(crate) use self::loaders::TokenLoaders;
pub use self::policy::TokenPolicy;
use self::verify::Verifier;
pub use self::verify::{Decoded, Expiry, Inspection};
use crate::clock::Timestamp;
use crate::keys::{KeyError, KeyRing};

/// Signs and verifies tokens with a key ring under a policy. Clones share the ring.
///
/// ```
/// use std::time::Duration;
/// use tokenpair::clock::Timestamp;
/// use tokenpair::keys::{Algorithm, KeyRing};
/// use tokenpair::token::{Expiry, TokenError, TokenKind, TokenPolicy, Tokens};
///
/// let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows")?;
/// let tokens = Tokens::new(keys, TokenPolicy::default());
/// let now = Timestamp::from_unix(1_800_000_000);
/// let claims = tokens.claims(TokenKind::Access, "ada", "an id".to_owned(), now);
/// let issued = tokens.sign(&claims)?;
///
/// let verified_tokens = tokens.verify(issued.token.as_str(), now, Expiry::Enforced)?;
/// assert_eq!(verified_tokens.sub(), "ada");
/// let end = now + Duration::from_secs(3600);
/// assert_eq!(issued.expires_at, Some(end));
/// let refusal = tokens.verify(issued.token.as_str(), end, Expiry::Enforced);
/// assert_eq!(refusal, Err(TokenError::Expired));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Read without a lock. Signing or verifying a token uses one ring throughout.
    generation: Arc<ArcSwap<Generation>>,
    verifier: Verifier,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    typ: &'static str,
}

impl<'a> Header<'a> {
    /// Returns `alg` and, if the key has one, `kid` (RFC 7515 section 4.1).
    fn of(keys: &'a KeyRing) -> Result<Self, KeyError> {
        let algorithm = keys.algorithm().ok_or(KeyError::NoSigningKey)?;
        Ok(Self {
            alg: algorithm.name(),
            kid: keys.kid(),
            typ: "JWT",
        })
    }
}

impl Tokens {
    /// Returns tokens signed by `keys` under `policy`.
    pub fn new(keys: KeyRing, policy: TokenPolicy) -> Self {
        Self {
            generation: Arc::new(ArcSwap::from_pointee(Generation::new(keys, &policy))),
            verifier: Verifier {
                policy,
                loaders: TokenLoaders::default(),
            },
        }
    }

    /// Returns the same tokens with `loaders` for keys and additional claims.
    pub(crate) fn with_loaders(self, loaders: TokenLoaders) -> Self {
        let policy = self.verifier.policy;
        Self {
            verifier: Verifier { policy, loaders },
            ..self
        }
    }

    /// Returns the current key ring. Compare rings with [`Arc::ptr_eq`] to detect a replacement.
    pub fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.generation.load().keys)
    }

    /// Replaces the key ring, here and in every clone. Signing or verifying that has begun finishes
    /// with the old ring. The cache forgets the old ring's tokens.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::token::{TokenKind, TokenPolicy};
    /// use tokenpair::keys::{Algorithm, KeyRing, VerifyingKey};
    /// use tokenpair::token::{Expiry, Tokens};
    ///
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// let old = b"the 32 bytes that signed before.";
    /// let tokens = Tokens::new(KeyRing::from_secret(Algorithm::Hs256, old)?, TokenPolicy::default());
    /// let issued = tokens.sign(&tokens.claims(TokenKind::Access, "ada", "an id".to_owned(), now))?;
    ///
    /// let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows")?;
    /// tokens.replace_keys(keys.clone());
    /// assert!(tokens.verify(issued.token.as_str(), now, Expiry::Enforced).is_err());
    /// tokens.replace_keys(keys.with_verifying(VerifyingKey::from_secret(Algorithm::Hs256, old)?)?);
    /// assert!(tokens.verify(issued.token.as_str(), now, Expiry::Enforced).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace_keys(&self, keys: KeyRing) {
        let generation = Generation::new(keys, &self.verifier.policy);
        self.generation.store(Arc::new(generation));
    }

    /// Returns the policy.
    pub const fn policy(&self) -> &TokenPolicy {
        &self.verifier.policy
    }

    /// Returns the claims that every token begins with under this policy. The caller adds its own.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// use tokenpair::token::{Claims, Freshness, TokenKind};
    ///
    /// # let tokens = tokenpair::sample::tokens()?;
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// let claims = Claims {
    ///     fresh: Freshness::Fresh,
    ///     roles: vec!["admin".to_owned()],
    ///     ..tokens.claims(TokenKind::Access, "ada", "an id".to_owned(), now)
    /// };
    /// assert_eq!((claims.iat, claims.nbf), (Some(now), Some(now)));
    /// assert_eq!((claims.csrf, claims.sid), (None, None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claims(
        &self,
        kind: TokenKind,
        identity: impl Into<Value>,
        jti: String,
        issued_at: Timestamp,
    ) -> Claims {
        let lifetime = match kind {
            TokenKind::Access => self.verifier.policy.access_expires,
            TokenKind::Refresh => self.verifier.policy.refresh_expires,
        };
        Claims {
            fresh: Freshness::NotFresh,
            iat: Some(issued_at),
            jti: Some(jti),
            kind,
            identity: identity.into(),
            nbf: self.verifier.policy.encode_nbf.then_some(issued_at),
            csrf: None,
            aud: self.verifier.policy.encode_audience.clone(),
            iss: self.verifier.policy.encode_issuer.clone(),
            exp: lifetime.map(|lifetime| issued_at + lifetime),
            sid: None,
            generation: None,
            username: None,
            roles: Vec::new(),
            epoch: None,
            extra: Map::new(),
        }
    }

    /// Signs the claims: a JWS in compact form (RFC 7515 section 7.1). Equal claims give equal
    /// text, except for ES256, ES384 and the PS algorithms, whose signatures contain randomness.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::token::TokenKind;
    /// # let tokens = tokenpair::sample::tokens()?;
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// let claims = |id: &str| tokens.claims(TokenKind::Access, "ada", id.to_owned(), now);
    /// assert_eq!(tokens.sign(&claims("1"))?.token, tokens.sign(&claims("1"))?.token);
    /// assert_ne!(tokens.sign(&claims("1"))?.token, tokens.sign(&claims("2"))?.token);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an [`IssueError`] if the claims have no JSON form, or no key can sign them.
    pub fn sign(&self, claims: &Claims) -> Result<Issued, IssueError> {
        self.sign_with(claims, &Map::new(), &Map::new())
    }

    /// Signs the claims with additional claims, which override them, and header parameters.
    ///
    /// ```
    /// use serde_json::{Map, json};
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::token::TokenKind;
    /// use tokenpair::token::{Expiry, IssueError};
    ///
    /// # let tokens = tokenpair::sample::tokens()?;
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// # let claims = tokens.claims(TokenKind::Access, "ada", "an id".to_owned(), now);
    /// let more = |name: &str| Map::from_iter([(name.to_owned(), json!("acme"))]);
    /// let issued = tokens.sign_with(&claims, &more("tenant"), &more("x-tenant"))?;
    /// let decoded = tokens.decode(issued.token.as_str(), now, Expiry::Enforced)?;
    /// assert_eq!(decoded.claims.extra["tenant"], "acme");
    /// assert_eq!(decoded.header["x-tenant"], "acme");
    ///
    /// let refusal = tokens.sign_with(&claims, &more("type"), &Map::new());
    /// assert!(matches!(refusal, Err(IssueError::Reserved(name)) if name == "type"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Tokens::sign`], and [`IssueError::Reserved`] for a reserved claim.
    pub fn sign_with(
        &self,
        claims: &Claims,
        more: &Map<String, Value>,
        header: &Map<String, Value>,
    ) -> Result<Issued, IssueError> {
        let identity = &claims.identity;
        let loaders = &self.verifier.loaders;
        let mut members = loaders.claims(identity, claims.sid.is_some())?;
        members.extend(more.clone());
        let mut parameters = loaders.headers(identity);
        parameters.extend(header.clone());
        let exp = match members.get("exp") {
            None => claims.exp,
            Some(exp) => exp.as_i64().map(Timestamp::from_unix),
        };
        let keys = self.signing_keys(identity)?;
        let header = with(&Header::of(&keys)?, parameters)?;
        let payload = self.payload(claims, members)?;
        Ok(Issued {
            token: sign_parts(&keys, &header, &payload)?,
            csrf: claims.csrf.clone(),
            expires_at: exp,
        })
    }

    fn payload(&self, claims: &Claims, more: Map<String, Value>) -> Result<Vec<u8>, IssueError> {
        let identity = self.verifier.policy.identity_claim.as_str();
        let reserved = |name: &&String| {
            *name == identity || ["type", "csrf", "sid", "gen"].contains(&name.as_str())
        };
        if let Some(name) = more.keys().find(reserved) {
            return Err(IssueError::Reserved(name.clone()));
        }
        let own = claims.named(identity);
        if more.is_empty() {
            return Ok(serde_json::to_vec(&own)?);
        }
        let mut members = object(&own)?;
        members.extend(more);
        Ok(serde_json::to_vec(&members)?)
    }

    /// Returns the signing ring of an identity. If there is a loader, it alone decides.
    fn signing_keys(&self, identity: &Value) -> Result<Arc<KeyRing>, KeyError> {
        match &self.verifier.loaders.encode_key {
            None => Ok(self.keys()),
            Some(load) => load(identity).ok_or(KeyError::NoSigningKey),
        }
    }

    /// Verifies a token. The signature is checked before any claim is used.
    ///
    /// # Errors
    ///
    /// Returns a [`TokenError`] with the text of PyJWT and Flask-JWT-Extended.
    pub fn verify(
        &self,
        token: &str,
        now: Timestamp,
        expiry: Expiry,
    ) -> Result<Claims, TokenError> {
        Ok(self.decode(token, now, expiry)?.claims)
    }

    /// Verifies a token as [`Tokens::verify`] does, and returns its header too.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::token::{Expiry, TokenKind};
    /// # let tokens = tokenpair::sample::tokens()?;
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// # let issued = tokens.sign(&tokens.claims(TokenKind::Access, "ada", "an id".to_owned(), now))?;
    /// let decoded = tokens.decode(issued.token.as_str(), now, Expiry::Enforced)?;
    /// assert_eq!(decoded.header["alg"], "HS256");
    /// assert_eq!(decoded.claims.jti.as_deref(), Some("an id"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Tokens::verify`].
    pub fn decode(
        &self,
        token: &str,
        now: Timestamp,
        expiry: Expiry,
    ) -> Result<Decoded, TokenError> {
        self.verifier.verify(&self.keys(), token, now, expiry)
    }

    /// Decodes an access token as [`Tokens::decode`] with [`Expiry::Enforced`] does. A token in the
    /// cache is not verified again, except for its times. Text that is no UTF-8 is no token.
    pub(crate) fn decode_access(
        &self,
        token: &(impl AsRef<[u8]> + ?Sized),
        now: Timestamp,
    ) -> Result<Arc<Decoded>, TokenError> {
        let generation = self.generation.load();
        generation.decode(&self.verifier, token.as_ref(), now)
    }

    /// Checks the times of a token verified earlier.
    pub(crate) fn check_times(&self, claims: &Claims, now: Timestamp) -> Result<(), TokenError> {
        payload::check_times_again(claims, now, &self.verifier.policy)
    }

    /// Takes a token apart for debugging: its header, its claims, and the verdict of each check.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::token::TokenKind;
    /// use tokenpair::token::TokenError;
    ///
    /// # let tokens = tokenpair::sample::tokens()?;
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// # let issued = tokens.sign(&tokens.claims(TokenKind::Access, "ada", "an id".to_owned(), now))?;
    /// let tomorrow = now + Duration::from_secs(86_400);
    /// let inspection = tokens.inspect(issued.token.as_str(), tomorrow)?;
    /// assert_eq!(inspection.unverified_claims["sub"], "ada");
    /// let verdicts = inspection.verdicts.into_iter();
    /// let wrong = Vec::from_iter(verdicts.filter(|(_, verdict)| verdict.is_err()));
    /// assert_eq!(wrong, [("times", Err(TokenError::Expired))]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`TokenError`] if the text does not have the form of a token.
    pub fn inspect(&self, token: &str, now: Timestamp) -> Result<Inspection, TokenError> {
        self.verifier.inspect(&self.keys(), token, now)
    }
}

/// Returns `own` with the parameters in `more` that it does not have.
fn with(own: &Header<'_>, more: Map<String, Value>) -> Result<Vec<u8>, IssueError> {
    if more.is_empty() {
        return Ok(serde_json::to_vec(own)?);
    }
    let mut members = more;
    members.extend(object(own)?);
    Ok(serde_json::to_vec(&members)?)
}

fn object(value: &impl Serialize) -> Result<Map<String, Value>, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(value)?)
}

fn sign_parts(keys: &KeyRing, header: &[u8], payload: &[u8]) -> Result<Token, KeyError> {
    let mut text = URL_SAFE_NO_PAD.encode(header);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut text);
    let signature = keys.sign(text.as_bytes())?;
    text.push('.');
    text.push_str(&signature);
    Ok(Token(text))
}
