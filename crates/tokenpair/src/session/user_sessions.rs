//! Implements a user's operations on its own sessions: list them, end them, and renew them after a
//! password check.

use super::advance::{Advanced, RotationRule};
use super::context::RequestContext;
use super::error::SessionError;
use super::issue::Pair;
use super::many::{ManySessions, SessionPage, SessionQuery};
use super::record::{EndReason, Session, SessionRecord, SessionView};
use super::reissue_rule::ReissueDecision;
use super::rotation::{RotationDecision, SessionPolicy, ended};
use super::service::{Inner, Sessions};
use crate::clock::Timestamp;
use crate::token::Freshness;

impl Sessions {
    /// Returns a user's live sessions, newest login first, [`Sessions::LISTED`] of them at most;
    /// [`Sessions::page`] returns the others. Sessions of a disabled user, and those from before a
    /// change of the password, are left out.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::session::Login;
    /// use std::time::Duration;
    /// use tokenpair::session::RequestContext;
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// sessions.login(&ada, Login::default(), now).await?;
    /// sessions.login(&ada, Login::default(), now + Duration::from_secs(60)).await?;
    /// let list = sessions.list("1", now).await?;
    /// assert!(list[0].created_at > list[1].created_at);
    ///
    /// let context = RequestContext::at(now + Duration::from_secs(90));
    /// assert!(sessions.end_own("1", &list[1].id, &context).await?);
    /// assert!(!sessions.end_own("2", &list[0].id, &context).await?); // not this user's session
    /// assert_eq!(sessions.list("1", context.at).await?, list[..1]);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SessionError::Store`] if the store failed.
    pub async fn list(&self, user_id: &str, now: Timestamp) -> Result<Vec<Session>, SessionError> {
        let page = self.page(user_id, 0, Self::LISTED, now).await?;
        Ok(page.sessions)
    }

    /// The maximum number of sessions that [`Sessions::list`] returns.
    pub const LISTED: usize = 200;

    /// Returns a page of a user's live sessions, newest login first: at most `limit`, after the
    /// first `offset`.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::session::Login;
    /// # tokenpair::sample::run(async {
    /// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// for _ in 0..5 {
    ///     sessions.login(&ada, Login::default(), now).await?;
    /// }
    /// let last = sessions.page("1", 4, 2, now).await?;
    /// assert_eq!((last.sessions.len(), last.total), (1, 5));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SessionError::Store`] if the store failed.
    pub async fn page(
        &self,
        user_id: &str,
        offset: usize,
        limit: usize,
        now: Timestamp,
    ) -> Result<SessionPage, SessionError> {
        let query = SessionQuery {
            user_id: user_id.to_owned(),
            now,
            idle_since: now - self.inner.policy.idle,
            offset,
            limit,
        };
        Ok(self.inner.store.list(&query).await?)
    }

    /// Returns the time the session expires if it is not used any more.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::session::Login;
    /// use std::time::Duration;
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// sessions.login(&ada, Login::default(), now).await?;
    /// let session = sessions.list("1", now).await?.remove(0);
    /// assert_eq!(session.expires_at, now + Duration::from_secs(90 * 86_400));
    /// assert_eq!(sessions.end_of(&session), now + Duration::from_secs(30 * 86_400));
    /// # Ok(()) });
    /// ```
    pub fn end_of(&self, session: &Session) -> Timestamp {
        session
            .expires_at
            .min(session.last_used_at + self.inner.policy.idle)
    }

    /// Returns a session as its user may see it, for a JSON response.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::session::Login;
    /// # tokenpair::sample::run(async {
    /// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// sessions.login(&ada, Login::default(), now).await?;
    /// let session = sessions.list("1", now).await?.remove(0);
    /// let json = serde_json::to_string(&sessions.view(&session))?;
    /// assert!(json.contains(r#""created_at":1800000000"#));
    /// assert!(!json.contains(session.seed.expose()));
    /// # Ok(()) });
    /// ```
    pub fn view(&self, session: &Session) -> SessionView {
        SessionView {
            id: session.id.clone(),
            user_agent: session.user_agent.clone(),
            ip: session.ip,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: self.end_of(session),
        }
    }

    /// Ends one of a user's sessions. Returns false if the user has no such live session; sessions
    /// of other users do not count.
    ///
    /// # Errors
    ///
    /// Returns [`SessionError::Store`] if the store failed, [`SessionError::Denied`] if the request
    /// is no longer authorized.
    pub async fn end_own(
        &self,
        user_id: &str,
        sid: &str,
        context: &RequestContext,
    ) -> Result<bool, SessionError> {
        let record = self.inner.store.load(sid).await?;
        let found = record
            .is_some_and(|record| is_active(&record, user_id, context.at, &self.inner.policy));
        if found {
            self.end(sid, EndReason::Revoked, context).await?
        } else {
            self.inner.store.check(&context.ending(sid)).await??
        }
        Ok(found)
    }

