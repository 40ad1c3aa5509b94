//! Defines [`UserChange`] and the effects of each.

use super::audit::NewEvent;
use super::event_kind::EventKind;
use super::user::{ADMIN, User};
use crate::password::PasswordHash;
use tokenpair::clock::Timestamp;
use tokenpair::session::{EndReason, RequestContext};

/// A change of a user. Every change but [`UserChange::Enable`] ends the user's access tokens.
#[derive(Clone, Debug)]
pub enum UserChange {
    /// Disables the user, and ends its sessions.
    Disable,
    /// Enables the user. Ended sessions stay ended.
    Enable,
    /// Sets a new password.
    Password {
        /// The hash of the new password.
        hash: PasswordHash,
        /// The session in which it was changed, which continues with new tokens.
        keep: Option<String>,
    },
    /// Sets new roles. Sessions continue; access tokens end, and a refresh issues new ones.
    Roles(Vec<String>),
    /// Sets new roles, as [`UserChange::Roles`] does, if the user has the roles `from` when the
    /// change is made. Otherwise another change came first, and this one makes no difference.
    RolesFrom {
        /// The roles that the new ones were made from.
        from: Vec<String>,
        /// The new roles.
        to: Vec<String>,
    },
}

/// A single change, where several may be given.
impl From<UserChange> for Vec<UserChange> {
    fn from(change: UserChange) -> Self {
        vec![change]
    }
}

impl UserChange {
    /// Returns the event of the change.
    pub(super) fn event<'a>(&self, context: &'a RequestContext) -> NewEvent<'a> {
        match self {
            Self::Disable => NewEvent::new(EventKind::UserDisabled, context),
            Self::Enable => NewEvent::new(EventKind::UserEnabled, context),
            Self::Password { .. } => NewEvent::new(EventKind::PasswordChanged, context),
            Self::Roles(roles) | Self::RolesFrom { to: roles, .. } => {
                NewEvent::new(EventKind::RolesChanged, context).detail(roles.join(" "))
            }
        }
    }

    /// Applies the change to the user.
    pub(super) fn apply_to(&self, user: &mut User, now: Timestamp) {
        match self {
            Self::Disable => user.disabled_at = Some(now),
            Self::Enable => user.disabled_at = None,
            Self::Password { hash, .. } => user.password_hash = hash.clone(),
            Self::Roles(roles) | Self::RolesFrom { to: roles, .. } => {
                user.subject.roles.clone_from(roles);
            }
        }
        user.subject.disabled = user.disabled_at.is_some();
    }

    /// Returns whether the change makes a difference to this user. A new password always does.
    pub(super) fn alters(&self, user: &User) -> bool {
        match self {
            Self::Disable => user.disabled_at.is_none(),
            Self::Enable => user.disabled_at.is_some(),
            Self::Roles(roles) => user.subject.roles != *roles,
            Self::RolesFrom { from, to } => user.subject.roles == *from && from != to,
            Self::Password { .. } => true,
        }
    }

    pub(super) fn may_take_an_admin(&self) -> bool {
        match self {
            Self::Disable => true,
            Self::Enable | Self::Password { .. } => false,
            Self::Roles(roles) | Self::RolesFrom { to: roles, .. } => {
                !roles.iter().any(|role| role == ADMIN)
            }
        }
    }

    /// Returns how the change ends sessions. `None` if it ends none.
    pub(super) fn ending(&self) -> Option<Ending<'_>> {
        match self {
            Self::Disable => Some(Ending {
                reason: EndReason::Disabled,
                keep: None,
            }),
            Self::Password { keep, .. } => Some(Ending {
                reason: EndReason::Password,
                keep: keep.as_deref(),
            }),
            Self::Enable | Self::Roles(_) | Self::RolesFrom { .. } => None,
        }
    }
}

/// How a change ends its user's sessions.
#[derive(Clone, Copy)]
pub(super) struct Ending<'a> {
    pub(super) reason: EndReason,
    /// The session that continues.
    pub(super) keep: Option<&'a str>,
}
