//! Implements the refresh: the rule decides about a refresh token, the store executes, and the
//! service signs the next pair.

use super::advance::{Advanced, RotationRule};
use super::context::RequestContext;
use super::error::SessionError;
use super::issue::Pair;
use super::quiet::QuietRotation;
use super::rotation::{End, RotationCase, RotationDecision};
use super::service::Sessions;
use crate::token::{Claims, Freshness};

/// The outcome of a refresh.
#[derive(Debug)]
pub enum Refreshed {
    /// The new pair.
    Granted(Box<Pair>),
    /// The session has ended.
    Ended(End),
    /// A copy of the token is in use; the session was revoked.
    Reused,
    /// The token is out of date; nothing was revoked.
    Superseded,
}

impl Sessions {
    /// Answers a verified refresh token by the rule: one read, at most one conditional write, then
    /// signing. If the row has changed before the write, the rule decides again. A store may do the
    /// common case in one statement ([`RotationRule::quiet`]).
    ///
    /// # Errors
    ///
    /// Returns a [`SessionError`] if the store or signing failed. The client keeps its token.
    pub async fn refresh(
        &self,
        claims: &Claims,
        context: &RequestContext,
    ) -> Result<Refreshed, SessionError> {
        let refreshed = self.decide(claims, context).await;
        if let Some(observer) = &self.observer {
            let decision = refreshed.as_ref().map(|(decision, _)| *decision);
            observer.refreshed(decision);
        }
        refreshed.map(|(_, refreshed)| refreshed)
    }

    async fn decide(
        &self,
        claims: &Claims,
        context: &RequestContext,
    ) -> Result<(RotationDecision, Refreshed), SessionError> {
        let unknown = (
            RotationDecision::Ended(End::Unknown),
            Refreshed::Ended(End::Unknown),
        );
        let (Some(sid), Some(generation)) = (&claims.sid, claims.generation) else {
            return Ok(unknown);
        };
        let rule = || self.rule(claims.sub(), generation, context);
        match self.settle(sid, rule).await? {
            Some(advanced) => {
                let decision = advanced.decision();
                Ok((decision, self.answer(advanced, context).await?))
            }
            None => Ok(unknown),
        }
    }

    /// Returns the rule for a user who presents this generation.
    fn rule(&self, user_id: &str, generation: i64, context: &RequestContext) -> RotationRule {
        // Not a clone of `inner`: a thread of the store must never be the one that drops the store.
        let policy = self.inner.policy.clone();
        let user_id = user_id.to_owned();
        let now = context.at;
        let quiet = QuietRotation::new(&user_id, generation, now, &policy);
        let rule = RotationRule::new(context.clone(), move |record| {
            if record.subject.id == user_id {
                record.decide(generation, now, &policy)
            } else {
                RotationDecision::Ended(End::Unknown)
            }
        });
        rule.with_quiet(quiet)
    }

    /// Returns the response to a decision that the store has executed.
    async fn answer(
        &self,
        advanced: Advanced,
        context: &RequestContext,
    ) -> Result<Refreshed, SessionError> {
        let decision = advanced.decision();
        let record = advanced.into_record();
        match decision {
            RotationDecision::Grant { case, .. } => {
                let pair = Pair {
                    refresh_stays: case == RotationCase::RepeatCurrent,
                    ..self.mint(&record).pair(Freshness::NotFresh, context.at)?
                };
                Ok(Refreshed::Granted(Box::new(pair)))
            }
            RotationDecision::Reused => {
                self.end_copied(&record.session.id, context).await?;
                Ok(Refreshed::Reused)
            }
            RotationDecision::Superseded => Ok(Refreshed::Superseded),
            RotationDecision::Ended(end) => Ok(Refreshed::Ended(end)),
        }
    }
}
