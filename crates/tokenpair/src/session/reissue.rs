//! Implements the reissue: replaces an access token if the refresh token beside it permits that.

use super::advance::RotationRule;
use super::context::RequestContext;
use super::error::SessionError;
use super::login::Delivery;
use super::reissue_rule::{ReissueDecision, decide_reissue};
use super::rotation::{RotationCase, RotationDecision};
use super::service::Sessions;
use crate::clock::Timestamp;
use crate::token::{Claims, Freshness, Issued};

/// The tokens of a request whose access token is due for a reissue.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The access token that admitted the request.
    pub access: &'a Claims,
    /// The refresh token that came with it, verified as at a refresh.
    pub refresh: &'a Claims,
    /// The time the request arrived. `None` if it may have been sent long before, as an upload may:
    /// such a request never proves that a token was copied.
    pub arrived: Option<Timestamp>,
}

/// The outcome of a reissue.
#[derive(Debug)]
pub enum Reissue {
    /// The new access token.
    Granted(Box<Reissued>),
    /// No new token, and nothing was written.
    Refused,
    /// A copy of the refresh token is in use; the session was revoked.
    Reused,
}

/// A reissued access token.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reissued {
    /// The new access token.
    pub access: Issued,
    /// Whether its cookie outlives the browser.
    pub remember: bool,
}

impl Sessions {
    /// Replaces an access token near its expiry. The new token is not fresh, never outlives the
    /// session, and has the user's current roles.
    ///
    /// The session's refresh token must come too. The rotation rule judges it without rotating it
    /// ([`decide_reissue`](super::decide_reissue)), so a reissue detects every copy that a refresh
    /// would. Otherwise a copied access token would last as long as the session. A session whose
    /// tokens were delivered in a body ([`Delivery::Body`]) is never reissued. A reissue costs one
    /// read and one write, as a refresh does.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::session::Login;
    /// # use tokenpair::token::Expiry;
    /// use std::time::Duration;
    /// use tokenpair::session::{RequestContext, EndReason, Presented, Reissue};
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// # let pair = sessions.login(&ada, Login::default(), now).await?;
    /// # let verify = |token: &tokenpair::token::Issued| sessions.tokens().verify(token.token.as_str(), now, Expiry::Enforced);
    /// let later = RequestContext::at(now + Duration::from_secs(45 * 60));
    /// let (access, refresh) = (&verify(&pair.access)?, &verify(&pair.refresh)?);
    /// let presented = Presented { access, refresh, arrived: Some(later.at) };
    /// let Reissue::Granted(reissued) = sessions.reissue(presented, &later).await? else { unreachable!() };
    /// assert_eq!(reissued.access.expires_at, Some(later.at + Duration::from_secs(3600)));
    ///
    /// sessions.end(access.sid.as_deref().unwrap(), EndReason::Logout, &later).await?;
    /// assert!(matches!(sessions.reissue(presented, &later).await?, Reissue::Refused));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`SessionError`] if the store failed. The client keeps its token.
    pub async fn reissue(
        &self,
        presented: Presented<'_>,
        context: &RequestContext,
    ) -> Result<Reissue, SessionError> {
        let reissued = self.decide_reissue(presented, context).await;
        if let Some(observer) = &self.observer {
            observer.reissued(reissued.as_ref().map(|(decision, _)| *decision));
        }
        reissued.map(|(_, reissued)| reissued)
    }

    async fn decide_reissue(
        &self,
        presented: Presented<'_>,
        context: &RequestContext,
    ) -> Result<(RotationDecision, Reissue), SessionError> {
        let Presented {
            access,
            refresh,
            arrived,
        } = presented;
        let refused = (RotationDecision::Superseded, Reissue::Refused);
        let (Some(sid), Some(generation)) = (&refresh.sid, refresh.generation) else {
            return Ok(refused);
        };
        if access.sid != refresh.sid || access.identity != refresh.identity {
            return Ok(refused);
        }
        let rule = || {
            let policy = self.inner.policy.clone();
            let user_id = access.sub().to_owned();
            let now = context.at;
            RotationRule::new(context.clone(), move |record| {
                let reissued = record.session.delivery == Delivery::Cookies;
                if !reissued || record.subject.id != user_id {
                    return RotationDecision::Superseded;
                }
                decide_reissue(&record.row(), generation, arrived, now, &policy).into()
            })
        };
        let Some(advanced) = self.settle(sid, rule).await? else {
            return Ok(refused);
        };
        let decision = advanced.decision();
        let reissue = match decision {
            RotationDecision::Grant { .. } => {
                let record = advanced.record();
                let access = self.mint(record).access(Freshness::NotFresh, context.at)?;
                let remember = record.session.remember;
                Reissue::Granted(Box::new(Reissued { access, remember }))
            }
            RotationDecision::Superseded | RotationDecision::Ended(_) => Reissue::Refused,
            RotationDecision::Reused => {
                self.end_copied(sid, context).await?;
                Reissue::Reused
            }
        };
        Ok((decision, reissue))
    }
}

/// The write of a permitted reissue marks the session as used, if its rotation has not changed
/// since the decision.
impl From<ReissueDecision> for RotationDecision {
    fn from(decision: ReissueDecision) -> Self {
        match decision {
            ReissueDecision::Permit(next) => Self::Grant {
                case: RotationCase::Reissue,
                next: Some(next),
            },
            ReissueDecision::Refuse => Self::Superseded,
            ReissueDecision::Reused => Self::Reused,
        }
    }
}
