//! Defines the records of a store: a [`Session`], its user as a [`Subject`], and both as a
//! [`SessionRecord`].

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Map, Value};

use super::login::Delivery;
use super::rotation::{End, Rotation, RotationDecision, Row, SessionPolicy, decide};
use super::secret::SessionSecret;
use crate::clock::Timestamp;

/// One login on one device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// UUIDv7; the `sid` of its tokens.
    pub id: String,
    /// The user's id.
    pub user_id: String,
    /// The user's epoch at the login, moved on with the user's while the session continues. A
    /// session with an older epoch than its user counts as revoked.
    pub epoch: i64,
    /// The state of its refresh token's rotation.
    pub rotation: Rotation,
    /// The secret from which its CSRF values and token ids are derived.
    pub seed: SessionSecret,
    /// Whether its cookies outlive the browser.
    pub remember: bool,
    /// How its tokens reached the client at login. Decides whether its access tokens are reissued.
    pub delivery: Delivery,
    /// The time of the login.
    pub created_at: Timestamp,
    /// The time of the last refresh or reissue.
    pub last_used_at: Timestamp,
    /// The absolute timeout.
    pub expires_at: Timestamp,
    /// The `User-Agent` at login.
    pub user_agent: Option<String>,
    /// The peer's address at login.
    pub ip: Option<IpAddr>,
    /// Its revocation, if it was revoked.
    pub revoked: Option<SessionEnd>,
}

/// The time and the reason of a session's revocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionEnd {
    /// The time of the revocation.
    pub at: Timestamp,
    /// The reason.
    pub reason: EndReason,
}

/// The reason a session was revoked.
///
/// ```
/// use tokenpair::session::EndReason;
///
/// assert_eq!(EndReason::Reuse.word(), "reuse");
/// assert_eq!(EndReason::from_word("reuse"), EndReason::Reuse);
/// assert_eq!(EndReason::from_word("a later version's"), EndReason::Admin);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EndReason {
    /// It logged out.
    Logout,
    /// A refresh token was reused in a way that only a copy explains.
    Reuse,
    /// The user ended it from another session.
    Revoked,
    /// The user logged in past the session limit.
    Limit,
    /// An operator ran a command.
    Admin,
    /// The user was disabled.
    Disabled,
    /// The user's password was changed.
    Password,
    /// Somebody logged in with the same browser.
    Replaced,
    /// It had been revoked before, and the store had lost the revocation; or the store was restored
    /// from a backup, which may lack a revocation.
    Restored,
    /// A service with client credentials revoked one of its tokens (RFC 7009).
    Client,
}

impl EndReason {
    const ALL: [Self; 10] = [
        Self::Logout,
        Self::Reuse,
        Self::Revoked,
        Self::Limit,
        Self::Admin,
        Self::Disabled,
        Self::Password,
        Self::Replaced,
        Self::Restored,
        Self::Client,
    ];

    /// Returns the word that stores keep.
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
            Self::Client => "client",
        }
    }

    /// Returns the reason for a word. An unknown word counts as an operator's command.
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

/// A user as tokens describe it and the store knows it now.
///
/// ```
/// use tokenpair::session::Subject;
///
/// let ada = Subject::new("1", "ada").with_role("editor").with_claim("team", "blue");
/// assert_eq!(ada.roles, ["editor"]);
/// assert_eq!(ada.extra["team"], "blue");
/// assert!(ada.epoch == 0 && !ada.disabled);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// The `sub` of tokens.
    pub id: String,
    /// The username as typed at registration.
    pub username: String,
    /// The user's roles.
    pub roles: Vec<String>,
    /// Increased by a change of password, roles or state, which revokes older access tokens.
    pub epoch: i64,
    /// Whether the user is disabled and cannot log in.
    pub disabled: bool,
    /// More claims of its access tokens, by name. A name that tokenpair itself uses for a session's
    /// tokens, such as `sub` or `sid`, makes the login fail.
    pub extra: Map<String, Value>,
}

impl Subject {
    /// Returns an enabled user in epoch 0, without roles and further claims.
    pub fn new(id: impl Into<String>, username: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            username: username.into(),
            roles: Vec::new(),
            epoch: 0,
            disabled: false,
            extra: Map::new(),
        }
    }

    /// Adds a role.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Adds a claim to the user's access tokens.
    #[must_use]
    pub fn with_claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }
}

/// A session as its user may see it: without its secret. Times are seconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct SessionView {
    /// The session's id, which its tokens carry as `sid`.
    pub id: String,
    /// The `User-Agent` at login.
    pub user_agent: Option<String>,
    /// The peer's address at login.
    pub ip: Option<IpAddr>,
    /// The time of the login.
    pub created_at: Timestamp,
    /// The time of the last refresh or reissue.
    pub last_used_at: Timestamp,
    /// The time at which it expires if it is not used again.
    pub expires_at: Timestamp,
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
    /// Returns the part of the session that the rotation rule needs.
    pub const fn row(&self) -> Row {
        Row {
            rotation: self.session.rotation,
            revoked: self.session.revoked.is_some() || self.session.epoch < self.subject.epoch,
            user_disabled: self.subject.disabled,
            last_used_at: self.session.last_used_at,
            expires_at: self.session.expires_at,
        }
    }

    /// Decides about a refresh token by the rule. A session that a login has just replaced in its
    /// browser counts as out of date, not as ended: a refresh that was in flight at that time must
    /// not remove the cookies of the new session.
    pub(super) fn decide(
        &self,
        presented: i64,
        now: Timestamp,
        policy: &SessionPolicy,
    ) -> RotationDecision {
        let just_replaced = |end: SessionEnd| {
            end.reason == EndReason::Replaced && now.since(end.at) < policy.rotation_window
        };
        match decide(&self.row(), presented, now, policy) {
            RotationDecision::Ended(End::Revoked)
                if self.session.revoked.is_some_and(just_replaced) =>
            {
                RotationDecision::Superseded
            }
            decision => decision,
        }
    }
}
