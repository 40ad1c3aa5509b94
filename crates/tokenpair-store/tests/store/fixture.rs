//! Creates a store of each kind with a user in it, for the tests of the contract.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokenpair::clock::Timestamp;
use tokenpair::session::{
    Delivery, MemoryStore, RequestContext, Rotation, Session, SessionSecret, SessionStore,
    StoreError, Subject,
};
use tokenpair_store::password::PasswordHash;
use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};

use crate::database::{Backend, Database};

pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// A store with a user in it.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn SessionStore<Error = StoreError>>,
    pub(crate) subject: Subject,
    _database: Option<Database>,
}

pub(crate) async fn in_memory() -> Fixture {
    let store = MemoryStore::default();
    let subject = Subject::new("u", "Ada")
        .with_role("admin")
        .with_role("author");
    store.put_subject(subject.clone());
    Fixture {
        store: Arc::new(store),
        subject,
        _database: None,
    }
}

pub(crate) async fn in_database(backend: Backend) -> Fixture {
    let database = Database::create(backend);
    let url = DatabaseUrl::parse(&database.url()).unwrap();
    let store = DieselStore::open(
        &url,
        StorePolicy {
            pool: 4,
            ..StorePolicy::default()
        },
    )
    .unwrap();
    store.migrate().unwrap();
    let new = NewUser {
        username: Username::parse("Ada").unwrap(),
        password_hash: PasswordHash::from_text("$2b$".to_owned()),
        roles: vec!["admin".to_owned(), "author".to_owned()],
    };
    let subject = store
        .create_user(new, &RequestContext::at(NOW))
        .await
        .unwrap();
    Fixture {
        store: Arc::new(store),
        subject,
        _database: Some(database),
    }
}

impl Fixture {
    pub(crate) fn new_session(&self, id: &str) -> Session {
        Session {
            id: id.to_owned(),
            user_id: self.subject.id.clone(),
            epoch: 0,
            rotation: Rotation::first(NOW),
            seed: SessionSecret::random(),
            remember: true,
            delivery: Delivery::Cookies,
            created_at: NOW,
            last_used_at: NOW,
            expires_at: NOW + Duration::from_secs(1000),
            user_agent: Some("curl/8 ü".to_owned()),
            ip: Some(Ipv4Addr::LOCALHOST.into()),
            revoked: None,
        }
    }

    pub(crate) async fn session(&self, id: &str) -> Session {
        let session = self.new_session(id);
        assert!(self.store.create(&session).await.unwrap());
        session
    }

    pub(crate) async fn load(&self, id: &str) -> Session {
        self.store
            .load(id)
            .await
            .unwrap()
            .expect("the session")
            .session
    }
}
