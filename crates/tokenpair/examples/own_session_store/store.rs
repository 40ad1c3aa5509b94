//! Implements the store. Each method is one atomic step: here under a lock, in a database one
//! statement or one transaction. The store decides nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokenpair::clock::Timestamp;
use tokenpair::session::{
    Authorized, Denied, EndReason, ManySessions, RequestContext, Revocation, Revoked, Session,
    SessionPage, SessionQuery, SessionRecord, SessionStore, Step, StoreError, Subject,
};

#[derive(Default)]
pub(crate) struct Store(Mutex<Rows>);

type Rows = HashMap<String, Session>;
type Done<T> = Result<T, StoreError>;

impl Store {
    /// An unreachable database would be a `StoreError::new(cause)`: the client gets a 503, and no
    /// user is logged out.
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    row.map(|row| row.revoked = Some((context.at, reason)))
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
    (id == "7").then(|| Subject {
        id: id.to_owned(),
        username: "ada".to_owned(),
        roles: vec!["editor".to_owned()],
        epoch: 0,
        disabled: false,
    })
}

#[async_trait]
impl SessionStore for Store {
    /// Unless the user was changed while its password was verified.
    async fn create(&self, session: &Session) -> Done<bool> {
        let mut rows = self.rows();
        let unchanged = user(&session.user_id)
            .is_some_and(|user| user.epoch == session.epoch && !user.disabled);
        if unchanged {
            rows.insert(session.id.clone(), session.clone());
        }
        Ok(unchanged)
    }

    async fn load(&self, id: &str) -> Done<Option<SessionRecord>> {
        Ok(self.rows().get(id).and_then(record))
    }

    async fn subject(&self, user_id: &str) -> Done<Option<Subject>> {
        Ok(user(user_id))
    }

    /// Compare and swap: of two concurrent refreshes, one finds the row changed.
    async fn rotate(&self, step: &Step) -> Done<bool> {
        let mut rows = self.rows();
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
    ) -> Authorized<bool> {
        let mut rows = self.rows();
        Ok(check(&rows, context).map(|()| end(&mut rows, id, reason, context)))
    }

    async fn list(&self, query: &SessionQuery) -> Done<SessionPage> {
        Ok(query.page(records(&self.rows())))
    }

    async fn revoke_many(&self, many: &ManySessions) -> Authorized<usize> {
        let mut rows = self.rows();
        if let Err(denied) = check(&rows, &many.context) {
            return Ok(Err(denied));
        }
        let ids = many.ids(records(&rows));
        let ended = ids
            .iter()
            .filter(|id| end(&mut rows, id, many.reason, &many.context));
        Ok(Ok(ended.count()))
    }

    async fn revocations_since(&self, since: Timestamp) -> Done<Vec<Revocation>> {
        let rows = self.rows();
        let news = rows.values().filter_map(|row| {
            let (at, _) = row.revoked.filter(|(at, _)| *at >= since)?;
            let subject = Revoked::Session(row.id.clone());
            Some(Revocation { subject, at })
        });
        Ok(news.collect())
    }
}
