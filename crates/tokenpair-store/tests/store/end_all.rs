//! Tests the end of all sessions, and that it survives a database that loses it.

use std::time::Duration;

use tokenpair::clock::Timestamp;
use tokenpair::keys::{Algorithm, KeyRing};
use tokenpair::session::{
    EndReason, Login, Refreshed, RequestContext, Revocation, Revoked, SessionPolicy, SessionStore,
    Sessions, Subject,
};
use tokenpair::token::{Claims, Expiry, TokenPolicy, Tokens};
use tokenpair_store::password::PasswordHash;
use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};

use crate::database::{Backend, Database};
use crate::fixture::NOW;

const HOUR: Duration = Duration::from_secs(3600);

struct Fixture {
    database: Database,
    store: DieselStore,
    sessions: Sessions,
}

impl Fixture {
    fn on(backend: Backend) -> Self {
        let database = Database::create(backend);
        let url = DatabaseUrl::parse(&database.url()).unwrap();
        let store = DieselStore::open(&url, StorePolicy::default()).unwrap();
        store.migrate().unwrap();
        let sessions = sessions(&store);
        Self {
            database,
            store,
            sessions,
        }
    }

    async fn user(&self, name: &str) -> Subject {
        let new = NewUser {
            username: Username::parse(name).unwrap(),
            password_hash: PasswordHash::from_text("$2b$".to_owned()),
            roles: vec![],
        };
        let context = RequestContext::at(NOW);
        self.store.create_user(new, &context).await.unwrap()
    }

    /// Returns the access and the refresh token.
    async fn log_in(&self, name: &str, now: Timestamp) -> [Claims; 2] {
        let username = Username::parse(name).unwrap();
        let user = self.store.user_by_name(&username).await.unwrap().unwrap();
        let pair = self
            .sessions
            .login(&user.subject, Login::default(), now)
            .await
            .unwrap();
        [pair.access, pair.refresh].map(|issued| {
            let tokens = self.sessions.tokens();
            tokens
                .verify(issued.token.as_str(), now, Expiry::Enforced)
                .unwrap()
        })
    }

    async fn refreshes(&self, token: &Claims, now: Timestamp) -> bool {
        let context = RequestContext::at(now);
        let refreshed = self.sessions.refresh(token, &context).await.unwrap();
        matches!(refreshed, Refreshed::Granted(_))
    }
}

/// Returns a server on this store.
fn sessions(store: &DieselStore) -> Sessions {
    let secret = b"32 bytes that only the server knows";
    let keys = KeyRing::from_secret(Algorithm::Hs256, secret).unwrap();
    let tokens = Tokens::new(keys, TokenPolicy::default());
    Sessions::new(store.clone(), tokens, SessionPolicy::default())
}

