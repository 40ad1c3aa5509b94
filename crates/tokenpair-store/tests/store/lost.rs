//! Tests a store that loses commits: a primary that fails over to a standby whose replication was
//! paused. The service revokes again the sessions that it knows to be revoked, by the default of
//! [`SessionStore::restore`].

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokenpair::clock::Timestamp;
use tokenpair::keys::{Algorithm, KeyRing};
use tokenpair::session::{
    Authorized, CountedRevocations, EndReason, Login, ManySessions, MemoryStore, Refreshed,
    RequestContext, Revocation, Revoked, Session, SessionPage, SessionPolicy, SessionQuery,
    SessionRecord, SessionStore, Sessions, Step, StoreError, Subject, async_trait,
};
use tokenpair::token::{Claims, Expiry, TokenPolicy, Tokens};

const START: Timestamp = Timestamp::from_unix(1_800_000_000);

const PRIMARY: u8 = 0;
const AWAY: u8 = 1;
const STANDBY: u8 = 2;

/// Only new sessions reach the standby.
#[derive(Clone, Default)]
struct Replicated {
    primary: MemoryStore,
    standby: MemoryStore,
    answers: Arc<AtomicU8>,
    /// Whether the store counts its revocations.
    counts: bool,
    /// The seconds that were read.
    read: Arc<Mutex<Vec<RangeInclusive<Timestamp>>>>,
}

impl Replicated {
    fn switch_to(&self, answers: u8) {
        self.answers.store(answers, Ordering::SeqCst);
    }

    fn store(&self) -> Result<&MemoryStore, StoreError> {
        match self.answers.load(Ordering::SeqCst) {
            PRIMARY => Ok(&self.primary),
            AWAY => Err(StoreError::new(io::Error::other("no primary"))),
            _ => Ok(&self.standby),
        }
    }
}

#[async_trait]
impl SessionStore for Replicated {
    type Error = StoreError;

    async fn create(&self, session: &Session) -> Result<bool, StoreError> {
        self.standby.create(session).await?;
        self.store()?.create(session).await
    }

    async fn load(&self, id: &str) -> Result<Option<SessionRecord>, StoreError> {
        self.store()?.load(id).await
    }

    async fn subject(&self, user_id: &str) -> Result<Option<Subject>, StoreError> {
        self.store()?.subject(user_id).await
    }

    async fn rotate(&self, step: &Step) -> Result<bool, StoreError> {
        self.store()?.rotate(step).await
    }

    async fn revoke(
        &self,
        id: &str,
        reason: EndReason,
        context: &RequestContext,
    ) -> Authorized<bool> {
        self.store()?.revoke(id, reason, context).await
    }

    async fn list(&self, query: &SessionQuery) -> Result<SessionPage, StoreError> {
        self.store()?.list(query).await
    }

    async fn revoke_many(&self, many: &ManySessions) -> Authorized<usize> {
        self.store()?.revoke_many(many).await
    }

    async fn revocations_since(&self, at: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        assert!(!self.counts, "the sync reads only what it does not know");
        self.store()?.revocations_since(at).await
    }

    fn counted_revocations(&self) -> Option<&dyn CountedRevocations> {
        self.counts.then_some(self)
    }
}

#[async_trait]
impl CountedRevocations for Replicated {
    async fn count_since(&self, at: Timestamp) -> Result<BTreeMap<Timestamp, usize>, StoreError> {
        self.store()?.count_since(at).await
    }

    async fn between(
        &self,
        seconds: RangeInclusive<Timestamp>,
    ) -> Result<Vec<Revocation>, StoreError> {
        self.read.lock().unwrap().push(seconds.clone());
        self.store()?.between(seconds).await
    }
}

struct Fixture {
    store: Replicated,
    sessions: Sessions,
    ada: Subject,
}

impl Fixture {
    /// Returns one over a store that counts its revocations, and one over a store that does not.
    fn both() -> [Self; 2] {
        [true, false].map(Self::new)
    }

    fn new(counts: bool) -> Self {
        let store = Replicated {
            counts,
            ..Replicated::default()
        };
        let ada = Subject::new("1", "ada");
        store.primary.put_subject(ada.clone());
        store.standby.put_subject(ada.clone());
        let sessions = sessions(store.clone());
        Self {
            store,
            sessions,
            ada,
        }
    }

    /// Returns the refresh token of a new session.
    async fn log_in(&self) -> Claims {
        let pair = self.sessions.login(&self.ada, Login::default(), START);
        let token = pair.await.unwrap().refresh.token;
        let tokens = self.sessions.tokens();
        tokens
            .verify(token.as_str(), START, Expiry::Enforced)
            .unwrap()
    }

    async fn log_out(&self, token: &Claims, now: Timestamp) {
        let sid = token.sid.as_deref().unwrap();
        let context = RequestContext::at(now);
        let ended = self.sessions.end(sid, EndReason::Logout, &context).await;
        ended.unwrap();
    }

    async fn sync(&self, now: Timestamp) -> Vec<Revocation> {
        self.sessions.sync_revocations(now).await.unwrap()
    }

    async fn refreshes(&self, token: &Claims, now: Timestamp) -> bool {
        let refreshed = self
            .sessions
            .refresh(token, &RequestContext::at(now))
            .await
            .unwrap();
        matches!(refreshed, Refreshed::Granted(_))
    }
}

