//! Defines what a revocation revokes.

use crate::clock::Timestamp;

/// A recorded revocation. The reader decides how long to keep it, by its token lifetime.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revocation {
    /// The revoked session or tokens.
    pub subject: Revoked,
    /// The time of the revocation.
    pub at: Timestamp,
}

/// The session or the tokens that a revocation ends.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Revoked {
    /// The tokens of one session.
    Session(String),
    /// The tokens of a user with an older epoch.
    User {
        /// The user's id.
        id: String,
        /// The lowest epoch that is still valid.
        lowest_epoch: i64,
    },
    /// Every token issued up to the time of the revocation, whoever it belongs to. A store that was
    /// restored from a backup may have lost users and revocations, so it cannot name them.
    All,
}
