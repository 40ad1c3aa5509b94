//! Defines the errors of verifying and of signing tokens.

use std::borrow::Cow;
use std::time::Duration;

use thiserror::Error;

use crate::keys::KeyError;

/// The longest token accepted, in bytes. Checked before anything is decoded.
///
/// ```
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::token::Expiry;
/// use tokenpair::token::{MAX_TOKEN_LEN, TokenError};
///
/// # let tokens = tokenpair::sample::tokens()?;
/// # let now = Timestamp::from_unix(1_800_000_000);
/// let verify = |text: String| tokens.verify(&text, now, Expiry::Enforced);
/// assert_eq!(verify("a".repeat(MAX_TOKEN_LEN + 1)), Err(TokenError::TooLong));
/// assert_eq!(verify("a".repeat(MAX_TOKEN_LEN)), Err(TokenError::NotEnoughSegments));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const MAX_TOKEN_LEN: usize = 8192;

/// The reason a token is invalid. The text is the one in Flask-JWT-Extended's responses.
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
    /// The header or the payload is not JSON, or has a duplicate member.
    #[error("Invalid {0} string: not valid JSON")]
    NotJson(&'static str),
    /// The header or the payload is JSON, but not an object.
    #[error("Invalid {0} string: must be a json object")]
    NotAnObject(&'static str),
    /// `kid` is not a string.
    #[error("Key ID header parameter must be a string")]
    KeyIdNotAString,
    /// `crit` is not a list of names (RFC 7515 section 4.1.11).
    #[error("Invalid 'crit' header: must be a non-empty list")]
    CritNotAList,
    /// `crit` names an extension. None is supported.
    #[error("Unsupported critical extension: {0}")]
    UnsupportedCritical(String),
    /// `b64` other than true (RFC 7797): the payload would not be the one decoded.
    #[error("Unsupported critical extension: b64")]
    UnencodedPayload,
    /// The header has no `alg`.
    #[error("Algorithm not specified")]
    NoAlgorithm,
    /// No key has the `alg`, which may be `none`.
    #[error("The specified alg value is not allowed")]
    AlgorithmNotAllowed,
    /// All keys have a key ID, and none has this `kid`.
    #[error("Unable to find a signing key that matches the key ID")]
    KeyNotFound,
    /// No key of ours made the signature.
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
        /// Time until the token is valid, leeway included, in whole seconds.
        wait: Duration,
    },
    /// A time that is not a number.
    #[error("{0} must be an integer.")]
    NotAnInteger(&'static str),
    /// A required registered claim is missing.
    #[error("Token is missing the \"{0}\" claim")]
    MissingRegistered(&'static str),
    /// A claim that Flask-JWT-Extended or tokenpair requires is missing.
    #[error("Missing claim: {0}")]
    Missing(Cow<'static, str>),
    /// A claim of the wrong type or form.
    #[error("{0}")]
    BadClaim(&'static str),
    /// The token is for another audience.
    #[error("Audience doesn't match")]
    WrongAudience,
    /// The token is from another issuer.
    #[error("Invalid issuer")]
    WrongIssuer,
    /// A refresh token where an access token is required.
    #[error("Only non-refresh tokens are allowed")]
    NotAnAccessToken,
    /// An access token where a refresh token is required.
    #[error("Only refresh tokens are allowed")]
    NotARefreshToken,
}

/// The reason a token could not be issued.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The claims cannot be written as JSON.
    #[error("the claims could not be written as JSON")]
    Claims(#[from] serde_json::Error),
    /// The claim is reserved for the library.
    #[error("the claim {0:?} is reserved for the library")]
    Reserved(String),
    /// The claims come from
    /// [`AuthBuilder::additional_claims_async`](crate::web::AuthBuilder::additional_claims_async),
    /// and the caller does not wait for it.
    #[error(
        "additional_claims_async is set: issue tokens by Auth::log_in, Auth::refresh or TokenBuilder::sign_async, \
         which wait for it"
    )]
    ClaimsNotLoaded,
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}
