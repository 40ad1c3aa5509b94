//! Defines the interface of session stores. Every method is one atomic step; outcomes are data,
//! errors are failures. A store with an audit trail records each event in the step that causes it.

use std::error::Error;

use async_trait::async_trait;

use super::advance::{Advanced, RotationRule, Step};
use super::authority::Denied;
use super::context::RequestContext;
use super::counted::CountedRevocations;
use super::many::{ManySessions, SessionPage, SessionQuery};
use super::record::{EndReason, Session, SessionRecord, Subject};
use super::revoked::{Revocation, Revoked};
use super::store_error::StoreError;
use crate::clock::Timestamp;

/// The outcome of a write for a request: its result, or the reason it was denied.
pub type Authorized<T, E = StoreError> = Result<Result<T, Denied>, E>;

/// A store of sessions and of their users' state. (actix-session has a trait of the same name; this
/// one keeps logins, not key-value state.)
///
/// An implementation begins with [`#[async_trait]`](super::async_trait).
/// [`MemoryStore`](super::MemoryStore) is the reference: a hundred lines. Every method obeys these
/// rules:
///
/// - It is one atomic step: of two requests that write one session at once, the second sees the
///   first one's write.
/// - It never reads a clock. `now`, `step.context.at` and `context.at` are the current time, in
///   whole seconds.
/// - A session has **expired** from `expires_at` on. The rule decides about the idle timeout.
/// - A missing session or user is not an error: the method returns `None`, false, or an empty list.
/// - A method that returns [`Authorized`] calls [`RequestContext::check`] first, in the same step,
///   with the rows as they are then. If that is denied, it writes nothing. In a database the rows
///   of the user and the session stay locked until the commit. A store that awaits its rows reads
///   those that [`RequestContext::authority`] names, and then calls
///   `context.check(|_| user, |_| session)`.
/// - All fields of a [`Session`] are stored unchanged. For text columns, use
///   [`SessionSecret::expose`](super::SessionSecret::expose) and
///   [`SessionSecret::from_text`](super::SessionSecret::from_text), [`EndReason::word`] and
///   [`EndReason::from_word`], [`Delivery::word`](super::Delivery::word) and
///   [`Delivery::from_word`](super::Delivery::from_word).
///
/// A **revocation** is recorded in the step that revokes, and kept for the lifetime of an access
/// token, plus the leeway and a minute ([`TokenPolicy`](crate::token::TokenPolicy)). A store whose
/// users can change records revocations for them too. When a password, the roles or the state
/// change, it increases [`Subject::epoch`] and records [`Revoked::User`](super::Revoked::User).
/// Pass that to [`Sessions::record_revocation`](super::Sessions::record_revocation), so that older
/// tokens end at once.
///
/// If sessions outlive the program, or several programs share them, call
/// [`Sessions::keep_in_sync`](super::Sessions::keep_in_sync) at start.
///
/// The example `examples/own_session_store` is a complete store. [`rotate`](Self::rotate) must work
/// like this:
///
/// ```
/// use tokenpair::session::{RequestContext, RotationCase, Rotation, SessionStore, Step};
///
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::session::Login;
/// # tokenpair::sample::run(async {
/// # let (ada, store) = tokenpair::sample::user();
/// # let sessions = tokenpair::sample::sessions_in(&store)?;
/// # let now = Timestamp::from_unix(1_800_000_000);
/// # sessions.login(&ada, Login::default(), now).await?;
/// # let session = sessions.list("1", now).await?.remove(0);
/// # let id = session.id;
/// let expected = session.rotation;
/// let next = Rotation { generation: expected.generation + 1, ..expected };
/// let step = Step { id, expected, next, case: RotationCase::Rotate, context: RequestContext::at(now) };
/// assert!(store.rotate(&step).await?);
/// assert!(!store.rotate(&step).await?); // the row has changed
/// # Ok(()) });
/// ```
///
/// # Signatures
///
/// An implementation writes these methods, and may override the others:
///
/// ```text
/// type Error = MyError;
///
/// async fn create(&self, session: &Session) -> Result<bool, MyError>;
/// async fn load(&self, id: &str) -> Result<Option<SessionRecord>, MyError>;
/// async fn subject(&self, user_id: &str) -> Result<Option<Subject>, MyError>;
/// async fn rotate(&self, step: &Step) -> Result<bool, MyError>;
/// async fn revoke(&self, id: &str, reason: EndReason, context: &RequestContext) -> Authorized<bool, MyError>;
/// async fn list(&self, query: &SessionQuery) -> Result<SessionPage, MyError>;
/// async fn revocations_since(&self, at: Timestamp) -> Result<Vec<Revocation>, MyError>;
/// ```
///
/// # Errors
///
/// Every method returns [`Error`](Self::Error) if the store failed: any error type, so `?` needs no
/// conversion. [`Sessions`](super::Sessions) wraps it in a [`StoreError`]. The response is 503, and
/// no user is logged out.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// The store's own error. [`StoreError`] if it has none of its own.
    type Error: Error + Send + Sync + 'static;

    /// Stores a new session with a new id, if its user is enabled and still at the session's epoch.
    /// Returns whether it did. If not, the user was changed while the password was verified, and
    /// the login fails.
    async fn create(&self, session: &Session) -> Result<bool, Self::Error>;

    /// Stores a new session as [`create`](Self::create) does and, in the same step, revokes the
    /// sessions of these ids as [`revoke`](Self::revoke) does, with [`EndReason::Replaced`]: the
    /// browser that logs in had them, whoever's they are. Returns the ids that this call revoked.
    /// `None` if the session was not stored; then nothing was revoked.
    ///
    /// The default takes a step for each session. If one fails, the new session is stored, and
    /// nobody gets its tokens. Override it in a database.
    async fn create_in_place_of(
        &self,
        session: &Session,
        replaced: &[String],
    ) -> Result<Option<Vec<String>>, Self::Error> {
        if !self.create(session).await? {
            return Ok(None);
        }
        let context = RequestContext::of_login(session);
        let mut revoked = Vec::new();
        for id in replaced {
            let ended = self.revoke(id, EndReason::Replaced, &context).await?;
            if ended == Ok(true) {
                revoked.push(id.clone());
            }
        }
        Ok(Some(revoked))
    }

    /// Returns the session and its user as they are now, even if the session has ended. `None` if
    /// either does not exist.
    async fn load(&self, id: &str) -> Result<Option<SessionRecord>, Self::Error>;

    /// Returns the user as it is now, disabled or not. `None` if there is no user with that id.
    async fn subject(&self, user_id: &str) -> Result<Option<Subject>, Self::Error>;

    /// Replaces `expected` by `next`, and `last_used_at` by `context.at`, if the row still holds
    /// `expected` (all its fields), is not revoked and not expired. Returns whether it did; if not,
    /// the row is read and decided again. For a reissue the two may be equal: then only
    /// `last_used_at` changes.
    async fn rotate(&self, step: &Step) -> Result<bool, Self::Error>;

    /// Returns whether sessions are kept when the program ends, or shared with other programs. If
    /// so, the log warns an app that never syncs revocations. Default: true.
    fn outlives_the_program(&self) -> bool {
        true
    }

    /// Checks that the request is authorized now: for a response without a write, and to reject a
    /// request before long work. A write checks that in its own step.
    async fn check(&self, context: &RequestContext) -> Authorized<(), Self::Error> {
        let Some(authority) = &context.authority else {
            return Ok(Ok(()));
        };
        let user = self.subject(&authority.user_id).await?;
        let record = match &authority.sid {
            Some(sid) => self.load(sid).await?,
            None => None,
        };
        Ok(context.check(|_| user, |_| record.map(|record| record.session)))
    }

    /// Loads the session, asks the rule, and rotates if the rule decides so. `None` if the session
    /// or its user does not exist. Override it in a store that can do that in one round trip. A
    /// database may try [`RotationRule::quiet`] first, in a single statement; the default ignores
    /// it, which changes nothing but the speed.
    async fn advance(&self, id: &str, rule: RotationRule) -> Result<Option<Advanced>, Self::Error> {
        let Some(record) = self.load(id).await? else {
            return Ok(None);
        };
        let advanced = rule.decide(record);
        let taken = match advanced.step() {
            Some(step) => self.rotate(step).await?,
            None => true,
        };
        Ok(Some(advanced.with_step_taken(taken)))
    }

    /// Revokes the session if it is not revoked yet, expired or not: sets `revoked` to `context.at`
    /// and `reason`, and records [`Revoked::Session`](super::Revoked::Session) with it. Returns
    /// whether this call revoked it.
    async fn revoke(
        &self,
        id: &str,
        reason: EndReason,
        context: &RequestContext,
    ) -> Authorized<bool, Self::Error>;

    /// Returns a page of a user's live sessions, newest login first. A database filters and counts
    /// them itself, so that ended sessions cost no memory here.
    async fn list(&self, query: &SessionQuery) -> Result<SessionPage, Self::Error>;

    /// Revokes many sessions of one user, as [`revoke`](Self::revoke) does, and returns how many
    /// this call revoked. A database needs one statement for thousands and no list of their ids.
    /// Very many may be revoked in several steps; each of them checks the request, and if one
    /// fails, the same call revokes the others. The revocations are read afterwards through
    /// [`revocations_since`](Self::revocations_since).
    ///
    /// The default lists and revokes one after the other. Only the first one checks the request,
    /// since it may end the session of the request itself. It leaves expired sessions alone.
    async fn revoke_many(&self, many: &ManySessions) -> Authorized<usize, Self::Error> {
        let chosen = many.chosen(self.list(&many.candidates()).await?);
        let mut context = many.context.clone();
        if chosen.is_empty() {
            return Ok(self.check(&context).await?.map(|()| 0));
        }
        let mut ended = 0;
        for id in chosen {
            match self.revoke(&id, many.reason, &context).await? {
                Ok(revoked) => ended += usize::from(revoked),
                Err(denied) => return Ok(Err(denied)),
            }
            context.authority = None;
        }
        Ok(Ok(ended))
    }

    /// Returns the revocations recorded at or after `at`, in any order. Duplicates do no harm.
    async fn revocations_since(&self, at: Timestamp) -> Result<Vec<Revocation>, Self::Error>;

    /// Lets a sync read only new revocations. Default: `None`, so it reads the last minute's.
    fn counted_revocations(&self) -> Option<&dyn CountedRevocations> {
        None
    }

    /// Records again revocations that the store has lost, as a database does at a failover to a
    /// standby without its last commits. Each is recorded at `context.at`, so that other programs
    /// read it, and takes effect: the session is revoked with [`EndReason::Restored`], a user's
    /// older epochs end. A revocation that is already recorded is left alone. Returns the
    /// revocations that this call recorded.
    ///
    /// The default revokes sessions with [`revoke`](Self::revoke), and does nothing for users,
    /// since this trait changes none. A store whose users can change increases [`Subject::epoch`]
    /// too.
    async fn restore(
        &self,
        lost: &[Revocation],
        context: &RequestContext,
    ) -> Result<Vec<Revocation>, Self::Error> {
        let mut restored = Vec::new();
        for Revocation { subject, .. } in lost {
            let Revoked::Session(id) = subject else {
                continue;
            };
            if let Ok(true) = self.revoke(id, EndReason::Restored, context).await? {
                let (subject, at) = (subject.clone(), context.at);
                restored.push(Revocation { subject, at });
            }
        }
        Ok(restored)
    }
}
