//! [`TokenPolicy`]: what tokens say, for how long, and what is asked of them.

use std::time::Duration;

use crate::clock::Timestamp;

/// What is asked of tokens and put into them. The defaults are the server's.
///
/// ```
/// use std::time::Duration;
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// use tokenpair::token::{Expiry, TokenError, TokenKind, TokenPolicy, Tokens};
///
/// let policy = TokenPolicy {
///     access_expires: Some(Duration::from_secs(15 * 60)),
///     decode_audience: vec!["shop".to_owned()],
///     ..TokenPolicy::default()
/// };
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
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
    /// How long an access token lives (`JWT_ACCESS_TOKEN_EXPIRES`, 1 h); none: for ever, so it cannot be ended. Without a
    /// session such a token is only believed where the policy is not `strict`.
    pub access_expires: Option<Duration>,
    /// How long an unused refresh token lives (`JWT_REFRESH_TOKEN_EXPIRES`, 30 d); none: for ever, likewise.
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
    /// How far in the future `iat` and `nbf` may be where [`leeway`](Self::leeway) allows less. Never extends `exp`. Default:
    /// 0 s, as in Flask-JWT-Extended; 5 s in the server, whose replicas sign for each other by clocks that always differ a
    /// little.
    pub early_leeway: Duration,
    /// How many access tokens are remembered once they were verified, so that their signature is not computed again at each
    /// request (`JWT_CACHE`, 10,000; 0: none). One longer than 1 KiB counts as several. Times, revocation and loaders are
    /// asked at each request nonetheless, other keys forget them all, and where
    /// [`AuthBuilder::decode_key`](crate::web::AuthBuilder::decode_key) chooses the keys none is remembered.
    pub cache: usize,
}

impl TokenPolicy {
    /// The latest time that `iat` and `nbf` may name. RFC 7519 section 4.1.5 allows for clock skew.
    pub(super) fn latest_begin(&self, now: Timestamp) -> Timestamp {
        now + self.leeway.max(self.early_leeway)
    }

    /// The time by which a token whose `exp` is not past it has expired. RFC 7519 section 4.1.4.
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
