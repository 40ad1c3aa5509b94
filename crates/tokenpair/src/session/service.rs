//! The session service: log in, refresh, reissue, end. It lets the rule decide, the store execute, and then signs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use thiserror::Error;
use uuid::Uuid;

use super::authority::Denied;
use super::context::RequestContext;
use super::issue::{Pair, PairIssuer};
use super::login::Login;
use super::record::{EndReason, Session, SessionRecord, Subject};
use super::revocation::{Revocation, Revocations, Revoked};
use super::rotation::{
    End, Rotation, RotationCase, RotationDecision, SessionPolicy, decide, ended,
};
use super::secret::SessionSecret;
use super::store::{Advanced, RotationRule, SessionStore, Step, StoreError};
use crate::clock::Timestamp;
use crate::token::{Claims, Freshness, IssueError, TokenLoaders, Tokens};

/// Sessions over a store. Cheap to clone.
///
/// ```
/// # use std::time::Duration;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::token::{Expiry, TokenPolicy, Tokens};
/// use tokenpair::session::{RequestContext, End, EndReason, Login, MemoryStore, Refreshed, SessionPolicy, Sessions, Subject};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ada = Subject { id: "1".into(), username: "ada".into(), roles: vec![], epoch: 0, disabled: false };
/// # let store = MemoryStore::default();
/// # store.put_subject(ada.clone());
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let tokens = Tokens::new(keys, TokenPolicy::default());
/// # let now = Timestamp::from_unix(1_800_000_000);
/// let sessions = Sessions::new(store, tokens, SessionPolicy::default());
/// let pair = sessions.login(&ada, Login::default(), now).await?;
///
/// // The refresh token buys a pair, and another takes its place.
/// let token = sessions.tokens().verify(pair.refresh.token.as_str(), now, Expiry::Enforced)?;
/// let context = RequestContext::at(now + Duration::from_secs(300));
/// let Refreshed::Granted(next) = sessions.refresh(&token, &context).await? else { unreachable!() };
/// assert_ne!(next.refresh.token, pair.refresh.token);
///
/// sessions.end(token.sid.as_deref().unwrap(), EndReason::Logout, &context).await?;
/// let refused = sessions.refresh(&token, &context).await?;
/// assert!(matches!(refused, Refreshed::Ended(End::Revoked)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Sessions {
    pub(super) inner: Arc<Inner>,
    tokens: Arc<Tokens>,
}

pub(super) struct Inner {
    pub(super) store: Box<dyn SessionStore>,
    pub(super) policy: SessionPolicy,
    pub(super) revocations: Revocations,
    pub(super) synced_at: AtomicI64,
    /// The next sync compares all that is known with the store: the last one failed, so another database may answer, or more
    /// was lost than it restored.
    pub(super) compare_all: AtomicBool,
}

/// Why nothing came of it. A failure of the store is no answer: the client may try again and nobody is logged out.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token could not be signed.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The row changed under every decision.
    #[error("the session is busy")]
    Busy,
    /// The grounds on which the request was admitted no longer hold. Nothing was written.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The user is gone, disabled, or changed since it was read for this login. No session was made.
    #[error("the user was changed during the login")]
    SubjectChanged,
    /// Since `SessionPolicy::stale_limit` nobody could tell what was revoked elsewhere.
    #[error("for longer than REVOCATION_STALE_LIMIT it could not be read what was revoked")]
    Stale,
}

/// What became of a refresh.
#[derive(Debug)]
pub enum Refreshed {
    /// The new pair.
    Granted(Box<Pair>),
    /// The session is over.
    Ended(End),
    /// A copy of the token is about; the session was revoked.
    Reused,
    /// Out of date; nothing was revoked.
    Superseded,
}

/// How often a request may decide before its client is asked to come back. It decides again when another request has
/// written meanwhile; the searches in `tests/rotation` never need more than five decisions.
const DECISIONS: usize = 8;

impl Sessions {
    /// The service over `store`, signing with `tokens`, under `policy`.
    pub fn new(store: impl SessionStore + 'static, tokens: Tokens, policy: SessionPolicy) -> Self {
        let inner = Inner {
            store: Box::new(store),
            revocations: Revocations::new(tokens.policy()),
            policy,
            synced_at: AtomicI64::new(0),
            compare_all: AtomicBool::new(false),
        };
        Self {
            inner: Arc::new(inner),
            tokens: Arc::new(tokens),
        }
    }