    /// Ends all of a user's sessions except one, and returns how many.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::session::Login;
    /// use tokenpair::session::RequestContext;
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// for _ in 0..3 {
    ///     sessions.login(&ada, Login::default(), now).await?;
    /// }
    /// let mine = sessions.list("1", now).await?.remove(0);
    /// assert_eq!(sessions.end_others("1", &mine.id, &RequestContext::at(now)).await?, 2);
    /// assert_eq!(sessions.list("1", now).await?, [mine]);
    /// assert_eq!(sessions.end_all("1", &RequestContext::of_operator(now)).await?, 1);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SessionError::Store`] if the store failed, [`SessionError::Denied`] if the request
    /// is no longer authorized. Call it again after a failure: of thousands some may have ended.
    pub async fn end_others(
        &self,
        user_id: &str,
        keep: &str,
        context: &RequestContext,
    ) -> Result<usize, SessionError> {
        let keep = (!keep.is_empty()).then(|| keep.to_owned());
        let many = self.many(user_id, EndReason::Revoked, context);
        self.end_many(ManySessions { keep, ..many }).await
    }

    /// Ends all of a user's sessions, for an admin, and returns how many.
    ///
    /// # Errors
    ///
    /// Returns [`SessionError::Store`] if the store failed, [`SessionError::Denied`] if the request
    /// is no longer authorized. Call it again after a failure: of thousands some may have ended.
    pub async fn end_all(
        &self,
        user_id: &str,
        context: &RequestContext,
    ) -> Result<usize, SessionError> {
        self.end_many(self.many(user_id, EndReason::Admin, context))
            .await
    }

    /// Selects all sessions of a user.
    fn many(&self, user_id: &str, reason: EndReason, context: &RequestContext) -> ManySessions {
        let Inner {
            policy,
            revocations,
            ..
        } = self.inner.as_ref();
        ManySessions {
            user_id: user_id.to_owned(),
            keep: None,
            newest: None,
            idle_since: context.at - policy.idle,
            // Within the window, a token is handed out again without a write to the row.
            tokens_since: revocations.oldest(context.at) - policy.rotation_window,
            reason,
            context: context.clone(),
        }
    }

    async fn end_many(&self, many: ManySessions) -> Result<usize, SessionError> {
        let ended = self.inner.store.revoke_many(&many).await??;
        if ended > 0 {
            self.learn_since(many.context.at).await;
        }
        Ok(ended)
    }

    /// Adds the revocations just recorded. The sessions have ended in any case, so a failure is
    /// ignored: the next [`sync_revocations`](Self::sync_revocations) catches up.
    async fn learn_since(&self, at: Timestamp) {
        match self.inner.store.revocations_since(at).await {
            Ok(news) => news.iter().for_each(|news| self.record_revocation(news)),
            Err(error) => {
                log::warn!(
                    "sessions ended, but this replica learns of it with the next sync of revocations: {error}"
                );
            }
        }
    }

    /// Issues a new pair with a fresh access token for a live session; `None` if the session has
    /// ended. Call it only after the user has entered the password again.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::session::Login;
    /// # use tokenpair::token::Expiry;
    /// use std::time::Duration;
    /// use tokenpair::token::Freshness;
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// # sessions.login(&ada, Login::default(), now).await?;
    /// # let session = sessions.list("1", now).await?.remove(0);
    /// let later = now + Duration::from_secs(86_400);
    /// let pair = sessions.renew("1", &session.id, later).await?.unwrap();
    /// let claims = sessions.tokens().verify(pair.access.token.as_str(), later, Expiry::Enforced)?;
    /// assert_eq!(claims.fresh, Freshness::Fresh);
    /// assert!(sessions.renew("2", &session.id, later).await?.is_none());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`SessionError`] if the store failed or the tokens could not be signed.
    pub async fn renew(
        &self,
        user_id: &str,
        sid: &str,
        now: Timestamp,
    ) -> Result<Option<Pair>, SessionError> {
        let rule = || {
            let (user_id, policy) = (user_id.to_owned(), self.inner.policy.clone());
            RotationRule::new(RequestContext::at(now), move |record| {
                // Marks the session as used: it has an access token of now.
                if is_active(record, &user_id, now, &policy) {
                    ReissueDecision::Permit(record.session.rotation).into()
                } else {
                    ReissueDecision::Refuse.into()
                }
            })
        };
        let advanced = self.settle(sid, rule).await?;
        let is_granted =
            |advanced: &Advanced| matches!(advanced.decision(), RotationDecision::Grant { .. });
        let granted = advanced.filter(is_granted);
        let pair = granted.map(|advanced| self.mint(advanced.record()).pair(Freshness::Fresh, now));
        Ok(pair.transpose()?)
    }

    /// Ends the oldest sessions of a user whose login exceeded the policy's limit.
    pub(super) async fn keep_to_the_limit(
        &self,
        new: &Session,
        context: &RequestContext,
    ) -> Result<(), SessionError> {
        let Some(limit) = self.inner.policy.limit else {
            return Ok(());
        };
        let counted = self.page(&new.user_id, 0, 0, context.at).await?;
        if counted.total > limit {
            let oldest = ManySessions {
                keep: Some(new.id.clone()),
                newest: Some(limit.saturating_sub(1)),
                ..self.many(&new.user_id, EndReason::Limit, context)
            };
            self.end_many(oldest).await?;
        }
        Ok(())
    }
}

/// Returns whether the session has not ended, and is this user's.
fn is_active(
    record: &SessionRecord,
    user_id: &str,
    now: Timestamp,
    policy: &SessionPolicy,
) -> bool {
    record.subject.id == user_id && ended(&record.row(), now, policy).is_none()
}
