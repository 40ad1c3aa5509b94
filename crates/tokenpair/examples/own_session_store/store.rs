//! Implements the store. Each method is one atomic step: here under a lock, in a database one
//! statement or one transaction. The store decides nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokenpair::clock::Timestamp;
use tokenpair::session::{
    Authorized, Denied, EndReason, RequestContext, Revocation, Revoked, Session, SessionEnd,
    SessionPage, SessionQuery, SessionRecord, SessionStore, Step, Subject,
};

#[derive(Default)]
pub(crate) struct Store(Mutex<Rows>);

type Rows = HashMap<String, Session>;
type Done<T> = Result<T, Poisoned>;

/// This store's error, as a database would have its own: the client gets a 503, and no user is
/// logged out.
#[derive(Debug, thiserror::Error)]
#[error("another thread panicked while it held the rows")]
pub(crate) struct Poisoned;

impl<T> From<PoisonError<T>> for Poisoned {
    fn from(_: PoisonError<T>) -> Self {
        Self
    }
}

impl Store {
    fn rows(&self) -> Done<MutexGuard<'_, Rows>> {
        Ok(self.0.lock()?)
    }
}

fn lives(session: &Session, now: Timestamp) -> bool {
    session.revoked.is_none() && now < session.expires_at
}

/// Checks that the request is still authorized: its session may have ended since it was admitted.
fn check(rows: &Rows, context: &RequestContext) -> Result<(), Denied> {
    context.check(user, |sid| rows.get(sid).cloned())
}

fn end(rows: &mut Rows, id: &str, reason: EndReason, context: &RequestContext) -> bool {
    let row = rows.get_mut(id).filter(|row| row.revoked.is_none());
    row.map(|row| {
        row.revoked = Some(SessionEnd {
            at: context.at,
            reason,
        })
    })
    .is_some()
}

fn record(session: &Session) -> Option<SessionRecord> {
    let subject = user(&session.user_id)?;
    let session = session.clone();
    Some(SessionRecord { session, subject })
}

fn records(rows: &Rows) -> Vec<SessionRecord> {
    rows.values().filter_map(record).collect()
}

/// Your table of users. A change of a password, roles or a state increases the epoch.
pub(crate) fn user(id: &str) -> Option<Subject> {
    (id == "7").then(|| Subject::new(id, "ada").with_role("editor"))
}

#[async_trait]
impl SessionStore for Store {
    type Error = Poisoned;

    /// Unless the user was changed while its password was verified.
    async fn create(&self, session: &Session) -> Done<bool> {
        let mut rows = self.rows()?;
        let unchanged = user(&session.user_id)
            .is_some_and(|user| user.epoch == session.epoch && !user.disabled);
        if unchanged {
            rows.insert(session.id.clone(), session.clone());
        }
        Ok(unchanged)
    }

    async fn load(&self, id: &str) -> Done<Option<SessionRecord>> {
        Ok(self.rows()?.get(id).and_then(record))
    }

    async fn subject(&self, user_id: &str) -> Done<Option<Subject>> {
        Ok(user(user_id))
    }

    /// Compare and swap: of two concurrent refreshes, one finds the row changed.
    async fn rotate(&self, step: &Step) -> Done<bool> {
        let mut rows = self.rows()?;
        let same =
            |row: &&mut Session| row.rotation == step.expected && lives(row, step.context.at);
        let Some(row) = rows.get_mut(&step.id).filter(same) else {
            return Ok(false);
        };
        row.rotation = step.next;
        row.last_used_at = step.context.at;
        Ok(true)
    }

    async fn revoke(
        &self,
        id: &str,
        reason: EndReason,
        context: &RequestContext,
    ) -> Authorized<bool, Poisoned> {
        let mut rows = self.rows()?;
        Ok(check(&rows, context).map(|()| end(&mut rows, id, reason, context)))
    }

    async fn list(&self, query: &SessionQuery) -> Done<SessionPage> {
        Ok(query.page(records(&*self.rows()?)))
    }

    async fn revocations_since(&self, since: Timestamp) -> Done<Vec<Revocation>> {
        let rows = self.rows()?;
        let news = rows.values().filter_map(|row| {
            let end = row.revoked.filter(|end| end.at >= since)?;
            let subject = Revoked::Session(row.id.clone());
            Some(Revocation {
                subject,
                at: end.at,
            })
        });
        Ok(news.collect())
    }
}
