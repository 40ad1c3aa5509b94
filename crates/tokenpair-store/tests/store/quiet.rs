//! Tests the common refresh on PostgreSQL, which one statement reads, decides and writes: for
//! thousands of rows it does what the rule does with a read and a write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokenpair::session::{
    Advanced, QuietRotation, RequestContext, RotationCase, RotationDecision, RotationRule, Session,
    SessionPolicy, SessionRecord, SessionStore, decide,
};
use tokenpair_store::password::PasswordHash;
use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};

use crate::database::{Backend, Database};
use crate::fixture::NOW;
use crate::wait;

/// The generation of the presented tokens.
const PRESENTED: i64 = 5;

/// The epoch of every user.
const EPOCH: i64 = 1;

/// Values of columns, which the statements combine. `now` is the current time, `window` and `idle`
/// are the policy's.
const COLUMNS: [(&str, &str); 9] = [
    ("user_id", "(SELECT array_agg(id) FROM users)"),
    ("epoch", "ARRAY[0, 1, 2]"),
    ("generation", "ARRAY[4, 5, 6]"),
    ("previous_generation", "ARRAY[NULL, 4]"),
    ("rotated_at", "ARRAY[now - window, now - window + 1]"),
    (
        "handed_at",
        "ARRAY[NULL, now - window, now - window + 1, now + 9]",
    ),
    ("last_used_at", "ARRAY[now - idle, now - idle + 1]"),
    ("expires_at", "ARRAY[now, now + 1]"),
    ("revoked_at", "ARRAY[NULL, now - 9]"),
];

struct Fixture {
    store: DieselStore,
    database: Database,
    policy: SessionPolicy,
}

impl Fixture {
    /// An enabled user and a disabled one.
    async fn new() -> Self {
        let database = Database::create(Backend::Postgres);
        let url = DatabaseUrl::parse(&database.url()).unwrap();
        let policy = StorePolicy {
            pool: 4,
            wait: Duration::from_secs(60),
            ..StorePolicy::default()
        };
        let store = DieselStore::open(&url, policy).unwrap();
        store.migrate().unwrap();
        for name in ["ada", "grace"] {
            let new = NewUser {
                username: Username::parse(name).unwrap(),
                password_hash: PasswordHash::from_text("$2b$".to_owned()),
                roles: vec!["author".to_owned()],
            };
            let context = RequestContext::at(NOW);
            store.create_user(new, &context).await.unwrap();
        }
        database.execute(&format!("UPDATE users SET epoch = {EPOCH}"));
        database.execute("UPDATE users SET disabled_at = 1 WHERE username = 'grace'");
        let policy = SessionPolicy::default();
        Self {
            store,
            database,
            policy,
        }
    }

    /// Inserts a session for each combination of values, in one statement. Returns them as they are
    /// stored, by their numbers.
    async fn fill(&self, prefix: &str) -> BTreeMap<usize, SessionRecord> {
        let names = COLUMNS.map(|(name, _)| name).join(", ");
        let values = COLUMNS.map(|(name, values)| format!("unnest({values}) AS _{name}({name})"));
        let values = values.join(", ");
        let seconds = |length: Duration| length.as_secs().to_string();
        let values = values
            .replace("now", &NOW.unix().to_string())
            .replace("window", &seconds(self.policy.rotation_window))
            .replace("idle", &seconds(self.policy.idle));
        self.database.execute(&format!(
            "INSERT INTO sessions \
             (id, {names}, previous_barred, confirmed_at, seed, remember, created_at) \
             SELECT '{prefix}' || n, {names}, n % 2 = 0, nullif(n % 3, 0), 'seed', TRUE, 1 \
             FROM (SELECT row_number() OVER () AS n, * FROM {values}) AS numbered"
        ));
        self.stored(prefix).await
    }

