//! Defines [`ErrorCode`], the `code` of every error that this library answers, and [`RejectionKind`].

/// Defines an enum of error codes. For the crates of this workspace: an application writes its own enum as it likes, and
/// turns it into a [`Rejection`](crate::web::Rejection) with [`Rejection::new`](crate::web::Rejection::new).
///
/// Codes stand under the action that they ask a client for, so that the documentation has one row for all of them.
#[doc(hidden)]
#[macro_export]
macro_rules! __error_codes {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident {
            $($action:literal => {
                $($(#[$doc:meta])* $variant:ident = $code:literal, $status:ident, $message:literal;)+
            })+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        $visibility enum $name {
            $($(
                $(#[$doc])*
                #[doc = ""]
                #[doc = concat!("`", $code, "`: ", $action)]
                $variant,
            )+)+
        }

        impl $name {
            /// All codes, in the order of their documentation.
            $visibility const ALL: &'static [Self] = &[$($(Self::$variant,)+)+];

            /// Returns the text of the member `code`. It never changes.
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $($(Self::$variant => $code,)+)+
                }
            }

            /// Returns the usual status.
            $visibility const fn status(self) -> ::actix_web::http::StatusCode {
                match self {
                    $($(Self::$variant => ::actix_web::http::StatusCode::$status,)+)+
                }
            }

            /// Returns the usual text of the member `msg`.
            $visibility const fn message(self) -> &'static str {
                match self {
                    $($(Self::$variant => $message,)+)+
                }
            }

            /// Returns what a client should do, in Markdown.
            $visibility const fn action(self) -> &'static str {
                match self {
                    $($(Self::$variant)|+ => $action,)+
                }
            }
        }
    };
}

crate::__error_codes! {
    /// The `code` of an error that this library answers, with its status, its text and what a client should do.
    ///
    /// Compare codes, not texts: [`Rejection::error_code`](super::Rejection::error_code). A rejection with a code of an
    /// application's own has none of these.
    ///
    /// ```
    /// use tokenpair::token::TokenError;
    /// use tokenpair::web::{ErrorCode, Rejection, RejectionKind};
    ///
    /// let rejection = Rejection::from(TokenError::Expired);
    /// assert_eq!(rejection.error_code(), Some(ErrorCode::TokenExpired));
    /// assert_eq!(rejection.code(), "token_expired"); // in the JSON
    /// assert_eq!(ErrorCode::TokenExpired.status(), 401);
    /// assert_eq!(ErrorCode::TokenExpired.kind(), RejectionKind::ExpiredToken);
    /// ```
    #[non_exhaustive]
    pub enum ErrorCode {
        "Send `POST /refresh`. If that fails too, log in." => {
            /// The request has no token.
            MissingToken = "missing_token", UNAUTHORIZED, "Missing token";
            /// The access token has expired.
            TokenExpired = "token_expired", UNAUTHORIZED, "Token has expired";
            /// The token was revoked; its session may be alive.
            TokenRevoked = "token_revoked", UNAUTHORIZED, "Token has been revoked";
        }
        "Log in again." => {
            /// The refresh token has expired.
            RefreshTokenExpired = "refresh_token_expired", UNAUTHORIZED, "Token has expired";
            /// The session has reached its idle timeout or its absolute timeout.
            SessionExpired = "session_expired", UNAUTHORIZED, "Token has expired";
            /// The session was revoked, for example by a logout, or is unknown.
            SessionRevoked = "session_revoked", UNAUTHORIZED, "Token has been revoked";
            /// A copy of the refresh token is in use, so its session was revoked.
            RefreshTokenReused = "refresh_token_reused", UNAUTHORIZED, "Token has been revoked";
        }
        "Ask an administrator to enable the account." => {
            /// The user is disabled or deleted.
            UserDisabled = "user_disabled", UNAUTHORIZED, "Token has been revoked";
        }
        "Use the newer refresh token, which another tab may hold, or log in." => {
            /// The refresh token is outdated. Nothing was revoked.
            RefreshSuperseded = "refresh_superseded", UNAUTHORIZED, "Token has been revoked";
        }
        "Ask for the password again: log in." => {
            /// The route requires a fresh access token.
            FreshTokenRequired = "fresh_token_required", UNAUTHORIZED, "Fresh token required";
        }
        "Send the CSRF token as the hint says. A page that has lost it can get it from `GET /csrf`." => {
            /// The token came in a cookie, without its CSRF token.
            CsrfMissing = "csrf_missing", UNAUTHORIZED, "Missing CSRF token";
            /// The CSRF token is another token's.
            CsrfMismatch = "csrf_mismatch", UNAUTHORIZED, "CSRF double submit tokens do not match";
        }
        "Send `POST /refresh`. If that fails too, log in: the token is malformed, in the wrong place, or signed by a key that this server no longer has." => {
            /// The token is malformed, or lacks a claim.
            InvalidToken = "invalid_token", UNPROCESSABLE_ENTITY, "Invalid token";
            /// No key verifies the token's signature.
            InvalidSignature = "invalid_signature", UNPROCESSABLE_ENTITY, "Signature verification failed";
            /// The token is a refresh token where an access token is needed, or the other way round.
            WrongTokenType = "wrong_token_type", UNPROCESSABLE_ENTITY, "Wrong token type";
            /// The `Authorization` header has another form than the configured one.
            BadAuthorizationHeader = "bad_authorization_header", UNPROCESSABLE_ENTITY, "Bad Authorization header";
        }
        "Send the same request again after the seconds in `Retry-After`: the clocks of two servers differ." => {
            /// The token becomes valid in the future.
            TokenNotYetValid = "token_not_yet_valid", UNPROCESSABLE_ENTITY, "The token is not yet valid (nbf)";
        }
        "Do not send this token again: the application refuses its claims." => {
            /// The application's claims verification refused the token.
            ClaimsRefused = "claims_refused", BAD_REQUEST, "User claims verification failed";
        }
        "Log in as another user: the application has no user of this token's identity." => {
            /// The application's user lookup found no user.
            UserNotLoaded = "user_not_loaded", UNAUTHORIZED, "Error loading the user";
        }
        "Ask for the username and password again." => {
            /// The username or the password is wrong.
            BadCredentials = "bad_credentials", UNAUTHORIZED, "Bad username or password";
        }
        "Ask an administrator for the role." => {
            /// The route requires the role `admin`.
            AdminRequired = "admin_required", FORBIDDEN, "Only admins may do this";
            /// The route requires another role; `msg` names it.
            RoleRequired = "role_required", FORBIDDEN, "Only users with another role may do this";
        }
        "For the operator: name the header that the proxy writes in `SERVER_FORWARDED_HEADER`." => {
            /// `Forwarded` and `X-Forwarded-For` name different clients.
            ConflictingForwardedHeaders = "conflicting_forwarded_headers", BAD_REQUEST, "Forwarded and X-Forwarded-For disagree";
        }
        "Send the whole request again." => {
            /// The connection ended before the request body did.
            IncompleteBody = "incomplete_body", BAD_REQUEST, "The body is incomplete";
            /// The request body took too long.
            BodyTooSlow = "body_too_slow", REQUEST_TIMEOUT, "The body took too long";
        }
        "Send a smaller body." => {
            /// The request body is larger than the route allows.
            BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
        }
        "Send the same request again after the seconds in `Retry-After`." => {
            /// The database or another part is unavailable or overloaded. Nobody is logged out by it.
            Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Temporarily unavailable";
        }
        "For the operator: the log has the cause." => {
            /// The server failed.
            InternalError = "internal_error", INTERNAL_SERVER_ERROR, "Internal server error";
        }
    }
}

