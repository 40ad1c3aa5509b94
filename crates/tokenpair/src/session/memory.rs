//! Implements a store in memory: the reference for [`SessionStore`], for tests and for programs
//! that may forget sessions at a restart.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::advance::Step;
use super::authority::Denied;
use super::context::RequestContext;
use super::counted::CountedRevocations;
use super::many::{ManySessions, SessionPage, SessionQuery};
use super::record::{EndReason, Session, SessionEnd, SessionRecord, Subject};
use super::revoked::{Revocation, Revoked};
use super::store::{Authorized, SessionStore};
use super::store_error::StoreError;
use crate::clock::Timestamp;

/// Sessions and users in memory. Clones share them.
///
/// ```
/// use tokenpair::session::{MemoryStore, SessionStore, Subject};
/// # futures_lite(async {
/// let store = MemoryStore::default();
/// store.put_subject(Subject::new("1", "ada").with_role("admin"));
/// assert_eq!(store.subject("1").await?.map(|user| user.username).as_deref(), Some("ada"));
/// assert!(store.load("no such session").await?.is_none());
/// # Ok::<(), tokenpair::session::StoreError>(()) });
/// # fn futures_lite<T>(work: impl Future<Output = Result<T, tokenpair::session::StoreError>>) {
/// #     actix_web::rt::System::new().block_on(work).unwrap();
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    subjects: HashMap<String, Subject>,
    sessions: HashMap<String, Session>,
    revocations: Vec<Revocation>,
}

