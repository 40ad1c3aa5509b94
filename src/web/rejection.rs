//! Rejections: every error a client sees, as one JSON object `{"msg", "code", "hint"?, "retry_after"?}`.
//!
//! A rejection has two sides. The client reads `msg` (Flask-JWT-Extended's text where it has one), the stable `code`
//! and what to do; the operator reads the cause, which goes to the log and never into an answer.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use crate::session::{End, SessionError, StoreError};
use crate::token::TokenError;

/// An answer that says no.
#[derive(Clone)]
pub struct Rejection {
    status: StatusCode,
    code: &'static str,
    msg: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    retry_after: Option<u32>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

#[derive(Serialize)]
struct Body<'a> {
    msg: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
}

impl Rejection {
    /// An answer with that status, stable code, and text.
    pub fn new(status: StatusCode, code: &'static str, msg: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            msg: msg.into(),
            hint: None,
            retry_after: None,
            cause: None,
        }
    }

    /// Tells the client what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn caused_by(self, cause: impl Error + Send + Sync + 'static) -> Self {
        Self {
            cause: Some(Arc::new(cause)),
            ..self
        }
    }

    /// 503: something the answer needs is away or full. Nobody is logged out, and the same request may be sent again.
    pub fn unavailable(cause: impl Error + Send + Sync + 'static) -> Self {
        const SECONDS: u32 = 1;
        let rejection = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Temporarily unavailable",
        )
        .hint("Nobody was logged out by this. Send the same request again after the seconds in Retry-After.")
        .caused_by(cause);
        Self {
            retry_after: Some(SECONDS),
            ..rejection
        }
    }

    /// 500: our mistake. The body is a constant; the cause is only logged.
    pub fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "Internal server error",
        )
        .caused_by(cause)
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The cause and its causes, for the log; none if the client was to blame.
    pub fn cause(&self) -> Option<String> {
        let mut next: Option<&dyn Error> = Some(self.cause.as_deref()?);
        let mut texts = Vec::new();
        while let Some(error) = next {
            texts.push(error.to_string());
            next = error.source();
        }
        Some(texts.join(": "))
    }

    /// No token came at all.
    pub(super) fn missing_token(msg: String) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "missing_token", msg)
            .hint("Log in to get a token, and send it where this message looks for it.")
    }

    pub(super) fn bad_header(msg: String) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad_authorization_header",
            msg,
        )
    }

    pub(super) fn missing_csrf(hint: String) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "csrf_missing",
            "Missing CSRF token",
        )
        .hint(hint)
    }

    pub(super) fn csrf_mismatch(hint: String) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "csrf_mismatch",
            "CSRF double submit tokens do not match",
        )
        .hint(hint)
    }

    pub(super) fn revoked() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "token_revoked",
            "Token has been revoked",
        )
        .hint("Refresh; if the session is over, log in again.")
    }

    pub(super) fn not_fresh() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "fresh_token_required",
            "Fresh token required",
        )
        .hint("This needs a token from a password login; log in again.")
    }

    /// The refresh token came from a copy; its session was revoked.
    pub fn refresh_token_reused() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "refresh_token_reused", "Token has been revoked")
            .hint("This refresh token was replaced before, so a copy of it is in use. The session was ended: log in again.")
    }

    pub(super) fn refresh_token_expired() -> Self {
        let code = "refresh_token_expired";
        Self::new(StatusCode::UNAUTHORIZED, code, "Token has expired").hint("Log in again.")
    }

    /// The refresh token is out of date; nothing was revoked.
    pub fn refresh_superseded() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "refresh_superseded",
            "Token has been revoked",
        )
        .hint("A newer refresh token exists. Use that one, or log in again.")
    }

    fn token(error: &TokenError) -> Self {
        let (status, code) = match error {
            TokenError::Expired => (StatusCode::UNAUTHORIZED, "token_expired"),
            TokenError::BadSignature => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_signature"),
            TokenError::NotYetValid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "token_not_yet_valid"),
            TokenError::NotAnAccessToken | TokenError::NotARefreshToken => {
                (StatusCode::UNPROCESSABLE_ENTITY, "wrong_token_type")
            }
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_token"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<TokenError> for Rejection {
    fn from(error: TokenError) -> Self {
        let rejection = Self::token(&error);
        match error {
            TokenError::Expired => {
                rejection.hint("POST /refresh gives a new access token; else log in again.")
            }
            TokenError::NotAnAccessToken => {
                rejection.hint("Send the access token here; a refresh token is for /refresh.")
            }
            TokenError::NotARefreshToken => {
                rejection.hint("Send the refresh token here, not the access token.")
            }
            _ => rejection,
        }
    }
}

impl From<SessionError> for Rejection {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Store(_) | SessionError::Busy | SessionError::Stale => {
                Self::unavailable(error)
            }
            SessionError::Issue(_) => Self::internal(error),
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
        let (code, msg) = match end {
            End::Unknown | End::Revoked => ("session_revoked", "Token has been revoked"),
            End::Expired => ("session_expired", "Token has expired"),
            End::UserDisabled => ("user_disabled", "Token has been revoked"),
        };
        let rejection = Self::new(StatusCode::UNAUTHORIZED, code, msg);
        match end {
            End::UserDisabled => rejection.hint("This account is disabled; ask an administrator."),
            _ => rejection.hint("Log in again."),
        }
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CACHE_CONTROL, "no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 section 11.6.1: a 401 names the scheme.
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((RETRY_AFTER, seconds));
        }
        response.json(Body {
            msg: &self.msg,
            code: self.code,
            hint: self.hint.as_deref(),
            retry_after: self.retry_after,
        })
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.msg)
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rejection({} {})", self.status.as_u16(), self.code)
    }
}
