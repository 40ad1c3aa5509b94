//! Defines [`TokenPolicy`]: the claims and lifetimes of tokens, and the requirements on tokens
//! received.

use std::time::Duration;

use crate::clock::Timestamp;

/// The claims and lifetimes of tokens, and the requirements on tokens received. The defaults are
/// the server's.
///
/// ```
/// use std::time::Duration;
/// # use tokenpair::clock::Timestamp;
/// use tokenpair::token::{Expiry, TokenError, TokenKind, TokenPolicy, Tokens};
///
/// let policy = TokenPolicy {
///     access_expires: Some(Duration::from_secs(15 * 60)),
///     decode_audience: vec!["shop".to_owned()],
///     ..TokenPolicy::default()
/// };
/// # let keys = tokenpair::sample::keys()?;
/// # let now = Timestamp::from_unix(1_800_000_000);
/// let tokens = Tokens::new(keys, policy);
/// let claims = tokens.claims(TokenKind::Access, "ada", "an id".to_owned(), now);
/// assert_eq!(claims.exp, Some(now + Duration::from_secs(15 * 60)));
///
/// let issued = tokens.sign(&claims)?; // has no `aud`: that would be `encode_audience`
/// let refusal = tokens.verify(issued.token.as_str(), now, Expiry::Enforced);
/// assert_eq!(refusal, Err(TokenError::MissingRegistered("aud")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenPolicy {
    /// Lifetime of an access token (`JWT_ACCESS_TOKEN_EXPIRES`). Default: 1 h. `None`: never
    /// expires. Without a session such a token is accepted only if the policy is not `strict`.
    pub access_expires: Option<Duration>,
    /// Lifetime of an unused refresh token (`JWT_REFRESH_TOKEN_EXPIRES`). Default: 30 d. `None`:
    /// never expires, as for access tokens.
    pub refresh_expires: Option<Duration>,
    /// The claim that holds the identity (`JWT_IDENTITY_CLAIM`). Default: `sub`.
    pub identity_claim: String,
    /// Whether `sub` must be a string, as RFC 7519 requires (`JWT_VERIFY_SUB`). Default: true.
    pub verify_sub: bool,
    /// Whether a token must have `type`, `jti`, `iat` and `exp`, and our claims in the right form.
    /// Default: true, for tokens that only this app issues. Flask-JWT-Extended requires none of
    /// them.
    pub strict: bool,
    /// The `iss` of issued tokens (`JWT_ENCODE_ISSUER`). Default: none.
    pub encode_issuer: Option<String>,
    /// The `aud` of issued tokens (`JWT_ENCODE_AUDIENCE`). Default: none.
    pub encode_audience: Vec<String>,
    /// The required `iss` (`JWT_DECODE_ISSUER`). Default: none, not checked.
    pub decode_issuer: Option<String>,
    /// The accepted values of `aud` (`JWT_DECODE_AUDIENCE`). Default: none, not checked, as in
    /// Flask-JWT-Extended.
    pub decode_audience: Vec<String>,
    /// Whether issued tokens have `nbf` (`JWT_ENCODE_NBF`). Default: true.
    pub encode_nbf: bool,
    /// Whether issued tokens have `csrf`. Set it if tokens may travel in cookies and CSRF
    /// protection is on. Default: true.
    pub encode_csrf: bool,
    /// Allowed difference between the clocks of signer and verifier (`JWT_DECODE_LEEWAY`). Default:
    /// 0 s.
    pub leeway: Duration,
    /// Allowed time of `iat` and `nbf` in the future, if [`leeway`](Self::leeway) allows less.
    /// Never extends `exp`. Default: 0 s, as in Flask-JWT-Extended; 5 s in the server, whose
    /// replicas verify each other's tokens and have slightly different clocks.
    pub early_leeway: Duration,
    /// Capacity of the cache of verified access tokens, which saves computing their signature again
    /// at each request (`JWT_CACHE`). Default: 10,000; 0 disables it. A token longer than 1 KiB
    /// counts as several. Every request still checks times, revocation and loaders. Replacing the
    /// keys empties the cache, and with
    /// [`AuthBuilder::decode_key`](crate::web::AuthBuilder::decode_key) it is not used.
    pub cache: usize,
}

impl TokenPolicy {
    /// Returns the latest valid `iat` and `nbf`. RFC 7519 section 4.1.5 allows for clock skew.
    pub(super) fn latest_begin(&self, now: Timestamp) -> Timestamp {
        now + self.leeway.max(self.early_leeway)
    }

    /// Returns the latest `exp` that has expired. RFC 7519 section 4.1.4.
    pub(super) fn latest_expired(&self, now: Timestamp) -> Timestamp {
        now - self.leeway
    }
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
            early_leeway: Duration::ZERO,
            cache: 10_000,
        }
    }
}