    /// Returns all sessions with this prefix as they are stored, by their numbers.
    async fn stored(&self, prefix: &str) -> BTreeMap<usize, SessionRecord> {
        let mut found = BTreeMap::new();
        for user in self.store.users().await.unwrap() {
            let sessions = self.store.sessions_of(&user.subject.id, i64::MAX).await;
            for session in sessions.unwrap() {
                let Some(number) = session.id.strip_prefix(prefix) else {
                    continue;
                };
                let subject = user.subject.clone();
                found.insert(number.parse().unwrap(), SessionRecord { session, subject });
            }
        }
        found
    }

    /// Returns the rule for a user who presents a token, and how often it was asked.
    fn rule(&self, user_id: &str) -> (RotationRule, Arc<AtomicUsize>) {
        let (policy, user_id) = (self.policy.clone(), user_id.to_owned());
        let asked = Arc::<AtomicUsize>::default();
        let asks = Arc::clone(&asked);
        let rule = RotationRule::new(RequestContext::at(NOW), move |record| {
            asks.fetch_add(1, Ordering::SeqCst);
            if record.subject.id == user_id {
                decide(&record.row(), PRESENTED, NOW, &policy)
            } else {
                RotationDecision::Superseded
            }
        });
        (rule, asked)
    }

    /// Returns the same rule with its common case.
    fn quick_rule(&self, user_id: &str) -> (RotationRule, Arc<AtomicUsize>) {
        let quiet = QuietRotation::new(user_id, PRESENTED, NOW, &self.policy);
        assert!(quiet.is_some());
        let (rule, asked) = self.rule(user_id);
        (rule.with_quiet(quiet), asked)
    }

    async fn advance(&self, id: &str, rule: RotationRule) -> Advanced {
        let advanced = self.store.advance(id, rule).await.unwrap();
        advanced.expect("the session")
    }

    /// Inserts a session that rotates when its token is presented. Returns its user's id.
    async fn quiet_session(&self, id: &str) -> String {
        let of_ada = "FROM users WHERE username = 'ada'";
        self.database.execute(&format!(
            "INSERT INTO sessions (id, user_id, epoch, generation, previous_barred, rotated_at, \
             seed, remember, created_at, last_used_at, expires_at) \
             SELECT '{id}', id, epoch, {PRESENTED}, FALSE, 1, 'seed', TRUE, 1, {now}, {now} + 1 {of_ada}",
            now = NOW.unix(),
        ));
        self.store.load(id).await.unwrap().unwrap().subject.id
    }
}

const fn rotates(decision: RotationDecision) -> bool {
    matches!(
        decision,
        RotationDecision::Grant {
            case: RotationCase::Rotate,
            ..
        }
    )
}

#[actix_web::test]
async fn the_statement_rotates_exactly_the_rows_that_the_rule_would_rotate_and_in_the_same_way() {
    let on = Fixture::new().await;
    let before = on.fill("quick").await;
    on.fill("slow").await;
    assert!(before.len() > 2_000, "{} rows", before.len());
    let refresh = async |(number, was): (&usize, &SessionRecord)| {
        let (rule, asked) = on.quick_rule(&was.subject.id);
        let quick = on.advance(&format!("quick{number}"), rule).await;
        let (rule, _) = on.rule(&was.subject.id);
        let slow = on.advance(&format!("slow{number}"), rule).await;
        assert_eq!(quick.decision(), slow.decision(), "{was:?}");
        assert_eq!(quick.is_done(), slow.is_done(), "{was:?}");
        // A session newer than its user as it was read is read again.
        let common = rotates(slow.decision()) && was.session.epoch == was.subject.epoch;
        let asked = asked.load(Ordering::SeqCst);
        assert_eq!(asked, usize::from(!common), "{was:?}");
        (*number, common.then(|| quick.record().clone()))
    };
    let rows = Vec::from_iter(&before);
    let mut rotated = BTreeMap::new();
    for some in rows.chunks(64) {
        rotated.extend(join_all(some.iter().copied().map(refresh)).await);
    }
    let mut slow = on.stored("slow").await;
    let mut common = 0;
    for (number, quick) in on.stored("quick").await {
        let mut slow = slow.remove(&number).unwrap();
        slow.session.id.clone_from(&quick.session.id);
        assert_eq!(quick, slow);
        if let Some(returned) = rotated.remove(&number).flatten() {
            assert_eq!(returned, quick);
            common += 1;
        }
    }
    // Of the enabled user, of one epoch and generation, not expired, idle or revoked; and quiet by
    // `handed_at`, or without it by `rotated_at` or for want of a previous generation.
    assert_eq!(common, 2 * 2 + 2 + 1);
}