    /// The same record, whose tokens ask these loaders.
    pub(crate) fn with_loaders(self, loaders: TokenLoaders) -> Self {
        let tokens = self.tokens.as_ref().clone();
        Self {
            tokens: Arc::new(tokens.with_loaders(loaders)),
            ..self
        }
    }

    /// What signs and verifies.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// What has been ended before its time.
    pub fn revocations(&self) -> &Revocations {
        &self.inner.revocations
    }

    /// Records a login and gives its first pair; the access token is fresh. Nothing that came with the request is
    /// carried over, so no session can be fixed in advance.
    ///
    /// # Errors
    ///
    /// [`SessionError::SubjectChanged`] if the user is not in the store as `subject` says: its password, roles or state were
    /// changed since it was read. [`SessionError`] if the session could not be kept or the tokens not signed.
    pub async fn login(
        &self,
        subject: &Subject,
        login: Login,
        now: Timestamp,
    ) -> Result<Pair, SessionError> {
        let session = Session {
            id: Uuid::now_v7().to_string(),
            user_id: subject.id.clone(),
            epoch: subject.epoch,
            rotation: Rotation::first(now),
            seed: SessionSecret::random(),
            remember: login.remember,
            delivery: login.delivery,
            created_at: now,
            last_used_at: now,
            expires_at: now + self.inner.policy.max_age,
            user_agent: login.device.user_agent,
            ip: login.device.ip,
            revoked: None,
        };
        if !self.inner.store.create(&session).await? {
            return Err(SessionError::SubjectChanged);
        }
        let context = RequestContext {
            ip: session.ip.clone(),
            ..RequestContext::at(now)
        };
        self.keep_to_the_limit(&session, &context).await?;
        let record = SessionRecord {
            session,
            subject: subject.clone(),
        };
        Ok(self.mint(&record).pair(Freshness::Fresh, now)?)
    }

    /// The user of that id, as the store knows it now; none if there is none or it is disabled.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed.
    pub async fn subject(&self, user_id: &str) -> Result<Option<Subject>, SessionError> {
        let subject = self.inner.store.subject(user_id).await?;
        Ok(subject.filter(|subject| !subject.disabled))
    }

    /// Answers a verified refresh token by the rule: one read, at most one conditional write, then signing. A write
    /// that finds the row changed is no failure: the row is read again and the same rule decides again.
    ///
    /// # Errors
    ///
    /// [`SessionError`] if the store failed; the client keeps its token and may try again.
    pub async fn refresh(
        &self,
        claims: &Claims,
        context: &RequestContext,
    ) -> Result<Refreshed, SessionError> {
        let (Some(sid), Some(generation)) = (&claims.sid, claims.generation) else {
            return Ok(Refreshed::Ended(End::Unknown));
        };
        let rule = || self.rule(claims.sub(), generation, context);
        match self.settle(sid, claims.sub(), rule).await? {
            Some(record) => self.answer(record, generation, context).await,
            None => Ok(Refreshed::Ended(End::Unknown)),
        }
    }

