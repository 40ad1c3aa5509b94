//! [`Act`]: when something is done, at whose request and from where, for the audit trail.

use super::authority::Authority;
use crate::clock::Timestamp;

/// Something that is done: when, by whom, from where.
///
/// ```
/// use tokenpair::clock::Timestamp;
/// use tokenpair::session::Act;
///
/// let now = Timestamp::from_unix(1_800_000_000);
/// assert_eq!(Act::at(now).by, None);
/// assert_eq!(Act::of_operator(now).by.as_deref(), Some(Act::OPERATOR));
/// let by_ada = Act { by: Some("1".to_owned()), ip: Some("192.0.2.1".to_owned()), ..Act::at(now) };
/// assert_eq!(by_ada.at, now);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Act {
    /// The present instant.
    pub at: Timestamp,
    /// The id of the user whose access token the request was admitted by, or [`Act::OPERATOR`]; none at a login, a
    /// refresh and a logout, which need no access token.
    pub by: Option<String>,
    /// The client's address.
    pub ip: Option<String>,
    /// The grounds on which the request was admitted, which a store checks again as it writes. `None` for a command, and
    /// for a login, a refresh and a logout, which need no access token.
    pub authority: Option<Authority>,
}

impl Act {
    /// Who does what is done by a command. No user has this id.
    pub const OPERATOR: &'static str = "operator";

    /// At this instant, by nobody in particular.
    pub const fn at(at: Timestamp) -> Self {
        Self {
            at,
            by: None,
            ip: None,
            authority: None,
        }
    }

    /// At this instant, by a command.
    pub fn of_operator(at: Timestamp) -> Self {
        Self {
            by: Some(Self::OPERATOR.to_owned()),
            ..Self::at(at)
        }
    }
}
