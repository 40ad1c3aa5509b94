//! Tokens: what they say, how one is signed, and when one is believed. Pure: `(input, now) -> Result`.

mod claims;
mod error;
mod loaders;
mod members;
mod verify;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

pub use self::claims::{Claims, CsrfValue, Freshness, TokenKind};
pub use self::error::TokenError;
pub(crate) use self::loaders::TokenLoaders;
pub use self::verify::{Expiry, MAX_TOKEN_LEN};
use crate::clock::Timestamp;
use crate::keys::{KeyError, KeyRing};

/// What is asked of tokens and put into them. The defaults are the server's.
#[derive(Clone, Debug)]
pub struct TokenPolicy {
    /// How long an access token lives (`JWT_ACCESS_TOKEN_EXPIRES`, 1 h); none: for ever, so it cannot be ended.
    pub access_expires: Option<Duration>,
    /// How long an unused refresh token lives (`JWT_REFRESH_TOKEN_EXPIRES`, 30 d); none: for ever.
    pub refresh_expires: Option<Duration>,
    /// The claim that holds the identity (`JWT_IDENTITY_CLAIM`, `sub`).
    pub identity_claim: String,
    /// Whether a `sub` has to be a string, as RFC 7519 asks (`JWT_VERIFY_SUB`, yes).
    pub verify_sub: bool,
    /// Whether a token has to have `type`, `jti`, `iat` and `exp`, and ours in good form: yes for tokens that only we make.
    /// Flask-JWT-Extended asks for none of them.
    pub strict: bool,
    /// The `iss` written (`JWT_ENCODE_ISSUER`, none).
    pub encode_issuer: Option<String>,
    /// The `aud` written (`JWT_ENCODE_AUDIENCE`, none).
    pub encode_audience: Vec<String>,
    /// The `iss` asked for (`JWT_DECODE_ISSUER`, none: not looked at).
    pub decode_issuer: Option<String>,
    /// The `aud` asked for, one of these (`JWT_DECODE_AUDIENCE`, none: not looked at, as in Flask-JWT-Extended).
    pub decode_audience: Vec<String>,
    /// Whether `nbf` is written (`JWT_ENCODE_NBF`, yes).
    pub encode_nbf: bool,
    /// Whether the `csrf` claim is written: yes where tokens may travel in cookies and CSRF protection is on.
    pub encode_csrf: bool,
    /// How far apart the clocks of signer and verifier may be (`JWT_DECODE_LEEWAY`, 0 s).
    pub leeway: Duration,
}

impl Default for TokenPolicy {
    fn default() -> Self {
        Self {
            access_expires: Some(Duration::from_secs(3600)),
            refresh_expires: Some(Duration::from_secs(30 * 86_400)),
            identity_claim: "sub".to_owned(),
            verify_sub: true,
            strict: true,
            encode_issuer: None,
            encode_audience: Vec::new(),
            decode_issuer: None,
            decode_audience: Vec::new(),
            encode_nbf: true,
            encode_csrf: true,
            leeway: Duration::ZERO,
        }
    }
}

/// A signed token's text. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The text, to be put into a cookie, a header or a body and nowhere else.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A signed token and what its bearer must know of it.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The text.
    pub token: Token,
    /// Its CSRF value, if tokens carry one.
    pub csrf: Option<CsrfValue>,
    /// Its `exp`; none if it never ends.
    pub expires_at: Option<Timestamp>,
}

/// Signs and verifies tokens with one key ring under one policy. Clones share the ring, and its replacement.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Read without a lock; each token is signed or verified by one ring throughout.
    keys: Arc<ArcSwap<KeyRing>>,
    policy: TokenPolicy,
    loaders: TokenLoaders,
}

