//! Implements issuing a session's tokens from its row, its user and the current time.

use serde_json::{Map, Value};

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

/// The claims that a session decides, beside those that [`Tokens::sign_with`] reserves.
const OWN_CLAIMS: [&str; 8] = [
    "fresh", "iat", "jti", "nbf", "exp", "username", "roles", "epoch",
];

/// Issues the tokens of one session.
pub(super) struct PairIssuer<'a> {
    pub(super) tokens: &'a Tokens,
    pub(super) record: &'a SessionRecord,
}

impl PairIssuer<'_> {
    pub(super) fn pair(&self, freshness: Freshness, now: Timestamp) -> Result<Pair, IssueError> {
        let csrf = self.csrf();
        Ok(Pair {
            access: self.access_with(csrf.clone(), freshness, now)?,
            refresh: self.refresh(csrf)?,
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
        self.access_with(self.csrf(), freshness, now)
    }

    fn access_with(
        &self,
        csrf: Option<CsrfValue>,
        freshness: Freshness,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let subject = &self.record.subject;
        let jti = random_text(ID_BYTES);
        let claims = Claims {
            fresh: freshness,
            csrf,
            username: Some(subject.username.clone()),
            roles: subject.roles.clone(),
            epoch: Some(subject.epoch),
            ..self
                .tokens
                .claims(TokenKind::Access, subject.id.as_str(), jti, now)
        };
        self.issue(claims, &subject.extra)
    }

    /// Depends on the row alone: issued twice, the token is the same, so the same successor can be
    /// returned again.
    fn refresh(&self, csrf: Option<CsrfValue>) -> Result<Issued, IssueError> {
        let session = &self.record.session;
        let generation = session.rotation.generation;
        let jti = session.seed.derive(&format!("jti/{generation}"));
        let began = session.rotation.rotated_at;
        let user_id = self.record.subject.id.as_str();
        let claims = Claims {
            csrf,
            generation: Some(generation),
            ..self.tokens.claims(TokenKind::Refresh, user_id, jti, began)
        };
        self.issue(claims, &Map::new())
    }

    /// Returns one value per session, so that a request built just before a reissue or a refresh
    /// does not fail just after it. Both tokens have it: the libraries of pages repeat one cookie
    /// in one header, and that has to serve a refresh too, and a logout after the access cookie has
    /// gone.
    fn csrf(&self) -> Option<CsrfValue> {
        let wanted = self.tokens.policy().encode_csrf;
        wanted.then(|| CsrfValue::new(self.record.session.seed.derive("csrf")))
    }

    /// Signs the claims. No token outlives its session.
    fn issue(&self, claims: Claims, extra: &Map<String, Value>) -> Result<Issued, IssueError> {
        let session = &self.record.session;
        let end = session.expires_at;
        let exp = Some(claims.exp.map_or(end, |exp| exp.min(end)));
        let claims = Claims {
            exp,
            sid: Some(session.id.clone()),
            ..claims
        };
        // Claims that the session itself decides are not the user's to replace.
        if let Some(name) = OWN_CLAIMS
            .into_iter()
            .find(|name| extra.contains_key(*name))
        {
            return Err(IssueError::Reserved(name.to_owned()));
        }
        self.tokens.sign_with(&claims, extra, &Map::new())
    }
}