    /// Returns what [`refresh`](Self::refresh) would decide about a verified refresh token, and writes nothing: for a
    /// route that admits refresh tokens and does not refresh. One read.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::keys::{Algorithm, KeyRing};
    /// # use tokenpair::session::{Login, MemoryStore, SessionPolicy, Sessions, Subject};
    /// # use tokenpair::token::{Expiry, TokenPolicy, Tokens};
    /// use tokenpair::session::{RequestContext, RotationDecision, End, EndReason};
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ada = Subject { id: "1".into(), username: "ada".into(), roles: vec![], epoch: 0, disabled: false };
    /// # let store = MemoryStore::default();
    /// # store.put_subject(ada.clone());
    /// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
    /// # let sessions = Sessions::new(store.clone(), Tokens::new(keys, TokenPolicy::default()), SessionPolicy::default());
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// # let pair = sessions.login(&ada, Login::default(), now).await?;
    /// let token = sessions.tokens().verify(pair.refresh.token.as_str(), now, Expiry::Enforced)?;
    /// assert!(matches!(sessions.standing(&token, now).await?, RotationDecision::Grant { .. }));
    ///
    /// sessions.end(token.sid.as_deref().unwrap(), EndReason::Logout, &RequestContext::at(now)).await?;
    /// assert_eq!(sessions.standing(&token, now).await?, RotationDecision::Ended(End::Revoked));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed.
    pub async fn standing(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<RotationDecision, SessionError> {
        let unknown = RotationDecision::Ended(End::Unknown);
        let (Some(sid), Some(generation)) = (&claims.sid, claims.generation) else {
            return Ok(unknown);
        };
        let record = self.inner.store.load(sid).await?;
        let own = record.filter(|record| record.subject.id == claims.sub());
        Ok(own.map_or(unknown, |record| {
            decide(&record.row(), generation, now, &self.inner.policy)
        }))
    }

    /// Has the store do what the rule says of a user's session, deciding again for as long as other requests write first.
    /// Returns the session as the last decision saw it; `None` if the user has no such session.
    pub(super) async fn settle(
        &self,
        sid: &str,
        user_id: &str,
        rule: impl Fn() -> RotationRule,
    ) -> Result<Option<SessionRecord>, SessionError> {
        for _ in 0..DECISIONS {
            let advanced = self.inner.store.advance(sid, rule()).await?;
            let Some(Advanced { record, done }) =
                advanced.filter(|advanced| advanced.record.subject.id == user_id)
            else {
                return Ok(None);
            };
            if done {
                return Ok(Some(record));
            }
        }
        Err(SessionError::Busy)
    }

    /// What the store is to write when this generation is presented.
    fn rule(&self, user_id: &str, generation: i64, context: &RequestContext) -> RotationRule {
        // Not the whole of `inner`: a store's own thread must never be who drops the store.
        let policy = self.inner.policy.clone();
        let (user_id, context) = (user_id.to_owned(), context.clone());
        Box::new(move |record| {
            if record.subject.id != user_id {
                return None;
            }
            match decide(&record.row(), generation, context.at, &policy) {
                RotationDecision::Grant { case, next } => Some(Step {
                    id: record.session.id.clone(),
                    expected: record.session.rotation,
                    next: next?,
                    case,
                    context: context.clone(),
                }),
                RotationDecision::Reused
                | RotationDecision::Superseded
                | RotationDecision::Ended(_) => None,
            }
        })
    }

    /// What is answered once the store has written what it had to: the same decision of the same row.
    async fn answer(
        &self,
        mut record: SessionRecord,
        generation: i64,
        context: &RequestContext,
    ) -> Result<Refreshed, SessionError> {
        match decide(&record.row(), generation, context.at, &self.inner.policy) {
            RotationDecision::Grant { case, next } => {
                record.session.rotation = next.unwrap_or(record.session.rotation);
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

    /// Ends a session: its refresh token at the next look at the row, its access tokens at once here and within a
    /// second on every other replica. Repeating it does no harm.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed, [`SessionError::Denied`] if the session is another than the request's own
    /// and the request is no longer authorized: the session is not ended.
    pub async fn end(
        &self,
        sid: &str,
        reason: EndReason,
        context: &RequestContext,
    ) -> Result<(), SessionError> {
        let context = context.ending(sid);
        let revocations = &self.inner.revocations;
        if self.inner.store.revoke(sid, reason, &context).await?? {
            let subject = Revoked::Session(sid.to_owned());
            revocations.add(&Revocation {
                subject,
                at: context.at,
            });
        } else {
            revocations.add_ended(sid, context.at);
        }
        Ok(())
    }

    /// Ends a session whose refresh token has a copy, whoever sent it and with whatever authority.
    pub(super) async fn end_copied(
        &self,
        sid: &str,
        context: &RequestContext,
    ) -> Result<(), SessionError> {
        let context = RequestContext {
            authority: None,
            ..context.clone()
        };
        self.end(sid, EndReason::Reuse, &context).await
    }

    /// Checks that the request is authorized just now ([`SessionStore::check`]), for an answer that writes nothing.
    ///
    /// # Errors
    ///
    /// [`SessionError::Denied`] if it is not, [`SessionError::Store`] if the store failed.
    pub async fn check(&self, context: &RequestContext) -> Result<(), SessionError> {
        Ok(self.inner.store.check(context).await??)
    }

    pub(super) fn is_active(&self, record: &SessionRecord, user_id: &str, now: Timestamp) -> bool {
        let over = ended(&record.row(), now, &self.inner.policy);
        record.subject.id == user_id && over.is_none()
    }

    pub(super) fn mint<'a>(&'a self, record: &'a SessionRecord) -> PairIssuer<'a> {
        PairIssuer {
            tokens: &self.tokens,
            record,
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("policy", &self.inner.policy)
            .finish_non_exhaustive()
    }
}
