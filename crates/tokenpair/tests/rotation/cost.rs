//! Promise 5: the cost of a refresh, counted at the store of the real service.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokenpair::clock::Timestamp;
use tokenpair::keys::{Algorithm, KeyRing};
use tokenpair::session::{
    Authorized, EndReason, Login, ManySessions, MemoryStore, Pair, Presented, Refreshed, Reissue,
    RequestContext, Revocation, Session, SessionEnd, SessionError, SessionPage, SessionPolicy,
    SessionQuery, SessionRecord, SessionStore, Sessions, Step, StoreError, Subject,
};
use tokenpair::token::{Claims, Expiry, TokenPolicy, Tokens};

use crate::time;

const START: i64 = 1_800_000_000;

/// The number of calls of each method of the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cost {
    reads: usize,
    writes: usize,
    revocations: usize,
}

/// A store that counts, and lets another request write first before this many writes.
#[derive(Clone, Default)]
struct Counting {
    store: MemoryStore,
    reads: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
    revocations: Arc<AtomicUsize>,
    overtakers: Arc<AtomicUsize>,
}

impl Counting {
    /// Returns the calls since the last look.
    fn cost(&self) -> Cost {
        let taken = |counter: &AtomicUsize| counter.swap(0, Ordering::SeqCst);
        Cost {
            reads: taken(&self.reads),
            writes: taken(&self.writes),
            revocations: taken(&self.revocations),
        }
    }

    async fn overtake(&self, step: &Step) -> Result<(), StoreError> {
        let left = self.overtakers.load(Ordering::SeqCst);
        if left == 0 {
            return Ok(());
        }
        self.overtakers.store(left - 1, Ordering::SeqCst);
        let mut other = step.clone();
        // The other request was earlier, and so its write leaves this one something to write.
        other.next.handed_at = step.expected.handed_at;
        other.next.generation = step.expected.generation;
        other.next.previous = step.expected.previous;
        other.next.confirmed_at = Some(time(START + i64::try_from(left).unwrap()));
        self.store.rotate(&other).await.map(|_| ())
    }
}

#[async_trait]
impl SessionStore for Counting {
    type Error = StoreError;

    async fn create(&self, session: &Session) -> Result<bool, StoreError> {
        self.store.create(session).await
    }

    async fn load(&self, id: &str) -> Result<Option<SessionRecord>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.store.load(id).await
    }

    async fn subject(&self, user_id: &str) -> Result<Option<Subject>, StoreError> {
        self.store.subject(user_id).await
    }

    async fn rotate(&self, step: &Step) -> Result<bool, StoreError> {
        self.overtake(step).await?;
        let written = self.store.rotate(step).await?;
        self.writes
            .fetch_add(usize::from(written), Ordering::SeqCst);
        Ok(written)
    }

    async fn revoke(
        &self,
        id: &str,
        reason: EndReason,
        context: &RequestContext,
    ) -> Authorized<bool> {
        self.revocations.fetch_add(1, Ordering::SeqCst);
        self.store.revoke(id, reason, context).await
    }

    async fn list(&self, query: &SessionQuery) -> Result<SessionPage, StoreError> {
        self.store.list(query).await
    }

    async fn revoke_many(&self, many: &ManySessions) -> Authorized<usize> {
        self.store.revoke_many(many).await
    }

    async fn revocations_since(&self, at: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        self.store.revocations_since(at).await
    }
}

struct Fixture {
    store: Counting,
    sessions: Sessions,
    /// The first refresh token.
    first: Claims,
    /// The first access token.
    access: Claims,
}

impl Fixture {
    async fn new() -> Self {
        let subject = Subject::new("7", "ada");
        let store = Counting::default();
        store.store.put_subject(subject.clone());
        let keys =
            KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows").unwrap();
        let tokens = Tokens::new(keys, TokenPolicy::default());
        let sessions = Sessions::new(store.clone(), tokens, SessionPolicy::default());
        let pair = sessions.login(&subject, Login::default(), time(START));
        let pair = pair.await.unwrap();
        let access = pair.access.token.as_str();
        let access = sessions
            .tokens()
            .verify(access, time(START), Expiry::Ignored);
        let (first, access) = (claims(&sessions, &pair), access.unwrap());
        store.cost();
        Self {
            store,
            sessions,
            first,
            access,
        }
    }

    /// Presents it this many seconds after the login.
    async fn refresh(&self, token: &Claims, after: i64) -> Result<Refreshed, SessionError> {
        let context = RequestContext::at(time(START + after));
        self.sessions.refresh(token, &context).await
    }

    /// Shows it beside the access token.
    async fn reissue(&self, refresh: &Claims, after: i64) -> Result<Reissue, SessionError> {
        let context = RequestContext::at(time(START + after));
        let presented = Presented {
            access: &self.access,
            refresh,
            arrived: Some(context.at),
        };
        self.sessions.reissue(presented, &context).await
    }

    /// Returns the refresh token that it buys, and the cost.
    async fn bought(&self, token: &Claims, after: i64) -> (Claims, Cost) {
        let Refreshed::Granted(pair) = self.refresh(token, after).await.unwrap() else {
            panic!("nothing was granted")
        };
        (claims(&self.sessions, &pair), self.store.cost())
    }
}

