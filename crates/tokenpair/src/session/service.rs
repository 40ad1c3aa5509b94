//! Implements the session service: the rule decides, the store executes, and the service signs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use uuid::Uuid;

use super::advance::{Advanced, RotationRule};
use super::any_store::AnyStore;
use super::context::RequestContext;
use super::error::SessionError;
use super::issue::{Pair, PairIssuer};
use super::login::Login;
use super::observer::SessionObserver;
use super::record::{EndReason, Session, SessionRecord, Subject};
use super::revocation::Revocations;
use super::revoked::{Revocation, Revoked};
use super::rotation::{End, Rotation, RotationDecision, SessionPolicy};
use super::secret::SessionSecret;
use super::store::SessionStore;
use super::store_error::StoreError;
use crate::clock::Timestamp;
use crate::token::{Claims, Freshness, TokenLoaders, Tokens};

/// Sessions over a store. Cheap to clone.
///
/// ```
/// # use std::time::Duration;
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::token::Expiry;
/// use tokenpair::session::{RequestContext, End, EndReason, Login, MemoryStore, Refreshed, SessionPolicy, Sessions, Subject};
///
/// # tokenpair::sample::run(async {
/// # let (ada, store) = tokenpair::sample::user();
/// # let tokens = tokenpair::sample::tokens()?;
/// # let now = Timestamp::from_unix(1_800_000_000);
/// let sessions = Sessions::new(store, tokens, SessionPolicy::default());
/// let pair = sessions.login(&ada, Login::default(), now).await?;
///
/// // The refresh token buys a pair, and is replaced.
/// let token = sessions.tokens().verify(pair.refresh.token.as_str(), now, Expiry::Enforced)?;
/// let context = RequestContext::at(now + Duration::from_secs(300));
/// let Refreshed::Granted(next) = sessions.refresh(&token, &context).await? else { unreachable!() };
/// assert_ne!(next.refresh.token, pair.refresh.token);
///
/// sessions.end(token.sid.as_deref().unwrap(), EndReason::Logout, &context).await?;
/// let refused = sessions.refresh(&token, &context).await?;
/// assert!(matches!(refused, Refreshed::Ended(End::Revoked)));
/// # Ok(()) });
/// ```
#[derive(Clone)]
pub struct Sessions {
    pub(super) inner: Arc<Inner>,
    tokens: Arc<Tokens>,
    pub(super) observer: Option<Arc<dyn SessionObserver>>,
}

pub(super) struct Inner {
    pub(super) store: Box<dyn SessionStore<Error = StoreError>>,
    pub(super) policy: SessionPolicy,
    pub(super) revocations: Revocations,
    pub(super) synced_at: AtomicI64,
    /// Whether the next sync compares all known revocations with the store: the last sync failed,
    /// so another database may answer, or more was lost than it restored.
    pub(super) compare_all: AtomicBool,
    /// Whether the log has the warning that revocations were never synced.
    pub(super) warned_unsynced: AtomicBool,
}

/// The time of the last sync before the first one.
pub(super) const NEVER_SYNCED: Timestamp = Timestamp::from_unix(0);

/// The maximum number of decisions for one request, before its client must retry. The searches in
/// `tests/rotation` never need more than five.
const DECISIONS: usize = 8;

impl Sessions {
    /// Returns the service over `store`, signing with `tokens`, under `policy`.
    pub fn new(store: impl SessionStore + 'static, tokens: Tokens, policy: SessionPolicy) -> Self {
        let inner = Inner {
            store: Box::new(AnyStore(store)),
            revocations: Revocations::new(tokens.policy()),
            policy,
            synced_at: AtomicI64::new(NEVER_SYNCED.unix()),
            compare_all: AtomicBool::new(false),
            warned_unsynced: AtomicBool::new(false),
        };
        Self {
            inner: Arc::new(inner),
            tokens: Arc::new(tokens),
            observer: None,
        }
    }

    /// Returns the same service, of which `observer` learns the outcomes.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn SessionObserver>) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// Returns the same service with these loaders for its tokens.
    pub(crate) fn with_loaders(self, loaders: TokenLoaders) -> Self {
        let tokens = self.tokens.as_ref().clone();
        Self {
            tokens: Arc::new(tokens.with_loaders(loaders)),
            ..self
        }
    }

