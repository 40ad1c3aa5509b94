//! Implements the reissue: replaces an access token if the refresh token beside it permits that.

use super::context::RequestContext;
use super::error::SessionError;
use super::login::Delivery;
use super::record::SessionRecord;
use super::reissue_rule::{ReissueDecision, decide_reissue};
use super::service::Sessions;
use super::settle::{Rule, Settled, settle, use_of};
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
    /// # use tokenpair::keys::{Algorithm, KeyRing};
    /// # use tokenpair::session::{Login, MemoryStore, SessionPolicy, Sessions, Subject};
    /// # use tokenpair::token::{Expiry, TokenPolicy, Tokens};
    /// use std::time::Duration;
    /// use tokenpair::session::{RequestContext, EndReason, Presented, Reissue};
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ada = Subject { id: "1".into(), username: "ada".into(), roles: vec![], epoch: 0, disabled: false };
    /// # let store = MemoryStore::default();
    /// # store.put_subject(ada.clone());
    /// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows")?;
    /// # let sessions = Sessions::new(store.clone(), Tokens::new(keys, TokenPolicy::default()), SessionPolicy::default());
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
    /// # Ok(())
    /// # }
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
        let Presented {
            access,
            refresh,
            arrived,
        } = presented;
        let (Some(sid), Some(generation)) = (&refresh.sid, refresh.generation) else {
            return Ok(Reissue::Refused);
        };
        if access.sid != refresh.sid || access.identity != refresh.identity {
            return Ok(Reissue::Refused);
        }
        let (policy, now) = (self.inner.policy.clone(), context.at);
        let decide = move |record: &SessionRecord| match record.session.delivery {
            Delivery::Body => ReissueDecision::Refuse,
            Delivery::Cookies => decide_reissue(&record.row(), generation, arrived, now, &policy),
        };
        let rule = Rule {
            decide,
            write: use_of,
        };
        let store = self.inner.store.as_ref();
        let settled = settle(store, sid, access.sub(), context, rule).await?;
        let Some(Settled { record, decision }) = settled else {
            return Ok(Reissue::Refused);
        };
        match decision {
            ReissueDecision::Permit(_) => {
                let access = self.mint(&record).access(Freshness::NotFresh, context.at)?;
                let remember = record.session.remember;
                Ok(Reissue::Granted(Box::new(Reissued { access, remember })))
            }
            ReissueDecision::Refuse => Ok(Reissue::Refused),
            ReissueDecision::Reused => {
                self.end_copied(sid, context).await?;
                Ok(Reissue::Reused)
            }
        }
    }
}
