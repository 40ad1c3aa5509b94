//! Tests the store's operations on users at moments that no request or command can choose.

use tokenpair::clock::Timestamp;
use tokenpair::session::RequestContext;
use tokenpair_store::password::PasswordHash;
use tokenpair_store::{
    Changed, DatabaseUrl, DieselStore, EventQuery, NewUser, StorePolicy, UserChange, UserError,
    Username,
};

use crate::database::{Backend, Database};

fn context() -> RequestContext {
    RequestContext::of_operator(Timestamp::from_unix(1_800_000_000))
}

fn user(name: &str) -> NewUser {
    NewUser {
        username: Username::parse(name).unwrap(),
        password_hash: hash("imported"),
        roles: Vec::new(),
    }
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash::from_text(text.to_owned())
}

fn store(database: &Database) -> DieselStore {
    let url = DatabaseUrl::parse(&database.url()).unwrap();
    let store = DieselStore::open(&url, StorePolicy::default()).unwrap();
    store.migrate().unwrap();
    store
}

/// The taken name is in the second statement, so the first has been executed by then.
async fn a_name_that_is_taken_after_all_keeps_everybody_out(backend: Backend) {
    let database = Database::create(backend);
    let store = store(&database);
    store
        .create_user(user("User-600"), &context())
        .await
        .unwrap();
    let many = (0..700).map(|number| user(&format!("user-{number}")));
    let imported = store.import_users(many.collect(), &context());
    assert!(matches!(imported, Err(UserError::Taken)), "{imported:?}");
    assert_eq!(store.users().await.unwrap().len(), 1);
    let query = EventQuery {
        kind: None,
        user_id: None,
        before: None,
        limit: 1000,
    };
    assert_eq!(store.events(query).await.unwrap().len(), 1);
}

async fn a_hash_made_anew_does_not_undo_a_change_of_the_password(backend: Backend) {
    let database = Database::create(backend);
    let store = store(&database);
    let id = store.create_user(user("ada"), &context()).await.unwrap().id;
    let changed = UserChange::Password {
        hash: hash("changed"),
        keep: None,
    };
    let changed = store.change_user(&id, changed, &context()).await.unwrap();
    assert!(matches!(changed, Changed::Done(_)));
    let replace = |old, new| {
        let (store, id) = (&store, &id);
        async move {
            store
                .replace_hash(id, &hash(old), &hash(new))
                .await
                .unwrap();
            store.user_by_id(id).await.unwrap().unwrap()
        }
    };
    assert_eq!(
        replace("imported", "ours").await.password_hash,
        hash("changed")
    );
    let replaced = replace("changed", "ours").await;
    assert_eq!(replaced.password_hash, hash("ours"));
    assert_eq!(
        replaced.subject.epoch, 1,
        "only the password's change counts"
    );
}

#[actix_web::test]
async fn a_name_that_is_taken_after_all_keeps_everybody_out_on_sqlite() {
    a_name_that_is_taken_after_all_keeps_everybody_out(Backend::Sqlite).await;
}

#[actix_web::test]
async fn a_name_that_is_taken_after_all_keeps_everybody_out_on_postgresql() {
    a_name_that_is_taken_after_all_keeps_everybody_out(Backend::Postgres).await;
}

#[actix_web::test]
async fn a_hash_made_anew_does_not_undo_a_change_of_the_password_on_sqlite() {
    a_hash_made_anew_does_not_undo_a_change_of_the_password(Backend::Sqlite).await;
}

#[actix_web::test]
async fn a_hash_made_anew_does_not_undo_a_change_of_the_password_on_postgresql() {
    a_hash_made_anew_does_not_undo_a_change_of_the_password(Backend::Postgres).await;
}
