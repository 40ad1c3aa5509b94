//! Defines the texts of errors by their code, for the codes that people can meet.

use crate::server::error_code::ServerErrorCode;
use tokenpair::web::{ErrorCode, Rejection};

/// An error in words for people.
pub(in crate::server::page) struct Explained {
    /// What went wrong.
    pub(in crate::server::page) says: &'static str,
    /// What to do next.
    pub(in crate::server::page) advice: &'static str,
}

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// The texts of errors in one language.
        pub(in crate::server::page) struct Errors {
            $($(#[$doc])* pub(in crate::server::page) $name: Explained,)+
        }

        #[cfg(test)]
        impl Errors {
            pub(super) fn all(&self) -> Vec<&Explained> {
                vec![$(&self.$name),+]
            }
        }
    };
}

errors! {
    bad_credentials,
    wrong_password,
    too_many_attempts,
    missing_username,
    missing_password,
    missing_field,
    invalid_username,
    username_taken,
    password_too_short,
    password_too_long,
    password_too_common,
    registration_closed,
    session_not_found,
    /// A token is missing, expired, revoked or malformed.
    not_logged_in,
    /// The password is asked for again.
    not_fresh,
    user_disabled,
    admin_required,
    /// The form's CSRF value is not the token's.
    form_outdated,
    cross_site,
    wrong_host,
    /// `GET /logout` was not a link that a person followed.
    link_required,
    not_found,
    method_not_allowed,
    body_too_large,
    body_too_slow,
    incomplete_body,
    bad_request,
    conflicting_headers,
    /// The clocks of two servers differ.
    too_early,
    unavailable,
    database_readonly,
    internal,
}

impl Errors {
    /// Returns the text of an error. `None` if only programs meet its code.
    pub(in crate::server::page) fn explain(&self, rejection: &Rejection) -> Option<&Explained> {
        match rejection.error_code() {
            Some(code) => self.of_library(code),
            None => self.of_server(ServerErrorCode::of(rejection)?),
        }
    }

    const fn of_library(&self, code: ErrorCode) -> Option<&Explained> {
        Some(match code {
            ErrorCode::BadCredentials => &self.bad_credentials,
            ErrorCode::MissingToken
            | ErrorCode::TokenExpired
            | ErrorCode::TokenRevoked
            | ErrorCode::RefreshTokenExpired
            | ErrorCode::SessionExpired
            | ErrorCode::SessionRevoked
            | ErrorCode::RefreshTokenReused
            | ErrorCode::RefreshSuperseded
            | ErrorCode::InvalidToken
            | ErrorCode::InvalidSignature
            | ErrorCode::WrongTokenType
            | ErrorCode::BadAuthorizationHeader => &self.not_logged_in,
            ErrorCode::FreshTokenRequired => &self.not_fresh,
            ErrorCode::UserDisabled => &self.user_disabled,
            ErrorCode::AdminRequired => &self.admin_required,
            ErrorCode::CsrfMissing | ErrorCode::CsrfMismatch => &self.form_outdated,
            ErrorCode::BodyTooLarge => &self.body_too_large,
            ErrorCode::BodyTooSlow => &self.body_too_slow,
            ErrorCode::IncompleteBody => &self.incomplete_body,
            ErrorCode::ConflictingForwardedHeaders => &self.conflicting_headers,
            ErrorCode::TokenNotYetValid => &self.too_early,
            ErrorCode::Unavailable => &self.unavailable,
            ErrorCode::InternalError => &self.internal,
            _ => return None,
        })
    }

    const fn of_server(&self, code: ServerErrorCode) -> Option<&Explained> {
        Some(match code {
            ServerErrorCode::WrongPassword => &self.wrong_password,
            ServerErrorCode::TooManyAttempts => &self.too_many_attempts,
            ServerErrorCode::InvalidUsername => &self.invalid_username,
            ServerErrorCode::UsernameTaken => &self.username_taken,
            ServerErrorCode::PasswordTooShort => &self.password_too_short,
            ServerErrorCode::PasswordTooLong => &self.password_too_long,
            ServerErrorCode::PasswordTooCommon => &self.password_too_common,
            ServerErrorCode::RegistrationClosed => &self.registration_closed,
            ServerErrorCode::SessionNotFound => &self.session_not_found,
            ServerErrorCode::MissingUsername => &self.missing_username,
            ServerErrorCode::MissingPassword => &self.missing_password,
            ServerErrorCode::MissingParameter => &self.missing_field,
            ServerErrorCode::CrossSiteRequest => &self.cross_site,
            ServerErrorCode::WrongHost => &self.wrong_host,
            ServerErrorCode::LinkRequired | ServerErrorCode::PrefetchRefused => &self.link_required,
            ServerErrorCode::NotFound => &self.not_found,
            ServerErrorCode::MethodNotAllowed => &self.method_not_allowed,
            ServerErrorCode::TooManyConnections => &self.unavailable,
            ServerErrorCode::DatabaseReadOnly
            | ServerErrorCode::DatabaseFull
            | ServerErrorCode::DatabaseNotWritable => &self.database_readonly,
            ServerErrorCode::BadRequest => &self.bad_request,
            // What only programs send, or ask for.
            ServerErrorCode::LastAdmin
            | ServerErrorCode::UserNotFound
            | ServerErrorCode::InvalidParameter
            | ServerErrorCode::MissingJson
            | ServerErrorCode::MalformedJson
            | ServerErrorCode::NotAJsonObject
            | ServerErrorCode::UnsupportedMediaType
            | ServerErrorCode::CorsRefused
            | ServerErrorCode::HeadTooSlow
            | ServerErrorCode::HeadTooLarge
            | ServerErrorCode::InvalidClient
            | ServerErrorCode::UnauthorizedClient
            | ServerErrorCode::UnsupportedTokenType => return None,
        })
    }
}