/// Why a token could not be made.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The claims have no JSON form.
    #[error("the claims could not be written as JSON")]
    Claims(#[from] serde_json::Error),
    /// A claim that the library has to be sure of.
    #[error("the claim {0:?} is the library's, and cannot be given")]
    Reserved(String),
    /// The key refused.
    #[error(transparent)]
    Key(#[from] KeyError),
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    typ: &'static str,
}

impl<'a> Header<'a> {
    /// Which key signs, for those who verify: `alg`, and `kid` where the key has one (RFC 7515 section 4.1).
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
    /// Tokens signed by `keys` under `policy`.
    pub fn new(keys: KeyRing, policy: TokenPolicy) -> Self {
        Self {
            keys: Arc::new(ArcSwap::from_pointee(keys)),
            policy,
            loaders: TokenLoaders::default(),
        }
    }

    /// The same, asking these for keys and more claims.
    pub(crate) fn with_loaders(self, loaders: TokenLoaders) -> Self {
        Self { loaders, ..self }
    }

    /// The present key ring. [`Arc::ptr_eq`] tells whether it has been replaced since.
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.load_full()
    }

    /// From now on these keys sign and verify, here and in every clone. What is being signed or verified at this moment
    /// is finished with the ring it began with.
    pub fn replace_keys(&self, keys: KeyRing) {
        self.keys.store(Arc::new(keys));
    }

    /// The policy obeyed.
    pub const fn policy(&self) -> &TokenPolicy {
        &self.policy
    }

    /// The claims every token of ours begins with, under this policy; the caller adds what is its own.
    pub fn claims(
        &self,
        kind: TokenKind,
        identity: impl Into<Value>,
        jti: String,
        issued_at: Timestamp,
    ) -> Claims {
        let lifetime = match kind {
            TokenKind::Access => self.policy.access_expires,
            TokenKind::Refresh => self.policy.refresh_expires,
        };
        Claims {
            fresh: Freshness::Stale,
            iat: Some(issued_at),
            jti: Some(jti),
            kind,
            identity: identity.into(),
            nbf: self.policy.encode_nbf.then_some(issued_at),
            csrf: None,
            aud: self.policy.encode_audience.clone(),
            iss: self.policy.encode_issuer.clone(),
            exp: lifetime.map(|lifetime| issued_at + lifetime),
            sid: None,
            generation: None,
            username: None,
            roles: Vec::new(),
            epoch: None,
            extra: Map::new(),
        }
    }

    /// Signs the claims: a JWS in compact form (RFC 7515 section 7.1). Equal claims give equal text, but for ES256,
    /// ES384 and the PS algorithms, whose signatures hold randomness.
    ///
    /// # Errors
    ///
    /// [`IssueError`] if the claims have no JSON form, there is no key to sign with, or it refuses.
    pub fn sign(&self, claims: &Claims) -> Result<Issued, IssueError> {
        self.sign_with(claims, &Map::new(), &Map::new())
    }

    /// Signs the claims with some more, which win over them, and with some more header parameters.
    ///
    /// # Errors
    ///
    /// [`IssueError::Reserved`] if one more is a claim that the library has to be sure of; else as [`Tokens::sign`].
    pub fn sign_with(
        &self,
        claims: &Claims,
        more: &Map<String, Value>,
        header: &Map<String, Value>,
    ) -> Result<Issued, IssueError> {
        let identity = &claims.identity;
        let mut payload = self.loaders.claims(identity, claims.sid.is_some())?;
        payload.extend(more.clone());
        let mut parameters = self.loaders.headers(identity);
        parameters.extend(header.clone());
        let exp = match payload.get("exp") {
            None => claims.exp,
            Some(exp) => exp.as_i64().map(Timestamp::from_unix),
        };
        let keys = self.signing_keys(identity)?;
        let header = with(&Header::of(&keys)?, parameters)?;
        let payload = self.payload(claims, payload)?;
        Ok(Issued {
            token: sign_parts(&keys, &header, &payload)?,
            csrf: claims.csrf.clone(),
            expires_at: exp,
        })
    }

    fn payload(&self, claims: &Claims, more: Map<String, Value>) -> Result<Vec<u8>, IssueError> {
        let identity = self.policy.identity_claim.as_str();
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

    /// The ring of an identity: the loader's if there is one, and no other in its place.
    fn signing_keys(&self, identity: &Value) -> Result<Arc<KeyRing>, KeyError> {
        match &self.loaders.encode_key {
            None => Ok(self.keys()),
            Some(load) => load(identity).ok_or(KeyError::NoSigningKey),
        }
    }

    /// Believes a token, or says why not. Signature before claims; nothing of the claims is used before.
    ///
    /// # Errors
    ///
    /// [`TokenError`], whose text is the one PyJWT and Flask-JWT-Extended give.
    pub fn verify(
        &self,
        token: &str,
        now: Timestamp,
        expiry: Expiry,
    ) -> Result<Claims, TokenError> {
        Ok(self.decode(token, now, expiry)?.claims)
    }

    /// As [`Tokens::verify`], with the token's header.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn decode(
        &self,
        token: &str,
        now: Timestamp,
        expiry: Expiry,
    ) -> Result<Decoded, TokenError> {
        verify::verify(self, token, (now, expiry))
    }

    /// Takes a token apart for a person who debugs: its header and claims as they stand, and each verdict on them.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if the text is no token at all.
    pub fn inspect(&self, token: &str, now: Timestamp) -> Result<Inspection, TokenError> {
        verify::inspect(self, token, now)
    }
}

/// `own` with the parameters that it does not have itself.
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

/// A token that is believed.
#[derive(Clone, PartialEq, Debug)]
pub struct Decoded {
    /// The JOSE header.
    pub header: Map<String, Value>,
    /// What it says.
    pub claims: Claims,
}

/// A token taken apart without believing any of it.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The JOSE header, unverified.
    pub unverified_header: Map<String, Value>,
    /// The claims, unverified.
    pub unverified_claims: Map<String, Value>,
    /// What was looked at, and what is wrong with it.
    pub verdicts: Vec<(&'static str, Result<(), TokenError>)>,
}
