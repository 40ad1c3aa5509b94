//! Implements tokens without a session: Flask-JWT-Extended's `create_access_token`,
//! `create_refresh_token` and `decode_token`.

use std::time::Duration;

use serde_json::{Map, Value};

use super::auth::Auth;
use super::error_code::ErrorCode;
use super::rejection::Rejection;
use crate::random::{ID_BYTES, random_text};
use crate::session::Reissued;
use crate::token::{
    Claims, CsrfValue, Decoded, Expiry, Freshness, IssueError, Issued, TokenKind, Tokens,
};

impl Auth {
    /// Starts an access token for an identity, not fresh by default.
    ///
    /// ```
    /// use tokenpair::web::Auth;
    ///
    /// # let auth = tokenpair::sample::auth()?;
    /// let issued = auth.access_token("ada").sign()?;
    /// let claims = auth.decode(issued.token.as_str()).run()?.claims;
    /// assert_eq!(claims.sub(), "ada");
    /// assert!(!claims.fresh.is_fresh(auth.now()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn access_token(&self, identity: impl Into<Value>) -> TokenBuilder<'_> {
        self.new_token(TokenKind::Access, identity.into())
    }

    /// Starts a refresh token for an identity. It has no record;
    /// [`Sessions::login`](crate::session::Sessions::login) issues a pair with a record.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tokenpair::web::Auth;
    ///
    /// # let auth = tokenpair::sample::auth()?;
    /// let issued = auth.refresh_token("ada").sign()?;
    /// let claims = auth.decode(issued.token.as_str()).run()?.claims;
    /// assert_eq!(claims.exp, claims.iat.map(|iat| iat + Duration::from_secs(30 * 86_400)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refresh_token(&self, identity: impl Into<Value>) -> TokenBuilder<'_> {
        self.new_token(TokenKind::Refresh, identity.into())
    }

    fn new_token(&self, kind: TokenKind, identity: Value) -> TokenBuilder<'_> {
        let jti = random_text(ID_BYTES);
        let csrf = || CsrfValue::new(random_text(ID_BYTES));
        let claims = Claims {
            csrf: self.tokens().policy().encode_csrf.then(csrf),
            ..self.tokens().claims(kind, identity, jti, self.now())
        };
        TokenBuilder {
            auth: self,
            claims,
            extra: Map::new(),
            header: Map::new(),
        }
    }

    /// Starts verifying a token outside a request.
    pub const fn decode<'a>(&'a self, token: &'a str) -> Decoding<'a> {
        Decoding {
            auth: self,
            token,
            csrf: None,
            expiry: Expiry::Enforced,
        }
    }

    /// Issues the successor of an access token without a record.
    pub(super) fn successor(
        &self,
        tokens: &Tokens,
        claims: &Claims,
    ) -> Result<Reissued, IssueError> {
        let jti = random_text(ID_BYTES);
        let fresh = tokens.claims(TokenKind::Access, Value::Null, jti, self.now());
        let access = tokens.sign(&Claims {
            fresh: Freshness::NotFresh,
            jti: fresh.jti,
            iat: fresh.iat,
            nbf: fresh.nbf,
            exp: fresh.exp,
            aud: fresh.aud,
            iss: fresh.iss,
            ..claims.clone()
        })?;
        Ok(Reissued {
            access,
            remember: self.policy().remember,
        })
    }
}

/// A token under construction.
///
/// ```
/// use std::time::Duration;
/// use tokenpair::token::{Freshness, IssueError};
/// use tokenpair::web::Auth;
///
/// # let auth = tokenpair::sample::auth()?;
/// let token = auth.access_token("ada").fresh(Freshness::Fresh).expires_in(Duration::from_secs(300));
/// let issued = token.claim("tenant", "acme").header("x-tenant", "acme").sign()?;
/// let decoded = auth.decode(issued.token.as_str()).run()?;
/// assert_eq!(decoded.claims.exp, decoded.claims.iat.map(|iat| iat + Duration::from_secs(300)));
/// assert_eq!(decoded.claims.extra["tenant"], "acme");
/// assert_eq!(decoded.header["x-tenant"], "acme");
///
/// let refusal = auth.access_token("ada").claim("type", "refresh").sign();
/// assert!(matches!(refusal, Err(IssueError::Reserved(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct TokenBuilder<'a> {
    auth: &'a Auth,
    claims: Claims,
    extra: Map<String, Value>,
    header: Map<String, Value>,
}

