//! What a store of sessions must do. Every method is one atomic step; outcomes are data, errors are failures. A store that
//! keeps an audit trail records each event in the step that it tells of.

use std::error::Error;

use async_trait::async_trait;
use thiserror::Error;

use super::authority::Denied;
use super::context::RequestContext;
use super::many::{ManySessions, SessionPage, SessionQuery};
use super::record::{EndReason, Session, SessionRecord, Subject};
use super::revocation::{Revocation, Revoked};
use super::rotation::{Rotation, RotationCase};
use crate::clock::Timestamp;

/// A compare-and-swap of a session's rotation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Which session.
    pub id: String,
    /// What the decision rested on.
    pub expected: Rotation,
    /// What the row becomes.
    pub next: Rotation,
    /// Which line of the rule this is; a store that keeps an audit trail records those that are not routine.
    pub case: RotationCase,
    /// When it was decided (`last_used_at`, and the session must not have expired by then), and from where.
    pub context: RequestContext,
}

/// What to make of a session that was just read: the step to take, or none where there is nothing to write.
pub type RotationRule = Box<dyn Fn(&SessionRecord) -> Option<Step> + Send>;

/// A session that a [`RotationRule`] was asked about.
///
/// ```
/// use tokenpair::session::{RequestContext, RotationCase, Rotation, SessionRecord, SessionStore, Step};
///
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::session::{Login, MemoryStore, SessionPolicy, Sessions, Subject};
/// # use tokenpair::token::{TokenPolicy, Tokens};
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ada = Subject { id: "1".into(), username: "ada".into(), roles: vec![], epoch: 0, disabled: false };
/// # let store = MemoryStore::default();
/// # store.put_subject(ada.clone());
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let sessions = Sessions::new(store.clone(), Tokens::new(keys, TokenPolicy::default()), SessionPolicy::default());
/// # let now = Timestamp::from_unix(1_800_000_000);
/// # sessions.login(&ada, Login::default(), now).await?;
/// # let id = sessions.list("1", now).await?.remove(0).id;
/// let next = move |record: &SessionRecord| {
///     let expected = record.session.rotation;
///     let next = Rotation { generation: expected.generation + 1, ..expected };
///     Some(Step { id: record.session.id.clone(), expected, next, case: RotationCase::Rotate, context: RequestContext::at(now) })
/// };
/// let advanced = store.advance(&id, Box::new(next)).await?.unwrap();
/// assert!(advanced.done);
/// assert_eq!(advanced.record.session.rotation.generation, 1);
/// assert_eq!(store.load(&id).await?.unwrap().session.rotation.generation, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advanced {
    /// As it was read, before the step.
    pub record: SessionRecord,
    /// The step was taken, or there was none to take. False if another request had written meanwhile: nothing was done, and the rule
    /// has to be asked again.
    pub done: bool,
}

/// The store failed. Not an answer: nobody is logged out for it.
///
/// ```
/// use std::io;
/// use tokenpair::session::StoreError;
/// use tokenpair::web::Rejection;
///
/// let error = StoreError::new(io::Error::other("the disk is full"));
/// assert_eq!(error.to_string(), "the disk is full"); // for the log
/// assert_eq!(Rejection::from(error).to_string(), "Temporarily unavailable"); // for the client
/// ```
#[derive(Debug, Error)]
#[error(transparent)]
pub struct StoreError(Box<dyn Error + Send + Sync>);