fn sessions(store: Replicated) -> Sessions {
    let secret = b"32 bytes that only the server knows";
    let keys = KeyRing::from_secret(Algorithm::Hs256, secret).unwrap();
    let tokens = Tokens::new(keys, TokenPolicy::default());
    Sessions::new(store, tokens, SessionPolicy::default())
}

fn at(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

fn revocation(token: &Claims, at: Timestamp) -> Revocation {
    let subject = Revoked::Session(token.sid.clone().unwrap());
    Revocation { subject, at }
}

#[actix_web::test]
async fn a_logout_of_the_last_minute_is_recorded_again_though_no_outage_was_seen() {
    for on in Fixture::both() {
        let (ended, other) = (on.log_in().await, on.log_in().await);
        assert_eq!(on.sync(START).await, []);
        on.log_out(&ended, at(1)).await;
        assert_eq!(on.sync(at(60)).await, [], "nothing is lost");
        on.store.switch_to(STANDBY);
        assert!(on.refreshes(&ended, at(60)).await, "lost");

        assert_eq!(on.sync(at(61)).await, [revocation(&ended, at(61))]);
        assert_eq!(on.sync(at(62)).await, [], "once");
        assert!(!on.refreshes(&ended, at(63)).await);
        assert!(on.refreshes(&other, at(63)).await);

        // It is new to a server that has read everything up to now.
        let replica = sessions(on.store.clone());
        replica.sync_revocations(at(63)).await.unwrap();
        assert!(replica.revocations().is_revoked(&ended));
    }
}

#[actix_web::test]
async fn after_an_outage_everything_that_is_known_is_compared() {
    for on in Fixture::both() {
        let ended = on.log_in().await;
        on.sync(START).await;
        on.log_out(&ended, at(1)).await;
        on.sync(at(600)).await;
        on.store.switch_to(AWAY);
        assert!(on.sessions.sync_revocations(at(601)).await.is_err());
        on.store.switch_to(STANDBY);
        assert_eq!(on.sync(at(602)).await, [revocation(&ended, at(602))]);
        assert!(!on.refreshes(&ended, at(603)).await);
    }
}

#[actix_web::test]
async fn however_many_are_lost_all_are_recorded_again_a_few_at_each_sync() {
    for on in Fixture::both() {
        on.sync(START).await;
        let mut ended = Vec::new();
        for _ in 0..250 {
            ended.push(on.log_in().await);
        }
        for token in &ended {
            on.log_out(token, at(1)).await;
        }
        on.sync(at(600)).await;
        on.store.switch_to(AWAY);
        assert!(on.sessions.sync_revocations(at(601)).await.is_err());
        on.store.switch_to(STANDBY);
        let mut restored = Vec::new();
        for second in 602..606 {
            restored.push(on.sync(at(second)).await.len());
        }
        assert_eq!(restored, [100, 100, 50, 0]);
        for token in &ended {
            assert!(!on.refreshes(token, at(606)).await);
        }
    }
}

#[actix_web::test]
async fn a_session_that_had_ended_before_is_not_taken_for_lost() {
    for on in Fixture::both() {
        let ended = on.log_in().await;
        on.log_out(&ended, START).await;
        let elsewhere = sessions(on.store.clone());
        let again = Fixture {
            sessions: elsewhere,
            store: on.store,
            ada: on.ada,
        };
        // Its revocation is too old for this server to read.
        again.sync(at(5000)).await;
        again.log_out(&ended, at(5001)).await;
        assert!(
            again.sessions.revocations().is_revoked(&ended),
            "known here all the same"
        );
        // That would revoke it, if it counted as lost.
        again.store.switch_to(STANDBY);
        assert_eq!(again.sync(at(5002)).await, []);
    }
}

#[actix_web::test]
async fn only_seconds_with_revocations_that_are_not_known_are_read() {
    let on = Fixture::new(true);
    let replica = sessions(on.store.clone());
    let mut tokens = Vec::new();
    for second in [1, 2, 2, 5] {
        let token = on.log_in().await;
        on.log_out(&token, at(second)).await;
        tokens.push(token);
    }
    let read = || std::mem::take(&mut *on.store.read.lock().unwrap());
    on.sync(at(6)).await;
    assert_eq!(read(), [], "its own");
    replica.sync_revocations(at(6)).await.unwrap();
    assert_eq!(read(), [at(1)..=at(5)], "all at once");

    let late = on.log_in().await;
    on.log_out(&late, at(2)).await;
    replica.sync_revocations(at(6)).await.unwrap();
    assert_eq!(read(), [at(2)..=at(2)]);
    replica.sync_revocations(at(7)).await.unwrap();
    assert_eq!(read(), []);
    tokens.push(late);
    for token in &tokens {
        assert!(replica.revocations().is_revoked(token));
    }
}

#[actix_web::test]
async fn a_server_whose_clock_was_ahead_knows_all_revocations_once_it_is_set_right() {
    for on in Fixture::both() {
        let replica = sessions(on.store.clone());
        let sync = async |second| replica.sync_revocations(at(second)).await.unwrap();
        let (before, meanwhile) = (on.log_in().await, on.log_in().await);
        on.log_out(&before, at(1)).await;
        sync(2).await;
        // Two hours ahead, for two minutes.
        sync(7203).await;
        on.log_out(&meanwhile, at(3)).await;
        sync(7320).await;
        sync(121).await;
        sync(122).await;
        for token in [&before, &meanwhile] {
            assert!(replica.revocations().is_revoked(token));
        }
        // It forgets again as it did before.
        sync(3900).await;
        assert!(replica.revocations().is_empty());
    }
}