impl MemoryStore {
    /// Adds a user, or replaces the user with that id.
    pub fn put_subject(&self, subject: Subject) {
        self.tables().subjects.insert(subject.id.clone(), subject);
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Returns the session, if it has not ended by `now`.
    fn living(&mut self, id: &str, now: Timestamp) -> Option<&mut Session> {
        self.sessions
            .get_mut(id)
            .filter(|session| session.revoked.is_none() && session.expires_at > now)
    }

    fn check(&self, context: &RequestContext) -> Result<(), Denied> {
        context.check(
            |id| self.subjects.get(id).cloned(),
            |sid| self.sessions.get(sid).cloned(),
        )
    }

    fn record(&self, session: &Session) -> Option<SessionRecord> {
        Some(SessionRecord {
            session: session.clone(),
            subject: self.subjects.get(&session.user_id)?.clone(),
        })
    }

    fn records_of(&self, user_id: &str) -> Vec<SessionRecord> {
        let sessions = self.sessions.values();
        let own = sessions.filter(|session| session.user_id == user_id);
        own.filter_map(|session| self.record(session)).collect()
    }

    fn create(&mut self, session: &Session) -> bool {
        let user = self.subjects.get(&session.user_id);
        let unchanged = user.is_some_and(|user| user.epoch == session.epoch && !user.disabled);
        if unchanged {
            self.sessions.insert(session.id.clone(), session.clone());
        }
        unchanged
    }

    fn revoke(&mut self, id: &str, reason: EndReason, now: Timestamp) -> bool {
        let found = self.sessions.get_mut(id);
        let Some(session) = found.filter(|session| session.revoked.is_none()) else {
            return false;
        };
        session.revoked = Some(SessionEnd { at: now, reason });
        let subject = Revoked::Session(id.to_owned());
        self.revocations.push(Revocation { subject, at: now });
        true
    }

    /// Records a lost revocation again. Returns whether it was lost.
    fn restore(&mut self, lost: &Revoked, now: Timestamp) -> bool {
        if self.revocations.iter().any(|known| known.subject == *lost) {
            return false;
        }
        match lost {
            Revoked::Session(id) if self.revoke(id, EndReason::Restored, now) => return true,
            Revoked::Session(_) => {}
            Revoked::User { id, lowest_epoch } => {
                if let Some(user) = self.subjects.get_mut(id) {
                    user.epoch = user.epoch.max(*lowest_epoch);
                }
            }
            Revoked::All => {
                let reason = EndReason::Restored;
                for session in self.sessions.values_mut() {
                    session
                        .revoked
                        .get_or_insert(SessionEnd { at: now, reason });
                }
            }
        }
        let subject = lost.clone();
        self.revocations.push(Revocation { subject, at: now });
        true
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    type Error = StoreError;

    async fn create(&self, session: &Session) -> Result<bool, StoreError> {
        Ok(self.tables().create(session))
    }

    async fn create_in_place_of(
        &self,
        session: &Session,
        replaced: &[String],
    ) -> Result<Option<Vec<String>>, StoreError> {
        let mut tables = self.tables();
        if !tables.create(session) {
            return Ok(None);
        }
        let mut revoked = replaced.to_vec();
        revoked.retain(|id| tables.revoke(id, EndReason::Replaced, session.created_at));
        Ok(Some(revoked))
    }

    async fn load(&self, id: &str) -> Result<Option<SessionRecord>, StoreError> {
        let tables = self.tables();
        let session = tables.sessions.get(id);
        Ok(session.and_then(|session| tables.record(session)))
    }

    async fn subject(&self, user_id: &str) -> Result<Option<Subject>, StoreError> {
        Ok(self.tables().subjects.get(user_id).cloned())
    }

    async fn rotate(&self, step: &Step) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let Some(session) = tables
            .living(&step.id, step.context.at)
            .filter(|session| session.rotation == step.expected)
        else {
            return Ok(false);
        };
        session.rotation = step.next;
        session.last_used_at = step.context.at;
        Ok(true)
    }

    fn outlives_the_program(&self) -> bool {
        false
    }

    async fn revoke(
        &self,
        id: &str,
        reason: EndReason,
        context: &RequestContext,
    ) -> Authorized<bool> {
        let mut tables = self.tables();
        let checked = tables.check(context);
        Ok(checked.map(|()| tables.revoke(id, reason, context.at)))
    }

    async fn list(&self, query: &SessionQuery) -> Result<SessionPage, StoreError> {
        let tables = self.tables();
        Ok(query.page(tables.records_of(&query.user_id)))
    }

    async fn revoke_many(&self, many: &ManySessions) -> Authorized<usize> {
        let mut tables = self.tables();
        if let Err(denied) = tables.check(&many.context) {
            return Ok(Err(denied));
        }
        let ids = many.ids(tables.records_of(&many.user_id));
        let ended = ids
            .iter()
            .filter(|id| tables.revoke(id, many.reason, many.context.at));
        Ok(Ok(ended.count()))
    }

    async fn restore(
        &self,
        lost: &[Revocation],
        context: &RequestContext,
    ) -> Result<Vec<Revocation>, StoreError> {
        let mut tables = self.tables();
        let lost = lost.iter().map(|lost| lost.subject.clone());
        let restored = lost.filter(|subject| tables.restore(subject, context.at));
        let at = context.at;
        Ok(restored.map(|subject| Revocation { subject, at }).collect())
    }

    async fn revocations_since(&self, at: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        let mut news = self.tables().revocations.clone();
        news.retain(|revocation| revocation.at >= at);
        Ok(news)
    }

    fn counted_revocations(&self) -> Option<&dyn CountedRevocations> {
        Some(self)
    }
}

#[async_trait]
impl CountedRevocations for MemoryStore {
    async fn count_since(&self, at: Timestamp) -> Result<BTreeMap<Timestamp, usize>, StoreError> {
        let mut counts = BTreeMap::new();
        for revocation in self.revocations_since(at).await? {
            *counts.entry(revocation.at).or_default() += 1;
        }
        Ok(counts)
    }

    async fn between(
        &self,
        seconds: RangeInclusive<Timestamp>,
    ) -> Result<Vec<Revocation>, StoreError> {
        let mut found = self.revocations_since(*seconds.start()).await?;
        found.retain(|revocation| seconds.contains(&revocation.at));
        Ok(found)
    }
}