impl StoreError {
    /// A failure and its cause, which is logged and never shown to a client.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// The outcome of a write on behalf of a request: what it did, or why it was denied.
pub type Authorized<T> = Result<Result<T, Denied>, StoreError>;

/// A store of sessions, and what it knows of their users. (actix-session has a trait of the same name; this one keeps
/// logins, not key-value state.)
///
/// An implementation begins with [`#[async_trait]`](super::async_trait). [`MemoryStore`](super::MemoryStore) is the
/// reference: a hundred lines. What holds for every method:
///
/// - It is one atomic step: of two requests that want to write one session at once, the second sees what the first wrote.
/// - It never looks at a clock. `now`, `step.context.at` and `context.at` are the present instant, in whole seconds.
/// - A session has **expired** from `expires_at` on. That it was not used for too long is the rule's to say.
/// - No such session, or no such user, is no error: the answer is none, false, or empty.
/// - A method that answers with [`Authorized`] calls [`RequestContext::check`] first, in the same step, with the rows as they are then.
///   If that is denied, it writes nothing. In a database the rows of the user and the session stay locked until the commit.
/// - All fields of a [`Session`] are kept as they are: [`SessionSecret::expose`](super::Seed::expose) and [`SessionSecret::from_text`](super::Seed::from_text), [`EndReason::word`] and
///   [`EndReason::from_word`], [`Delivery::word`](super::Delivery::word) and
///   [`Delivery::from_word`](super::Delivery::from_word) are there for columns of text.
///
/// A **revocation** is recorded in the same step as what it tells of, and kept for as long as an access token lives, with the
/// leeway and a minute more ([`TokenPolicy`](crate::token::TokenPolicy)). A store whose users can change adds one for them
/// too: when a password, the roles or the state change, move [`Subject::epoch`] on and record
/// [`Revoked::User`](super::Revoked::User), and give it to [`Sessions::record_revocation`](super::Sessions::note); then tokens from before
/// end at once.
///
/// Where sessions outlive the program, or several programs share them, call
/// [`Sessions::sync_revocations`](super::Sessions::sync_revocations) at start and every second or so.
///
/// A store of your own is shown whole in `examples/own_session_store`. What [`rotate`](Self::rotate) has to be:
///
/// ```
/// use tokenpair::session::{RequestContext, RotationCase, Rotation, SessionStore, Step};
///
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::session::{Login, MemoryStore, SessionPolicy, Sessions, Subject};
/// # use tokenpair::token::{TokenPolicy, Tokens};
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ada = Subject { id: "1".into(), username: "ada".into(), roles: vec![], epoch: 0, disabled: false };
/// # let store = MemoryStore::default();
/// # store.put_subject(ada.clone());
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let sessions = Sessions::new(store.clone(), Tokens::new(keys, TokenPolicy::default()), SessionPolicy::default());
/// # let now = Timestamp::from_unix(1_800_000_000);
/// # sessions.login(&ada, Login::default(), now).await?;
/// # let session = sessions.list("1", now).await?.remove(0);
/// # let id = session.id;
/// let expected = session.rotation;
/// let next = Rotation { generation: expected.generation + 1, ..expected };
/// let step = Step { id, expected, next, case: RotationCase::Rotate, context: RequestContext::at(now) };
/// assert!(store.rotate(&step).await?);
/// assert!(!store.rotate(&step).await?); // the row is another now
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Every method gives a [`StoreError`] if the store failed. It is answered with 503, and nobody is logged out.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Keeps a new session, whose id is new too, if its user is enabled and still at the session's epoch. True if it did.
    /// Otherwise the user was changed while the password was verified, and the login fails.
    async fn create(&self, session: &Session) -> Result<bool, StoreError>;

    /// The session and its user as they are now, whether or not it goes on; none if there is no such session, or its user
    /// is gone.
    async fn load(&self, id: &str) -> Result<Option<SessionRecord>, StoreError>;

    /// The user as it is now, disabled or not; none if there is none of that id.
    async fn subject(&self, user_id: &str) -> Result<Option<Subject>, StoreError>;

    /// Replaces `expected` by `next`, and `last_used_at` by `context.at`, if the row still holds `expected` (all its fields), is
    /// not revoked and not expired. True if it did; a false one is read and decided again. For a reissue the two may be
    /// equal: then only `last_used_at` moves.
    async fn rotate(&self, step: &Step) -> Result<bool, StoreError>;

    /// Checks that the request is authorized just now: for an answer that takes no write, and to refuse before work that takes long.
    /// A write checks that in its own step.
    async fn check(&self, context: &RequestContext) -> Authorized<()> {
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

    /// Loads the session, asks the rule, and rotates if it says so; none if there is no such session, or its user is gone. A
    /// store that can do all that in one trip should.
    async fn advance(&self, id: &str, rule: RotationRule) -> Result<Option<Advanced>, StoreError> {
        let Some(record) = self.load(id).await? else {
            return Ok(None);
        };
        let done = match rule(&record) {
            Some(step) => self.rotate(&step).await?,
            None => true,
        };
        Ok(Some(Advanced { record, done }))
    }

    /// Revokes the session if it is not revoked yet, expired or not: sets `revoked` to `context.at` and `reason`, and records
    /// [`Revoked::Session`](super::Revoked::Session) with it. True if it was this call that did.
    async fn revoke(
        &self,
        id: &str,
        reason: EndReason,
        context: &RequestContext,
    ) -> Authorized<bool>;

    /// Returns a page of a user's live sessions, newest login first. A database filters and counts them itself, so that
    /// sessions that have ended cost no memory here.
    async fn list(&self, query: &SessionQuery) -> Result<SessionPage, StoreError>;

    /// Revokes many sessions of one user, as [`revoke`](Self::revoke) does, and returns how many this call revoked. A
    /// database needs one statement for thousands and no list of their ids. Very many may be revoked in several steps;
    /// each of them checks the request, and if one fails, the same call revokes the others. The revocations are read afterwards through
    /// [`revocations_since`](Self::revocations_since).
    async fn revoke_many(&self, many: &ManySessions) -> Authorized<usize>;

    /// The revocations recorded at or after `at`, in any order. One that is given twice does no harm.
    async fn revocations_since(&self, at: Timestamp) -> Result<Vec<Revocation>, StoreError>;

    /// Records revocations again that the store has lost, as a database does that fails over to a standby without its last
    /// commits. Each is recorded at `context.at`, so that other programs read it, and ends what it tells of: the session with
    /// [`EndReason::Restored`]; of a user everything of an older epoch. One that is recorded after all is left alone. Returns
    /// those that this call recorded.
    ///
    /// By default sessions are ended by [`revoke`](Self::revoke), and nothing is done for users, since this trait changes none. A store
    /// whose users can change moves [`Subject::epoch`] on too.
    async fn restore(
        &self,
        lost: &[Revocation],
        context: &RequestContext,
    ) -> Result<Vec<Revocation>, StoreError> {
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
