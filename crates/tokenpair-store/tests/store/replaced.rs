//! Tests logins that end other users' sessions while those users' own requests write them.

use std::time::Duration;

use futures_util::future::join;
use tokenpair::clock::Timestamp;
use tokenpair::session::{
    Delivery, EndReason, ManySessions, RequestContext, Rotation, Session, SessionSecret,
    SessionStore, Subject,
};
use tokenpair_store::password::PasswordHash;
use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};

use crate::database::{Backend, Database};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn session(of: &Subject, id: &str) -> Session {
    Session {
        id: id.to_owned(),
        user_id: of.id.clone(),
        epoch: 0,
        rotation: Rotation::first(NOW),
        seed: SessionSecret::random(),
        remember: false,
        delivery: Delivery::Cookies,
        created_at: NOW,
        last_used_at: NOW,
        expires_at: NOW + Duration::from_secs(1000),
        user_agent: None,
        ip: None,
        revoked: None,
    }
}

async fn user(store: &DieselStore, name: &str) -> Subject {
    let new = NewUser {
        username: Username::parse(name).unwrap(),
        password_hash: PasswordHash::from_text("$2b$".to_owned()),
        roles: Vec::new(),
    };
    let created = store.create_user(new, &RequestContext::at(NOW)).await;
    created.unwrap()
}

/// Of two transactions that lock the same rows in different orders, PostgreSQL ends one.
#[actix_web::test]
async fn a_login_and_the_end_of_all_sessions_that_it_replaces_wait_for_each_other() {
    let database = Database::create(Backend::Postgres);
    let url = DatabaseUrl::parse(&database.url()).unwrap();
    let policy = StorePolicy {
        pool: 4,
        ..StorePolicy::default()
    };
    let store = DieselStore::open(&url, policy).unwrap();
    store.migrate().unwrap();
    let (ada, grace) = (user(&store, "ada").await, user(&store, "grace").await);
    for round in 0..10 {
        let ids = Vec::from_iter((0..40).map(|number| format!("{round}-{number:02}")));
        for id in &ids {
            assert!(store.create(&session(&ada, id)).await.unwrap());
        }
        let many = ManySessions {
            user_id: ada.id.clone(),
            keep: None,
            newest: None,
            idle_since: NOW - Duration::from_secs(100),
            tokens_since: NOW - Duration::from_secs(200),
            reason: EndReason::Revoked,
            context: RequestContext::at(NOW),
        };
        let new = session(&grace, &format!("grace-{round}"));
        let (replaced, ended) = join(
            store.create_in_place_of(&new, &ids),
            store.revoke_many(&many),
        )
        .await;
        let replaced = replaced.unwrap().unwrap().len();
        assert_eq!(replaced + ended.unwrap().unwrap(), ids.len());
        assert!(replaced == 0 || replaced == ids.len(), "{replaced}");
    }
}
