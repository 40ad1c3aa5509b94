//! Accounts and sessions in maps of one's own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokenpair::clock::Timestamp;
use tokenpair::session::{
    Authorized, Denied, EndReason, ManySessions, RequestContext, Revocation, Revoked, Session,
    SessionEnd, SessionPage, SessionQuery, SessionRecord, SessionStore, Step, StoreError, Subject,
    async_trait,
};

/// This app's idea of a user.
#[derive(Clone)]
pub struct Account {
    pub number: u32,
    pub name: String,
    pub password: String,
    pub role: &'static str,
    pub banned: bool,
    pub version: i64,
}

impl Account {
    pub fn subject(&self) -> Subject {
        Subject {
            epoch: self.version,
            disabled: self.banned,
            ..Subject::new(self.number.to_string(), self.name.as_str()).with_role(self.role)
        }
    }
}

#[derive(Default)]
struct Maps {
    accounts: HashMap<u32, Account>,
    sessions: HashMap<String, Session>,
    ended: Vec<Revocation>,
}

/// Clones are the same store.
#[derive(Clone, Default)]
pub struct Store(Arc<Mutex<Maps>>);

impl Store {
    pub fn add(&self, account: Account) -> Result<(), StoreError> {
        self.maps()?.accounts.insert(account.number, account);
        Ok(())
    }

    pub fn named(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let maps = self.maps()?;
        Ok(maps
            .accounts
            .values()
            .find(|account| account.name == name)
            .cloned())
    }

    pub fn numbered(&self, id: &str) -> Result<Option<Account>, StoreError> {
        Ok(self.maps()?.account(id).cloned())
    }

    /// Whoever is banned is out at once, with every token.
    pub fn ban(&self, id: &str, now: Timestamp) -> Result<Option<Revocation>, StoreError> {
        let mut maps = self.maps()?;
        let Some(account) = id
            .parse()
            .ok()
            .and_then(|id: u32| maps.accounts.get_mut(&id))
        else {
            return Ok(None);
        };
        account.banned = true;
        account.version += 1;
        let subject = Revoked::User {
            id: id.to_owned(),
            lowest_epoch: account.version,
        };
        let revocation = Revocation { subject, at: now };
        maps.ended.push(revocation.clone());
        Ok(Some(revocation))
    }

    fn maps(&self) -> Result<MutexGuard<'_, Maps>, StoreError> {
        self.0
            .lock()
            .map_err(|_| StoreError::new("a thread died with the maps in its hands"))
    }
}

impl Maps {
    fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.get(&id.parse().ok()?)
    }

    fn record(&self, session: &Session) -> Option<SessionRecord> {
        let account = self.account(&session.user_id)?;
        Some(SessionRecord {
            subject: account.subject(),
            session: session.clone(),
        })
    }

    fn records(&self) -> Vec<SessionRecord> {
        let sessions = self.sessions.values();
        sessions
            .filter_map(|session| self.record(session))
            .collect()
    }

    fn alive(&mut self, id: &str, now: Timestamp) -> Option<&mut Session> {
        let session = self.sessions.get_mut(id)?;
        (session.revoked.is_none() && now < session.expires_at).then_some(session)
    }

    fn check(&self, context: &RequestContext) -> Result<(), Denied> {
        let user = |id: &str| self.account(id).map(Account::subject);
        context.check(user, |sid| self.sessions.get(sid).cloned())
    }

    fn end(&mut self, id: &str, reason: EndReason, now: Timestamp) -> bool {
        let Some(session) = self.sessions.get_mut(id) else {
            return false;
        };
        if session.revoked.is_some() {
            return false;
        }
        session.revoked = Some(SessionEnd { at: now, reason });
        self.ended.push(Revocation {
            subject: Revoked::Session(id.to_owned()),
            at: now,
        });
        true
    }
}

#[async_trait]
impl SessionStore for Store {
    type Error = StoreError;

    async fn create(&self, session: &Session) -> Result<bool, StoreError> {
        let mut maps = self.maps()?;
        let account = maps.account(&session.user_id);
        let same = account.is_some_and(|it| it.version == session.epoch && !it.banned);
        if same {
            maps.sessions.insert(session.id.clone(), session.clone());
        }
        Ok(same)
    }

    async fn load(&self, id: &str) -> Result<Option<SessionRecord>, StoreError> {
        let maps = self.maps()?;
        let session = maps.sessions.get(id);
        Ok(session.and_then(|session| maps.record(session)))
    }

    async fn subject(&self, user_id: &str) -> Result<Option<Subject>, StoreError> {
        Ok(self.numbered(user_id)?.map(|account| account.subject()))
    }

    async fn rotate(&self, step: &Step) -> Result<bool, StoreError> {
        let mut maps = self.maps()?;
        match maps.alive(&step.id, step.context.at) {
            Some(session) if session.rotation == step.expected => {
                session.rotation = step.next;
                session.last_used_at = step.context.at;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn revoke(
        &self,
        id: &str,
        reason: EndReason,
        context: &RequestContext,
    ) -> Authorized<bool> {
        let mut maps = self.maps()?;
        Ok(maps
            .check(context)
            .map(|()| maps.end(id, reason, context.at)))
    }

    async fn list(&self, query: &SessionQuery) -> Result<SessionPage, StoreError> {
        Ok(query.page(self.maps()?.records()))
    }

    async fn revoke_many(&self, many: &ManySessions) -> Authorized<usize> {
        let mut maps = self.maps()?;
        if let Err(denied) = maps.check(&many.context) {
            return Ok(Err(denied));
        }
        let ids = many.ids(maps.records());
        let ended = ids
            .iter()
            .filter(|id| maps.end(id, many.reason, many.context.at));
        Ok(Ok(ended.count()))
    }

    async fn revocations_since(&self, at: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        let maps = self.maps()?;
        Ok(maps
            .ended
            .iter()
            .filter(|ended| ended.at >= at)
            .cloned()
            .collect())
    }
}