impl TokenBuilder<'_> {
    /// Sets whether the token is fresh.
    pub fn fresh(mut self, fresh: Freshness) -> Self {
        self.claims.fresh = fresh;
        self
    }

    /// Sets the token's lifetime, overriding the policy.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.claims.exp = self.claims.iat.map(|iat| iat + lifetime);
        self
    }

    /// Makes the token never expire; only a blocklist can end it. Under a policy that is
    /// [strict](crate::token::TokenPolicy::strict), as by default, it can be issued, but not
    /// verified: there every token must expire.
    ///
    /// ```
    /// # use tokenpair::token::{TokenPolicy, Tokens};
    /// use tokenpair::web::Auth;
    ///
    /// # let keys = tokenpair::sample::keys()?;
    /// let policy = TokenPolicy { strict: false, ..TokenPolicy::default() };
    /// let auth = Auth::builder(Tokens::new(keys, policy)).build();
    /// let issued = auth.access_token("a machine").never_expires().sign()?;
    /// assert_eq!(issued.expires_at, None);
    /// assert!(auth.decode(issued.token.as_str()).run().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn never_expires(mut self) -> Self {
        self.claims.exp = None;
        self
    }

    /// Adds a claim. It overrides others, except `type`, `csrf`, `sid`, `gen` and the identity,
    /// which are reserved for the library.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }

    /// Adds a header parameter; `alg` stays the key's.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    /// Signs the token.
    ///
    /// # Errors
    ///
    /// Returns an [`IssueError`] if the key cannot sign, a claim is reserved for the library, or
    /// [`AuthBuilder::additional_claims_async`](super::AuthBuilder::additional_claims_async) is set.
    pub fn sign(self) -> Result<Issued, IssueError> {
        let tokens = self.auth.tokens();
        tokens.sign_with(&self.claims, &self.extra, &self.header)
    }

    /// Signs the token with the claims of
    /// [`AuthBuilder::additional_claims_async`](super::AuthBuilder::additional_claims_async).
    ///
    /// # Errors
    ///
    /// Returns a 503 if the loader failed, and the errors of [`TokenBuilder::sign`] as a 500.
    pub async fn sign_async(self) -> Result<Issued, Rejection> {
        let tokens = self.auth.tokens_for(&self.claims.identity).await?;
        Ok(tokens.sign_with(&self.claims, &self.extra, &self.header)?)
    }
}

/// A token to be verified: Flask-JWT-Extended's `decode_token`.
///
/// ```
/// use std::time::Duration;
/// use tokenpair::clock::{Clock, Timestamp};
/// use tokenpair::web::Auth;
///
/// # let tokens = tokenpair::sample::tokens()?;
/// let clock = Clock::fixed(Timestamp::from_unix(1_800_000_000));
/// let auth = Auth::builder(tokens).clock(clock.clone()).build();
/// let issued = auth.access_token("ada").sign()?;
/// let token = issued.token.as_str();
/// assert_eq!(auth.decode(token).csrf("another's").run().unwrap_err().code(), "csrf_mismatch");
///
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(auth.decode(token).run().unwrap_err().code(), "token_expired");
/// assert_eq!(auth.decode(token).allow_expired().run()?.claims.sub(), "ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Decoding<'a> {
    auth: &'a Auth,
    token: &'a str,
    csrf: Option<&'a str>,
    expiry: Expiry,
}

impl<'a> Decoding<'a> {
    /// Requires this CSRF value.
    pub const fn csrf(mut self, value: &'a str) -> Self {
        self.csrf = Some(value);
        self
    }

    /// Accepts the token regardless of its times.
    pub const fn allow_expired(mut self) -> Self {
        self.expiry = Expiry::Ignored;
        self
    }

    /// Verifies the token, and returns its header and claims.
    ///
    /// # Errors
    ///
    /// Returns a [`Rejection`] with the reason that the token is invalid.
    pub fn run(self) -> Result<Decoded, Rejection> {
        let tokens = self.auth.tokens();
        let decoded = tokens.decode(self.token, self.auth.now(), self.expiry)?;
        let Some(wanted) = self.csrf else {
            return Ok(decoded);
        };
        if decoded.claims.has_csrf(wanted.as_bytes())? {
            return Ok(decoded);
        }
        let hint = "Send the CSRF token of this token.".to_owned();
        Err(Rejection::from(ErrorCode::CsrfMismatch).hint(hint))
    }
}
