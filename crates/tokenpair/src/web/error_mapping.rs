//! Reasons: what each thing that can be wrong with a token or a session is answered with. Statuses and texts are
//! Flask-JWT-Extended's where it has one.

use std::time::Duration;

use actix_web::ResponseError;
use serde_json::Value;

use super::error_code::ErrorCode;
use super::rejection::Rejection;
use crate::keys::KeyError;
use crate::session::{Denied, End, SessionError, StoreError};
use crate::token::{IssueError, TokenError};

impl Rejection {
    /// No token came at all.
    pub(super) fn missing_token(msg: String) -> Self {
        Self::from(ErrorCode::MissingToken)
            .msg(msg)
            .hint("Log in to get a token, and send it where this message looks for it.")
    }

    pub(super) fn no_user(identity: &Value) -> Self {
        let identity = match identity {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Self::from(ErrorCode::UserNotLoaded).msg(format!("Error loading the user {identity}"))
    }

    pub(super) fn revoked() -> Self {
        Self::from(ErrorCode::TokenRevoked)
            .hint("Send POST /refresh. If the session is over, log in again.")
    }

    /// Returns the answer to a wrong password, and to everything that a login must not tell apart from it: 401
    /// `bad_credentials`.
    pub fn bad_credentials() -> Self {
        ErrorCode::BadCredentials.into()
    }

    pub(super) fn not_fresh() -> Self {
        Self::from(ErrorCode::FreshTokenRequired)
            .hint("Log in again: this needs a token from a login with the password.")
    }

    /// The refresh token came from a copy; its session was revoked.
    ///
    /// ```
    /// use tokenpair::session::{Pair, Refreshed};
    /// use tokenpair::web::Rejection;
    ///
    /// // As `Auth::refresh` answers what `Sessions::refresh` gives.
    /// fn answer(refreshed: Refreshed) -> Result<Pair, Rejection> {
    ///     match refreshed {
    ///         Refreshed::Granted(pair) => Ok(*pair),
    ///         Refreshed::Ended(end) => Err(end.into()),
    ///         Refreshed::Superseded => Err(Rejection::refresh_superseded()),
    ///         Refreshed::Reused => Err(Rejection::refresh_token_reused()),
    ///     }
    /// }
    /// assert_eq!(answer(Refreshed::Reused).unwrap_err().code(), "refresh_token_reused");
    /// ```
    pub fn refresh_token_reused() -> Self {
        Self::from(ErrorCode::RefreshTokenReused)
            .hint("Log in again. This refresh token was replaced before, so a copy of it is in use, and the session was ended.")
    }

    pub(super) fn refresh_token_expired() -> Self {
        Self::from(ErrorCode::RefreshTokenExpired).hint("Log in again.")
    }

    /// The refresh token is out of date; nothing was revoked.
    pub fn refresh_superseded() -> Self {
        Self::from(ErrorCode::RefreshSuperseded)
            .hint("Use the newer refresh token, or log in again.")
    }

    /// Returns, of two rejections of one request, that of the token which came closer to being accepted: it tells the client
    /// what to do. Server errors take precedence, since nobody may be logged out by them.
    #[must_use]
    pub(super) fn or_closer(self, other: Self) -> Self {
        if other.closeness() > self.closeness() {
            other
        } else {
            self
        }
    }

    fn closeness(&self) -> u8 {
        match self.error_code() {
            Some(
                ErrorCode::TokenExpired
                | ErrorCode::RefreshTokenExpired
                | ErrorCode::SessionExpired,
            ) => 1,
            Some(ErrorCode::TokenRevoked | ErrorCode::SessionRevoked | ErrorCode::UserDisabled) => {
                2
            }
            Some(ErrorCode::RefreshTokenReused) => 3,
            // The browser may hold the newer token already, so its cookies must stay.
            Some(
                ErrorCode::RefreshSuperseded
                | ErrorCode::FreshTokenRequired
                | ErrorCode::CsrfMismatch,
            ) => 4,
            _ if self.status_code().is_server_error() => 5,
            _ => 0,
        }
    }
}

impl ErrorCode {
    const fn of_error(error: &TokenError) -> Self {
        match error {
            TokenError::Expired => Self::TokenExpired,
            TokenError::BadSignature => Self::InvalidSignature,
            TokenError::NotYetValid { .. } => Self::TokenNotYetValid,
            TokenError::NotAnAccessToken | TokenError::NotARefreshToken => Self::WrongTokenType,
            _ => Self::InvalidToken,
        }
    }
}

/// Longest `Retry-After` for a token that is not yet valid: the maximum of `JWT_DECODE_LEEWAY`. Clocks that differ by more
/// need to be set.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

impl From<TokenError> for Rejection {
    fn from(error: TokenError) -> Self {
        let rejection = Self::from(ErrorCode::of_error(&error)).msg(error.to_string());
        match error {
            TokenError::Expired => {
                rejection.hint_for_refresh(|route| format!("Send POST {route} to get a new access token, or log in again."))
            }
            TokenError::NotAnAccessToken => {
                rejection.hint_for_refresh(|route| format!("Send the access token here; a refresh token is for {route}."))
            }
            TokenError::NotARefreshToken => {
                rejection.hint("Send the refresh token here, not the access token.")
            }
            TokenError::NotYetValid { wait, .. } => rejection
                .hint("Wait for the seconds in Retry-After and send the same request again: the clock of the server that made this token is ahead.")
                .retry_after(wait.clamp(Duration::from_secs(1), LONGEST_WAIT)),
            TokenError::BadSignature | TokenError::KeyNotFound => {
                rejection.hint("Log in again: no key of this server verifies this token.")
            }
            _ => rejection,
        }
    }
}

/// A key that cannot be used is our mistake, whatever the request was.
impl From<KeyError> for Rejection {
    fn from(error: KeyError) -> Self {
        Self::internal(error)
    }
}

/// A token that cannot be signed is our mistake, whatever the request was.
impl From<IssueError> for Rejection {
    fn from(error: IssueError) -> Self {
        Self::internal(error)
    }
}

impl From<SessionError> for Rejection {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Store(_) | SessionError::Busy | SessionError::Stale => {
                Self::unavailable(error)
            }
            SessionError::Issue(error) => error.into(),
            SessionError::Denied(denied) => denied.into(),
            // As to a wrong password, which by now it may be.
            SessionError::SubjectChanged => Self::bad_credentials(),
        }
    }
}

impl From<Denied> for Rejection {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Ended(end) => end.into(),
            Denied::TokenRevoked => Self::revoked(),
            Denied::RoleMissing(role) => {
                let code = ErrorCode::of_missing_role(role);
                let rejection = Self::from(code);
                match code {
                    ErrorCode::RoleRequired => {
                        rejection.msg(format!("Only users with the role {role} may do this"))
                    }
                    _ => rejection,
                }
            }
        }
    }
}

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        Self::unavailable(error)
    }
}

impl From<End> for Rejection {
    fn from(end: End) -> Self {
        let rejection = Self::from(match end {
            End::Unknown | End::Revoked => ErrorCode::SessionRevoked,
            End::Expired => ErrorCode::SessionExpired,
            End::UserDisabled => ErrorCode::UserDisabled,
        });
        match end {
            End::UserDisabled => rejection.hint("Ask an administrator to enable this account."),
            _ => rejection.hint("Log in again."),
        }
    }
}
