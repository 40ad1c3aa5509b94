//! Why a token is not believed, and why one could not be made.

use std::borrow::Cow;
use std::time::Duration;

use thiserror::Error;

use crate::keys::KeyError;

/// The longest token looked at, in bytes. Checked before anything is decoded.
///
/// ```
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::token::{Expiry, TokenPolicy, Tokens};
/// use tokenpair::token::{MAX_TOKEN_LEN, TokenError};
///
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let tokens = Tokens::new(keys, TokenPolicy::default());
/// # let now = Timestamp::from_unix(1_800_000_000);
/// let verify = |text: String| tokens.verify(&text, now, Expiry::Enforced);
/// assert_eq!(verify("a".repeat(MAX_TOKEN_LEN + 1)), Err(TokenError::TooLong));
/// assert_eq!(verify("a".repeat(MAX_TOKEN_LEN)), Err(TokenError::NotEnoughSegments));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const MAX_TOKEN_LEN: usize = 8192;

/// Why a token is not believed. The text is what Flask-JWT-Extended answers.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN_LEN`].
    #[error("Token is longer than {MAX_TOKEN_LEN} bytes")]
    TooLong,
    /// Not of the form `header.payload.signature`.
    #[error("Not enough segments")]
    NotEnoughSegments,
    /// A segment that is not canonical base64url without padding (RFC 7515 section 2).
    #[error("Invalid {0} padding")]
    InvalidSegment(&'static str),
    /// The header or the payload is not JSON, or has a member twice.
    #[error("Invalid {0} string: not valid JSON")]
    NotJson(&'static str),
    /// The header or the payload is JSON but no object.
    #[error("Invalid {0} string: must be a json object")]
    NotAnObject(&'static str),
    /// `kid` is there and no string.
    #[error("Key ID header parameter must be a string")]
    KeyIdNotAString,
    /// `crit` is there and no list of names (RFC 7515 section 4.1.11).
    #[error("Invalid 'crit' header: must be a non-empty list")]
    CritNotAList,
    /// `crit` names an extension; we have none.
    #[error("Unsupported critical extension: {0}")]
    UnsupportedCritical(String),
    /// `b64` other than true (RFC 7797): the payload would not be what we decoded.
    #[error("Unsupported critical extension: b64")]
    UnencodedPayload,
    /// No `alg`.
    #[error("Algorithm not specified")]
    NoAlgorithm,
    /// An `alg` that no key has, `none` included.
    #[error("The specified alg value is not allowed")]
    AlgorithmNotAllowed,
    /// A `kid` that no key has, where all keys have one.
    #[error("Unable to find a signing key that matches the key ID")]
    KeyNotFound,
    /// The signature is not ours.
    #[error("Signature verification failed")]
    BadSignature,
    /// Past `exp`.
    #[error("Token has expired")]
    Expired,
    /// Before `nbf` or `iat`.
    #[error("The token is not yet valid ({claim})")]
    NotYetValid {
        /// The claim: `iat` or `nbf`.
        claim: &'static str,
        /// Time until the token is valid, leeway included. In whole seconds.
        wait: Duration,
    },
    /// A time that is no number.
    #[error("{0} must be an integer.")]
    NotAnInteger(&'static str),
    /// A claim that has to be there is not.
    #[error("Token is missing the \"{0}\" claim")]
    MissingRegistered(&'static str),
    /// A claim that Flask-JWT-Extended or tokenpair asks for is not there.
    #[error("Missing claim: {0}")]
    Missing(Cow<'static, str>),
    /// A claim of the wrong type or form.
    #[error("{0}")]
    BadClaim(&'static str),
    /// Signed for someone else.
    #[error("Audience doesn't match")]
    WrongAudience,
    /// Signed by someone else.
    #[error("Invalid issuer")]
    WrongIssuer,
    /// A refresh token where an access token is due.
    #[error("Only non-refresh tokens are allowed")]
    NotAnAccessToken,
    /// An access token where a refresh token is due.
    #[error("Only refresh tokens are allowed")]
    NotARefreshToken,
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
