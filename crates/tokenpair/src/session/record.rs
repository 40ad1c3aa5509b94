//! Defines what a store keeps: a [`Session`], its user as a [`Subject`], and both as a [`SessionRecord`].

use std::fmt;

use super::login::Delivery;
use super::rotation::{Rotation, Row};
use super::secret::SessionSecret;
use crate::clock::Timestamp;

/// One login on one device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// UUIDv7; the `sid` of its tokens.
    pub id: String,
    /// Whose.
    pub user_id: String,
    /// The user's epoch at the login, and since then for as long as the session has gone on. A session that is behind its
    /// user counts as revoked.
    pub epoch: i64,
    /// Where the rotation of its refresh token stands.
    pub rotation: Rotation,
    /// What its CSRF values and token ids are derived from.
    pub seed: SessionSecret,
    /// Cookies outlive the browser.
    pub remember: bool,
    /// How its tokens reached the client at login; decides whether its access tokens are reissued.
    pub delivery: Delivery,
    /// The login.
    pub created_at: Timestamp,
    /// The last refresh or reissue.
    pub last_used_at: Timestamp,
    /// The absolute end.
    pub expires_at: Timestamp,
    /// The browser's own words at login.
    pub user_agent: Option<String>,
    /// The peer's address at login.
    pub ip: Option<String>,
    /// Ended before its time: when, and why.
    pub revoked: Option<(Timestamp, EndReason)>,
}

/// Why a session was ended before its time.
///
/// ```
/// use tokenpair::session::EndReason;
///
/// assert_eq!(EndReason::Reuse.word(), "reuse");
/// assert_eq!(EndReason::from_word("reuse"), EndReason::Reuse);
/// assert_eq!(EndReason::from_word("a later version's"), EndReason::Admin);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndReason {
    /// Its own logout.
    Logout,
    /// A refresh token came back that only a copy can explain.
    Reuse,
    /// The user ended it from another session.
    Revoked,
    /// The user logged in once more than is allowed.
    Limit,
    /// An operator's command.
    Admin,
    /// The user was disabled.
    Disabled,
    /// The user's password was changed.
    Password,
    /// The user logged in again in the same browser.
    Replaced,
    /// It had ended before, and the store had lost that.
    Restored,
}

impl EndReason {
    const ALL: [Self; 9] = [
        Self::Logout,
        Self::Reuse,
        Self::Revoked,
        Self::Limit,
        Self::Admin,
        Self::Disabled,
        Self::Password,
        Self::Replaced,
        Self::Restored,
    ];

    /// The word a store keeps.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "reuse",
            Self::Revoked => "revoked",
            Self::Limit => "limit",
            Self::Admin => "admin",
            Self::Disabled => "disabled",
            Self::Password => "password",
            Self::Replaced => "replaced",
            Self::Restored => "restored",
        }
    }

    /// The reason of that word; an unknown one was some operator's doing.
    pub fn from_word(word: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|reason| reason.word() == word)
            .unwrap_or(Self::Admin)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What tokens say of a user, as the store knows it now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// The `sub` of tokens.
    pub id: String,
    /// As typed at registration.
    pub username: String,
    /// What the user may do.
    pub roles: Vec<String>,
    /// Moved on by a change of password, roles or state: older access tokens end.
    pub epoch: i64,
    /// May not log in.
    pub disabled: bool,
}

/// A session and its user, read together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionRecord {
    /// The session.
    pub session: Session,
    /// Its user.
    pub subject: Subject,
}

impl SessionRecord {
    /// What the rotation rule looks at.
    pub const fn row(&self) -> Row {
        Row {
            rotation: self.session.rotation,
            revoked: self.session.revoked.is_some() || self.session.epoch < self.subject.epoch,
            user_disabled: self.subject.disabled,
            last_used_at: self.session.last_used_at,
            expires_at: self.session.expires_at,
        }
    }
}
