//! Tokens: what they say, how one is signed, and when one is believed. Pure: `(input, now) -> Result`.

mod claims;
mod error;
mod members;
mod verify;

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

pub use self::claims::{Claims, CsrfValue, TokenKind};
pub use self::error::TokenError;
pub use self::verify::{Expiry, MAX_TOKEN_LEN};
use crate::clock::Timestamp;
use crate::keys::{KeyError, KeyRing};

/// What is asked of tokens and put into them. The defaults are the server's.
#[derive(Clone, Debug)]
pub struct TokenPolicy {
    /// How long an access token lives (`JWT_ACCESS_TOKEN_EXPIRES`, 1 h).
    pub access_expires: Duration,
    /// How long an unused refresh token lives (`JWT_REFRESH_TOKEN_EXPIRES`, 30 d).
    pub refresh_expires: Duration,
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
            access_expires: Duration::from_secs(3600),
            refresh_expires: Duration::from_secs(30 * 86_400),
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

/// Signs and verifies tokens with one key ring under one policy.
#[derive(Clone, Debug)]
pub struct Tokens {
    keys: KeyRing,
    policy: TokenPolicy,
}

/// Why a token could not be made.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The claims have no JSON form.
    #[error("the claims could not be written as JSON")]
    Claims(#[from] serde_json::Error),
    /// The key refused.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Tokens {
    /// Tokens signed by `keys` under `policy`.
    pub const fn new(keys: KeyRing, policy: TokenPolicy) -> Self {
        Self { keys, policy }
    }

    /// The policy obeyed.
    pub const fn policy(&self) -> &TokenPolicy {
        &self.policy
    }

    /// The claims every token of ours begins with, under this policy; the caller adds what is its own.
    pub fn claims(&self, kind: TokenKind, sub: &str, jti: String, issued_at: Timestamp) -> Claims {
        let lifetime = match kind {
            TokenKind::Access => self.policy.access_expires,
            TokenKind::Refresh => self.policy.refresh_expires,
        };
        Claims {
            fresh: false,
            iat: issued_at,
            jti,
            kind,
            sub: sub.to_owned(),
            nbf: self.policy.encode_nbf.then_some(issued_at),
            csrf: None,
            aud: self.policy.encode_audience.clone(),
            iss: self.policy.encode_issuer.clone(),
            exp: issued_at + lifetime,
            sid: None,
            generation: None,
            username: None,
            roles: Vec::new(),
            epoch: None,
            extra: serde_json::Map::new(),
        }
    }

    /// Signs the claims: a JWS in compact form (RFC 7515 section 7.1). Equal claims give equal text.
    ///
    /// # Errors
    ///
    /// [`IssueError`] if the claims have no JSON form or the key refuses.
    pub fn sign(&self, claims: &Claims) -> Result<Token, IssueError> {
        let header = format!(
            r#"{{"alg":"{}","typ":"JWT"}}"#,
            self.keys.algorithm().name()
        );
        let mut text = URL_SAFE_NO_PAD.encode(header);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims)?, &mut text);
        let signature = self.keys.sign(text.as_bytes())?;
        text.push('.');
        text.push_str(&signature);
        Ok(Token(text))
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
        verify::verify(&self.keys, &self.policy, token, (now, expiry))
    }

    /// Takes a token apart for a person who debugs: its header and claims as they stand, and each verdict on them.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if the text is no token at all.
    pub fn inspect(&self, token: &str, now: Timestamp) -> Result<Inspection, TokenError> {
        verify::inspect(&self.keys, &self.policy, token, now)
    }
}

/// A token taken apart without believing any of it.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The JOSE header, unverified.
    pub unverified_header: serde_json::Map<String, serde_json::Value>,
    /// The claims, unverified.
    pub unverified_claims: serde_json::Map<String, serde_json::Value>,
    /// What was looked at, and what is wrong with it.
    pub verdicts: Vec<(&'static str, Result<(), TokenError>)>,
}