#[actix_web::test]
async fn a_token_of_another_user_rotates_nothing() {
    let on = Fixture::new().await;
    on.quiet_session("s").await;
    let (rule, asked) = on.quick_rule("nobody");
    let refused = on.advance("s", rule).await;
    assert_eq!(refused.decision(), RotationDecision::Superseded);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[actix_web::test]
async fn a_rotation_leaves_its_row_on_a_full_page_so_that_no_index_changes() {
    let on = Fixture::new().await;
    let mut user_id = String::new();
    for n in 0..200 {
        user_id = on.quiet_session(&format!("s{n}")).await;
    }
    let page = |id: &str| {
        let page = "SELECT (ctid::text::point)[0]::bigint AS n FROM sessions WHERE id";
        on.database.numbers(&format!("{page} = '{id}'"))
    };
    assert_ne!(page("s199"), [0]);
    let (rule, _) = on.quick_rule(&user_id);
    assert!(rotates(on.advance("s0", rule).await.decision()));
    assert_eq!(page("s0"), [0]);
}

#[actix_web::test]
async fn of_many_refreshes_at_once_one_rotates_and_the_others_get_what_it_began() {
    let on = Fixture::new().await;
    for round in 0..10 {
        let id = format!("s{round}");
        let user_id = on.quiet_session(&id).await;
        let refresh = async |_| loop {
            let advanced = on.advance(&id, on.quick_rule(&user_id).0).await;
            if advanced.is_done() {
                return advanced.decision();
            }
        };
        let decisions = join_all((0..16).map(refresh)).await;
        let rotated = decisions.iter().filter(|decision| rotates(**decision));
        assert_eq!(rotated.count(), 1, "{decisions:?}");
        let replayed = RotationDecision::Grant {
            case: RotationCase::ReplayPrevious,
            next: None,
        };
        let same = decisions.iter().filter(|decision| **decision == replayed);
        assert_eq!(same.count(), 15, "{decisions:?}");
        let Session { rotation, .. } = on.store.load(&id).await.unwrap().unwrap().session;
        assert_eq!(rotation.generation, PRESENTED + 1);
    }
}

#[actix_web::test]
async fn a_refresh_that_waited_for_a_change_of_its_user_describes_the_user_after_it() {
    let on = Fixture::new().await;
    let user_id = on.quiet_session("s").await;
    let mut other = on.database.begin();
    let change = "UPDATE users SET epoch = 2, roles = 'editor' WHERE username = 'ada'; \
                  UPDATE sessions SET epoch = 2 WHERE id = 's'";
    other.batch_execute(change).unwrap();
    let waiting = "SELECT count(*) AS n FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let release = async {
        wait::within(60, "the refresh waits for the change", || {
            on.database.numbers(waiting) == [1]
        });
        other.batch_execute("COMMIT").unwrap();
    };
    let (rule, asked) = on.quick_rule(&user_id);
    let (advanced, ()) = join(on.advance("s", rule), release).await;
    assert!(
        advanced.is_done() && rotates(advanced.decision()),
        "{advanced:?}"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let subject = &advanced.record().subject;
    assert_eq!(
        (subject.epoch, subject.roles.as_slice()),
        (2, ["editor".to_owned()].as_slice())
    );
}
