//! [`Act`]: when something is done, at whose request and from where, for the audit trail.

use crate::clock::Timestamp;

/// Something that is done: when, by whom, from where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Act {
    /// The present instant.
    pub at: Timestamp,
    /// The id of the user whose access token the request was admitted by, or [`Act::OPERATOR`]; none at a login, a
    /// refresh and a logout, which need no access token.
    pub by: Option<String>,
    /// The peer's address.
    pub ip: Option<String>,
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