fn claims(sessions: &Sessions, pair: &Pair) -> Claims {
    let tokens = sessions.tokens();
    let token = pair.refresh.token.as_str();
    tokens.verify(token, time(START), Expiry::Ignored).unwrap()
}

const fn cost(reads: usize, writes: usize, revocations: usize) -> Cost {
    Cost {
        reads,
        writes,
        revocations,
    }
}

#[actix_web::test]
async fn a_refresh_costs_one_read_and_at_most_one_write_and_no_table_grows() {
    let on = Fixture::new().await;
    let (second, rotate) = on.bought(&on.first, 1).await;
    assert_eq!(rotate, cost(1, 1, 0));
    assert_eq!(on.bought(&on.first, 2).await.1, cost(1, 0, 0), "same");
    assert_eq!(on.bought(&on.first, 9).await.1, cost(1, 1, 0), "same, late");
    assert_eq!(on.bought(&second, 10).await.1, cost(1, 1, 0), "presented");
    assert_eq!(on.bought(&second, 11).await.1, cost(1, 0, 0), "again");
    let mut token = second;
    for cycle in 1..=50 {
        let (next, rotate) = on.bought(&token, 1_000 * cycle).await;
        assert_eq!(rotate, cost(1, 1, 0));
        token = next;
    }
    let live = on.sessions.page("7", 0, 0, time(START + 50_000)).await;
    assert_eq!(live.unwrap().total, 1);
    let recorded = on.store.revocations_since(time(0)).await.unwrap();
    assert!(recorded.is_empty(), "{recorded:?}");
}

#[actix_web::test]
async fn a_reissue_costs_one_read_and_one_write_and_one_that_is_refused_writes_nothing() {
    let on = Fixture::new().await;
    for (after, overtakers, expected) in [(1, 0, cost(1, 1, 0)), (2, 4, cost(5, 1, 0))] {
        on.store.overtakers.store(overtakers, Ordering::SeqCst);
        let reissued = on.reissue(&on.first, after).await.unwrap();
        assert!(matches!(reissued, Reissue::Granted(_)), "{reissued:?}");
        assert_eq!(on.store.cost(), expected);
    }
    let used = on
        .sessions
        .list("7", time(START + 2))
        .await
        .unwrap()
        .remove(0);
    assert_eq!(used.last_used_at, time(START + 2));
    let (second, _) = on.bought(&on.first, 3).await;
    on.bought(&second, 1_000).await;
    let slow = RequestContext::at(time(START + 1_001));
    let presented = Presented {
        access: &on.access,
        refresh: &on.first,
        arrived: Some(time(START + 999)),
    };
    let refused = on.sessions.reissue(presented, &slow).await.unwrap();
    assert!(matches!(refused, Reissue::Refused), "{refused:?}");
    assert_eq!(on.store.cost(), cost(1, 0, 0));
    on.store.overtakers.store(99, Ordering::SeqCst);
    let reused = on.reissue(&on.first, 1_002).await.unwrap();
    assert!(matches!(reused, Reissue::Reused), "{reused:?}");
    assert_eq!(on.store.cost(), cost(1, 0, 1));
}

#[actix_web::test]
async fn a_reissue_that_is_always_overtaken_gives_up_and_ends_nothing() {
    let on = Fixture::new().await;
    on.store.overtakers.store(99, Ordering::SeqCst);
    let answer = on.reissue(&on.first, 1).await;
    assert!(matches!(answer, Err(SessionError::Busy)), "{answer:?}");
    on.store.overtakers.store(0, Ordering::SeqCst);
    on.bought(&on.first, 2).await;
}

#[actix_web::test]
async fn who_is_told_of_a_copy_finds_the_session_revoked() {
    let on = Fixture::new().await;
    let (second, _) = on.bought(&on.first, 1).await;
    on.bought(&second, 1_000).await;
    let answer = on.refresh(&on.first, 1_001).await.unwrap();
    assert!(matches!(answer, Refreshed::Reused), "{answer:?}");
    assert_eq!(on.store.cost(), cost(1, 0, 1));
    let sid = on.first.sid.as_deref().unwrap();
    let record = on.store.store.load(sid).await.unwrap().unwrap();
    assert_eq!(
        record.session.revoked,
        Some(SessionEnd {
            at: time(START + 1_001),
            reason: EndReason::Reuse
        })
    );
}

#[actix_web::test]
async fn a_request_that_is_overtaken_decides_again_and_writes_once_or_not_at_all() {
    for (overtakers, expected) in [(1, cost(2, 1, 0)), (4, cost(5, 1, 0))] {
        let on = Fixture::new().await;
        on.store.overtakers.store(overtakers, Ordering::SeqCst);
        assert_eq!(on.bought(&on.first, 1).await.1, expected);
    }
    let on = Fixture::new().await;
    on.store.overtakers.store(99, Ordering::SeqCst);
    let answer = on.refresh(&on.first, 1).await;
    assert!(matches!(answer, Err(SessionError::Busy)), "{answer:?}");
    let Cost {
        writes,
        revocations,
        ..
    } = on.store.cost();
    assert_eq!((writes, revocations), (0, 0));
    on.store.overtakers.store(0, Ordering::SeqCst);
    on.bought(&on.first, 2).await;
}