async fn tokens_of_unknown_users_end_too(on: Fixture) {
    on.user("Ada").await;
    let deleted = on.user("Grace").await;
    let (ada, graces) = (on.log_in("Ada", NOW).await, on.log_in("Grace", NOW).await);
    // As if the database were restored from before the user.
    on.database.execute(&format!(
        "DELETE FROM sessions WHERE user_id = '{}'",
        deleted.id
    ));
    on.database
        .execute("DELETE FROM users WHERE username = 'Grace'");
    let later = NOW + HOUR / 2;
    let ended = on
        .store
        .end_all_sessions(EndReason::Restored, &RequestContext::at(later));
    assert_eq!(ended.unwrap(), 1);
    on.sessions.sync_revocations(later).await.unwrap();
    let next = later + Duration::from_secs(1);
    for tokens in [&ada, &graces] {
        assert!(on.sessions.revocations().is_revoked(&tokens[0]));
        assert!(!on.refreshes(&tokens[1], next).await);
    }
    let again = on.log_in("Ada", next).await;
    assert!(!on.sessions.revocations().is_revoked(&again[0]));
    assert!(on.refreshes(&again[1], next).await);
    let user = Username::parse("Ada").unwrap();
    let user = on.store.user_by_name(&user).await.unwrap().unwrap();
    assert_eq!(user.subject.epoch, later.unix());

    // Again in the same second, the epoch still rises.
    let context = RequestContext::at(later);
    on.store
        .end_all_sessions(EndReason::Admin, &context)
        .unwrap();
    let user = on
        .store
        .user_by_id(&user.subject.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(user.subject.epoch, later.unix() + 1);

    // A server that starts afterwards knows it, until the last token has expired.
    let other = sessions(&on.store);
    other.sync_revocations(next).await.unwrap();
    assert!(other.revocations().is_revoked(&graces[0]));
    other.sync_revocations(later + 2 * HOUR).await.unwrap();
    assert!(!other.revocations().is_revoked(&graces[0]));
}

async fn a_lost_end_of_all_sessions_is_recorded_again(on: Fixture) {
    on.user("Ada").await;
    let ada = on.log_in("Ada", NOW).await;
    let later = NOW + Duration::from_secs(10);
    let context = RequestContext::at(later);
    on.store
        .end_all_sessions(EndReason::Admin, &context)
        .unwrap();
    on.sessions.sync_revocations(later).await.unwrap();
    // The standby that takes over lacks it.
    on.database.execute("DELETE FROM revocations");
    on.database
        .execute("UPDATE sessions SET revoked_at = NULL, revoke_reason = NULL");
    on.database.execute("UPDATE users SET epoch = 0");
    let next = later + Duration::from_secs(1);
    let new = on.log_in("Ada", next).await;
    let restored = on.sessions.sync_revocations(next).await.unwrap();
    let all = Revocation {
        subject: Revoked::All,
        at: later,
    };
    assert_eq!(restored, std::slice::from_ref(&all));
    assert_eq!(on.sessions.sync_revocations(next).await.unwrap(), []);
    assert_eq!(on.store.revocations_since(later).await.unwrap(), [all]);
    assert!(!on.refreshes(&ada[1], next).await);
    assert!(on.sessions.revocations().is_revoked(&ada[0]));
    // An access token issued since is valid.
    assert!(!on.sessions.revocations().is_revoked(&new[0]));
}

#[actix_web::test]
async fn all_tokens_end_that_were_issued_before_the_commit_however_long_it_took() {
    let on = Fixture::on(Backend::Postgres);
    on.user("Ada").await;
    on.user("Grace").await;
    let mut other = on.database.begin();
    let hold = "SELECT 1 FROM users WHERE username = 'Grace' FOR UPDATE";
    other.batch_execute(hold).unwrap();
    let store = on.store.clone();
    let command = std::thread::spawn(move || {
        let context = RequestContext::at(NOW);
        store.end_all_sessions(EndReason::Admin, &context)
    });
    let waiting = "SELECT count(*) AS n FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    crate::wait::within(60, "the command waits for the user", || {
        on.database.numbers(waiting) == [1]
    });
    // As if at the last moment before the command had the locks.
    let second = NOW + Duration::from_secs(1);
    let late = format!(
        "INSERT INTO sessions (id, user_id, epoch, generation, previous_barred, rotated_at, seed, \
         remember, created_at, last_used_at, expires_at) \
         SELECT 'late', id, epoch, 1, FALSE, {now}, 'seed', TRUE, {now}, {now}, {now} + 99 \
         FROM users WHERE username = 'Grace'",
        now = second.unix(),
    );
    other.batch_execute(&late).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(command.join().unwrap().unwrap(), 1);
    // A server that has read all up to a minute before the commit would miss an earlier time.
    let recorded = on
        .store
        .revocations_since(second + Duration::from_secs(1))
        .await
        .unwrap();
    assert!(
        matches!(
            recorded.as_slice(),
            [Revocation {
                subject: Revoked::All,
                ..
            }]
        ),
        "{recorded:?}"
    );
}

#[actix_web::test]
async fn an_access_token_renewed_by_the_password_ends_with_its_session() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let on = Fixture::on(backend);
        let ada = on.user("Ada").await;
        on.log_in("Ada", NOW).await;
        let at = |seconds| NOW + Duration::from_secs(seconds);
        let session = on.sessions.list(&ada.id, NOW).await.unwrap().remove(0);
        let renewed = on.sessions.renew(&ada.id, &session.id, at(3500)).await;
        let access = renewed.unwrap().unwrap().access;
        let tokens = on.sessions.tokens();
        let access = tokens.verify(access.token.as_str(), at(3500), Expiry::Enforced);
        let access = access.unwrap();
        let context = RequestContext::at(at(3800));
        assert_eq!(on.sessions.end_all(&ada.id, &context).await.unwrap(), 1);
        assert!(on.sessions.revocations().is_revoked(&access));
    }
}

/// Runs each test on both databases.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[actix_web::test] async fn $test() {
                super::$test(super::Fixture::on(super::Backend::Sqlite)).await;
            })*
        }
        mod on_postgres {
            $(#[actix_web::test] async fn $test() {
                super::$test(super::Fixture::on(super::Backend::Postgres)).await;
            })*
        }
    };
}

on_both!(
    tokens_of_unknown_users_end_too,
    a_lost_end_of_all_sessions_is_recorded_again,
);
