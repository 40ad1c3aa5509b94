//! Implements issuing a session's tokens from its row, its user and the current time.

use super::record::SessionRecord;
use crate::clock::Timestamp;
use crate::random::{ID_BYTES, random_text};
use crate::token::{Claims, CsrfValue, Freshness, IssueError, Issued, TokenKind, Tokens};

/// The tokens from a login or a refresh.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Authorizes requests.
    pub access: Issued,
    /// Buys the next pair.
    pub refresh: Issued,
    /// The time of issue, from which the tokens' remaining lifetimes are counted.
    pub issued_at: Timestamp,
    /// Whether the refresh token is the one presented, so that its cookie can stay.
    pub refresh_stays: bool,
    /// Whether cookies outlive the browser.
    pub remember: bool,
}

/// Issues the tokens of one session.
pub(super) struct PairIssuer<'a> {
    pub(super) tokens: &'a Tokens,
    pub(super) record: &'a SessionRecord,
}

impl PairIssuer<'_> {
    pub(super) fn pair(&self, freshness: Freshness, now: Timestamp) -> Result<Pair, IssueError> {
        Ok(Pair {
            access: self.access(freshness, now)?,
            refresh: self.refresh()?,
            issued_at: now,
            refresh_stays: false,
            remember: self.record.session.remember,
        })
    }

    pub(super) fn access(
        &self,
        freshness: Freshness,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let subject = &self.record.subject;
        let jti = random_text(ID_BYTES);
        self.issue(Claims {
            fresh: freshness,
            csrf: self.csrf("csrf/access"),
            username: Some(subject.username.clone()),
            roles: subject.roles.clone(),
            epoch: Some(subject.epoch),
            ..self
                .tokens
                .claims(TokenKind::Access, subject.id.as_str(), jti, now)
        })
    }

    /// Depends on the row alone: issued twice, the token is the same, so the same successor can be
    /// returned again.
    fn refresh(&self) -> Result<Issued, IssueError> {
        let session = &self.record.session;
        let generation = session.rotation.generation;
        let jti = session.seed.derive(&format!("jti/{generation}"));
        let began = session.rotation.rotated_at;
        self.issue(Claims {
            csrf: self.csrf("csrf/refresh"),
            generation: Some(generation),
            ..self.tokens.claims(
                TokenKind::Refresh,
                self.record.subject.id.as_str(),
                jti,
                began,
            )
        })
    }

    /// Returns one value per session and kind, so that a request built just before a reissue does
    /// not fail just after it.
    fn csrf(&self, label: &str) -> Option<CsrfValue> {
        let wanted = self.tokens.policy().encode_csrf;
        wanted.then(|| CsrfValue::new(self.record.session.seed.derive(label)))
    }

    /// Signs the claims. No token outlives its session.
    fn issue(&self, claims: Claims) -> Result<Issued, IssueError> {
        let session = &self.record.session;
        let end = session.expires_at;
        let exp = Some(claims.exp.map_or(end, |exp| exp.min(end)));
        self.tokens.sign(&Claims {
            exp,
            sid: Some(session.id.clone()),
            ..claims
        })
    }
}