impl ErrorCode {
    /// Returns which of Flask-JWT-Extended's error loaders answers it.
    pub const fn kind(self) -> RejectionKind {
        match self {
            Self::MissingToken | Self::CsrfMissing | Self::CsrfMismatch => {
                RejectionKind::Unauthorized
            }
            Self::TokenExpired | Self::RefreshTokenExpired => RejectionKind::ExpiredToken,
            Self::TokenRevoked => RejectionKind::RevokedToken,
            Self::FreshTokenRequired => RejectionKind::NeedsFreshToken,
            Self::ClaimsRefused => RejectionKind::VerificationFailed,
            Self::UserNotLoaded => RejectionKind::UserLookup,
            Self::InvalidToken
            | Self::InvalidSignature
            | Self::WrongTokenType
            | Self::BadAuthorizationHeader
            | Self::TokenNotYetValid => RejectionKind::InvalidToken,
            Self::SessionExpired
            | Self::SessionRevoked
            | Self::RefreshTokenReused
            | Self::UserDisabled
            | Self::RefreshSuperseded
            | Self::BadCredentials
            | Self::AdminRequired
            | Self::RoleRequired
            | Self::ConflictingForwardedHeaders
            | Self::IncompleteBody
            | Self::BodyTooSlow
            | Self::BodyTooLarge
            | Self::Unavailable
            | Self::InternalError => RejectionKind::Other,
        }
    }

    /// Returns the code for a missing role.
    pub(super) fn of_missing_role(role: &str) -> Self {
        match role {
            "admin" => Self::AdminRequired,
            _ => Self::RoleRequired,
        }
    }
}

/// Flask-JWT-Extended's error loaders, by the answers that they are for.
///
/// ```
/// use tokenpair::token::TokenError;
/// use tokenpair::web::{Rejection, RejectionKind};
///
/// assert_eq!(Rejection::from(TokenError::Expired).kind(), RejectionKind::ExpiredToken);
/// assert_eq!(Rejection::from(TokenError::BadSignature).kind(), RejectionKind::InvalidToken);
/// assert_eq!(Rejection::refresh_superseded().kind(), RejectionKind::Other);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum RejectionKind {
    /// No token, or no CSRF value beside it (`unauthorized_loader`).
    Unauthorized,
    /// A token that is not believed, or not of the right kind (`invalid_token_loader`).
    InvalidToken,
    /// `expired_token_loader`
    ExpiredToken,
    /// `revoked_token_loader`
    RevokedToken,
    /// `needs_fresh_token_loader`
    NeedsFreshToken,
    /// `token_verification_failed_loader`
    VerificationFailed,
    /// `user_lookup_error_loader`
    UserLookup,
    /// Nothing of Flask-JWT-Extended's.
    Other,
}
