//! Revocation without asking the database: the set of what was ended before its time, held in memory.
//!
//! An access token is verified without the database, so what has ended must be known here: the sessions revoked, and
//! the users whose epoch moved, within one access token's lifetime. The set grows at once on the replica that revokes,
//! and on every other by reading the recorded revocations again and again.

use std::time::Duration;

use papaya::HashMap;

use crate::clock::Timestamp;
use crate::token::{Claims, TokenPolicy};

/// A recorded revocation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revocation {
    /// What was ended.
    pub subject: Revoked,
    /// When.
    pub at: Timestamp,
    /// By then every token it concerns has expired, and it can be forgotten.
    pub until: Timestamp,
}

impl Revocation {
    /// One made now: kept until the last access token that it concerns has expired.
    pub fn new(subject: Revoked, now: Timestamp, tokens: &TokenPolicy) -> Self {
        Self {
            subject,
            at: now,
            until: now + tokens.access_expires + tokens.leeway + OVERLAP,
        }
    }
}

/// What a revocation ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Revoked {
    /// The tokens of one session.
    Session(String),
    /// The tokens of a user from before an epoch.
    User {
        /// The user's id.
        id: String,
        /// The lowest epoch still valid.
        lowest_epoch: i64,
    },
}

/// The set. Look-ups take no lock.
#[derive(Debug, Default)]
pub struct Revocations {
    sessions: HashMap<String, Timestamp>,
    users: HashMap<String, (i64, Timestamp)>,
}

impl Revocations {
    /// Whether the session or the user of these claims was revoked. Keyed by ids, never by a token's text, since
    /// a text can have a twin.
    pub fn concern(&self, claims: &Claims) -> bool {
        let session = claims
            .sid
            .as_ref()
            .is_some_and(|sid| self.sessions.pin().contains_key(sid));
        session
            || self
                .users
                .pin()
                .get(&claims.sub)
                .is_some_and(|(lowest, _)| claims.epoch.unwrap_or(0) < *lowest)
    }

    /// Takes note of one.
    pub fn add(&self, revocation: &Revocation) {
        match &revocation.subject {
            Revoked::Session(id) => {
                self.sessions.pin().insert(id.clone(), revocation.until);
            }
            Revoked::User { id, lowest_epoch } => {
                let news = (*lowest_epoch, revocation.until);
                self.users.pin().update_or_insert(
                    id.clone(),
                    |(epoch, until)| ((*epoch).max(news.0), (*until).max(news.1)),
                    news,
                );
            }
        }
    }

    /// Forgets those whose tokens have all expired.
    pub fn forget(&self, now: Timestamp) {
        self.sessions.pin().retain(|_, until| *until > now);
        self.users.pin().retain(|_, (_, until)| *until > now);
    }
}

/// A replica's commit may become visible, and its clock may run, later than ours by this much: so far back is read again.
pub(super) const OVERLAP: Duration = Duration::from_secs(60);
