//! Defines [`VerifiedTokens`]: the verified tokens of one location, where cookies of one name may
//! bring several.

use std::sync::Arc;

use super::rejection::Rejection;
use crate::session::Sessions;
use crate::token::{Decoded, TokenKind};

/// The verified tokens of a location.
pub(super) struct VerifiedTokens {
    pub(super) first: Arc<Decoded>,
    pub(super) others: Vec<Arc<Decoded>>,
}

impl VerifiedTokens {
    pub(super) const fn new(first: Arc<Decoded>) -> Self {
        Self {
            first,
            others: Vec::new(),
        }
    }

    /// Adds a token. Of a session's refresh tokens only the latest counts: alone, an older one
    /// would look stolen, but a client that sends both has the latest.
    pub(super) fn and(mut self, next: Result<Arc<Decoded>, Rejection>) -> Self {
        let Ok(next) = next else { return self };
        let mut known = std::iter::once(&mut self.first).chain(&mut self.others);
        let twin = known.find(|known| {
            let (known, next) = (&known.claims, &next.claims);
            known.kind == TokenKind::Refresh && known.sid.is_some() && known.sid == next.sid
        });
        match twin {
            Some(twin) if twin.claims.generation < next.claims.generation => *twin = next,
            Some(_) => {}
            None => self.others.push(next),
        }
        self
    }

    /// Moves a token whose session is not known to be revoked to the front, for routes that do not
    /// ask the record.
    pub(super) fn live_first(mut self, sessions: &Sessions) -> Self {
        let revoked =
            |decoded: &Decoded| sessions.revocations().is_session_revoked(&decoded.claims);
        if revoked(&self.first)
            && let Some(live) = self.others.iter_mut().find(|other| !revoked(other))
        {
            std::mem::swap(&mut self.first, live);
        }
        self
    }
}
