//! Defines [`EventKind`], the kinds of events in the audit trail.

use std::fmt;

/// The kind of an event.
///
/// ```
/// use tokenpair_store::EventKind;
///
/// assert_eq!(EventKind::RefreshTokenReused.word(), "refresh_token_reused");
/// assert_eq!(EventKind::from_word("login"), Some(EventKind::Login));
/// assert_eq!(EventKind::from_word("Login"), None);
/// assert!(EventKind::words().starts_with("login, login_failed, "));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A new session.
    Login,
    /// A login was rejected; the detail has the reason, which the client does not learn.
    LoginFailed,
    /// The password given to confirm a change was wrong.
    ConfirmationFailed,
    /// Too many passwords were wrong, and a rate limit applies; the detail names the limit.
    Throttled,
    /// A session was ended by its own logout.
    Logout,
    /// A refresh token came back because its response was lost; the session continues.
    RefreshRecovered,
    /// A refresh token was ahead of its row: the database had lost a commit. The session continues.
    RefreshForward,
    /// A refresh token was reused in a way that only a copy explains; the session was revoked.
    RefreshTokenReused,
    /// A session was revoked by its user, an admin, a command, the limit or a new login in its
    /// browser, as the detail says.
    SessionRevoked,
    /// An account was created; the detail is its name.
    UserCreated,
    /// An account was deleted; the detail was its name.
    UserDeleted,
    /// A user was disabled; all its sessions ended.
    UserDisabled,
    /// A user was enabled.
    UserEnabled,
    /// A password was changed; all other sessions ended.
    PasswordChanged,
    /// A user's roles were changed; the detail lists them.
    RolesChanged,
    /// The database had lost a change of the user, or its deletion. The sessions and tokens that it
    /// had revoked were revoked again.
    ChangeLost,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 16] = [
        Self::Login,
        Self::LoginFailed,
        Self::ConfirmationFailed,
        Self::Throttled,
        Self::Logout,
        Self::RefreshRecovered,
        Self::RefreshForward,
        Self::RefreshTokenReused,
        Self::SessionRevoked,
        Self::UserCreated,
        Self::UserDeleted,
        Self::UserDisabled,
        Self::UserEnabled,
        Self::PasswordChanged,
        Self::RolesChanged,
        Self::ChangeLost,
    ];

    /// Returns the word that is kept and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::LoginFailed => "login_failed",
            Self::ConfirmationFailed => "confirmation_failed",
            Self::Throttled => "throttled",
            Self::Logout => "logout",
            Self::RefreshRecovered => "refresh_recovered",
            Self::RefreshForward => "refresh_forward",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::SessionRevoked => "session_revoked",
            Self::UserCreated => "user_created",
            Self::UserDeleted => "user_deleted",
            Self::UserDisabled => "user_disabled",
            Self::UserEnabled => "user_enabled",
            Self::PasswordChanged => "password_changed",
            Self::RolesChanged => "roles_changed",
            Self::ChangeLost => "change_lost",
        }
    }

    /// Returns all the words, for messages.
    pub fn words() -> String {
        Self::ALL.map(Self::word).join(", ")
    }

    /// Returns the kind for a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