    /// Returns the token signer and verifier.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Returns the known revocations.
    pub fn revocations(&self) -> &Revocations {
        &self.inner.revocations
    }

    /// Records a login and returns its first pair, with a fresh access token. Nothing that came
    /// with the request is carried over, which prevents session fixation.
    ///
    /// # Errors
    ///
    /// Returns [`SessionError::SubjectChanged`] if the user has changed since `subject` was read,
    /// and another [`SessionError`] if the store or signing failed.
    pub async fn login(
        &self,
        subject: &Subject,
        login: Login,
        now: Timestamp,
    ) -> Result<Pair, SessionError> {
        self.login_in_place_of(&[], subject, login, now).await
    }

    /// Records a login that ends these sessions, and returns its first pair.
    pub(crate) async fn login_in_place_of(
        &self,
        replaced: &[String],
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
        self.create(&session, replaced).await?;
        // The sessions that it replaces have ended by now, so they do not count.
        self.keep_to_the_limit(&session, &RequestContext::of_login(&session))
            .await?;
        let record = SessionRecord {
            session,
            subject: subject.clone(),
        };
        Ok(self.mint(&record).pair(Freshness::Fresh, now)?)
    }

    async fn create(&self, session: &Session, replaced: &[String]) -> Result<(), SessionError> {
        let store = &self.inner.store;
        let ended = match replaced {
            [] => store.create(session).await?.then(Vec::new),
            _ => store.create_in_place_of(session, replaced).await?,
        };
        for id in ended.ok_or(SessionError::SubjectChanged)? {
            self.record_revocation(&Revocation {
                subject: Revoked::Session(id),
                at: session.created_at,
            });
        }
        Ok(())
    }

    /// Returns the user with that id as the store knows it now. `None` if missing or disabled.
    ///
    /// # Errors
    ///
    /// Returns [`SessionError::Store`] if the store failed.
    pub async fn subject(&self, user_id: &str) -> Result<Option<Subject>, SessionError> {
        let subject = self.inner.store.subject(user_id).await?;
        Ok(subject.filter(|subject| !subject.disabled))
    }

    /// Returns the decision that [`refresh`](Self::refresh) would make, and writes nothing: for a
    /// route that admits refresh tokens and does not refresh. One read.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::session::Login;
    /// # use tokenpair::token::Expiry;
    /// use tokenpair::session::{RequestContext, RotationDecision, End, EndReason};
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// # let pair = sessions.login(&ada, Login::default(), now).await?;
    /// let token = sessions.tokens().verify(pair.refresh.token.as_str(), now, Expiry::Enforced)?;
    /// assert!(matches!(sessions.standing(&token, now).await?, RotationDecision::Grant { .. }));
    ///
    /// sessions.end(token.sid.as_deref().unwrap(), EndReason::Logout, &RequestContext::at(now)).await?;
    /// assert_eq!(sessions.standing(&token, now).await?, RotationDecision::Ended(End::Revoked));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SessionError::Store`] if the store failed.
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
            record.decide(generation, now, &self.inner.policy)
        }))
    }

    /// Executes the rule's decision about a session, and decides again as long as other requests
    /// write first. Returns the last decision; `None` if there is no such session.
    pub(super) async fn settle(
        &self,
        sid: &str,
        rule: impl Fn() -> RotationRule,
    ) -> Result<Option<Advanced>, SessionError> {
        for _ in 0..DECISIONS {
            let advanced = self.inner.store.advance(sid, rule()).await?;
            if advanced.as_ref().is_none_or(Advanced::is_done) {
                return Ok(advanced);
            }
        }
        Err(SessionError::Busy)
    }

    /// Ends a session. Its refresh token ends at the next read of the row, its access tokens at
    /// once here and within a second on every other replica. Repeating it does no harm.
    ///
    /// # Errors
    ///
    /// Returns [`SessionError::Store`] if the store failed, [`SessionError::Denied`] if the session
    /// is not the request's own and the request is no longer authorized.
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

    /// Ends a session whose refresh token has a copy, regardless of the request's authority.
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
