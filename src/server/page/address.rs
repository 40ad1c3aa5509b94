//! Defines the addresses of the page and of its forms.

use super::next::Next;

/// The page itself.
pub(super) const PAGE: &str = "/";

/// Where the page's forms are sent.
pub(super) const LOG_IN: &str = "/login";
pub(in crate::server) const REGISTER: &str = "/page/register";
pub(in crate::server) const PASSWORD: &str = "/page/password";
pub(in crate::server) const SESSIONS: &str = "/page/sessions";
pub(in crate::server) const LOG_OUT: &str = "/page/logout";

/// The query parameters of the page.
pub(super) const VIEW: &str = "show";
pub(super) const NOTICE: &str = "notice";
pub(super) const NEXT: &str = "next";

/// A state of the page that has an address of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::server) enum Address {
    /// The login form, or the account.
    Start,
    /// The form for a new account.
    Register,
    /// The form for a new password.
    Password,
    /// Tells that a form was out of date.
    Outdated,
    /// Tells that the password was changed.
    PasswordChanged,
    /// Tells that a session ended.
    SessionEnded,
    /// Tells that all other sessions ended.
    OthersEnded,
    /// Tells that the user has logged out.
    LoggedOut,
}

impl Address {
    /// Returns the path and the query.
    pub(in crate::server) const fn as_str(self) -> &'static str {
        match self {
            Self::Start => PAGE,
            Self::Register => "/?show=register",
            Self::Password => "/?show=password",
            Self::Outdated => "/?notice=outdated",
            Self::PasswordChanged => "/?notice=password",
            Self::SessionEnded => "/?notice=session",
            Self::OthersEnded => "/?notice=others",
            Self::LoggedOut => "/?notice=logout",
        }
    }

    /// Returns the address with the path to return to after the login.
    pub(super) fn with_next(self, next: Option<&Next>) -> String {
        let address = self.as_str();
        let Some(next) = next else {
            return address.to_owned();
        };
        let separator = if address.contains('?') { '&' } else { '?' };
        let next: String = url::form_urlencoded::byte_serialize(next.as_str().as_bytes()).collect();
        format!("{address}{separator}{NEXT}={next}")
    }
}

/// Returns the state of the page that has the form which is sent to this path.
pub(in crate::server) fn form_of(path: &str) -> Option<Address> {
    match path {
        LOG_IN | SESSIONS | LOG_OUT => Some(Address::Start),
        REGISTER | "/register" => Some(Address::Register),
        PASSWORD => Some(Address::Password),
        _ => None,
    }
}

/// Returns whether the page alone sends forms to this path.
pub(in crate::server) fn is_form(path: &str) -> bool {
    path.starts_with("/page/")
}
