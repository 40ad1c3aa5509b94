//! Users, sessions and rate-limit counters of [`tokenpair`] in SQLite or PostgreSQL, through Diesel, and password hashing.
//! The scheme of the URL chooses the database; one set of statements and one folder of migrations serve both.
//!
//! ```
//! # use tokenpair::clock::Timestamp;
//! # use tokenpair_store::password::PasswordHash;
//! # use tokenpair::session::Act;
//! use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, Page, StorePolicy, Username};
//!
//! # #[actix_web::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let url = format!("sqlite://{}", folder.path().join("users.db").display());
//! # let act = Act::at(Timestamp::from_unix(1_800_000_000));
//! # let (first_hash, second_hash) = ("$2b$10$...".to_owned(), "$2b$12$...".to_owned());
//! # let (password_hash, dearer) = (PasswordHash::from_text(first_hash), PasswordHash::from_text(second_hash));
//! let store = DieselStore::open(&DatabaseUrl::parse(&url)?, StorePolicy::default())?;
//! store.migrate()?;
//! let username = Username::parse("Ada")?;
//! store.create_user(NewUser { username, password_hash, roles: vec![] }, &act).await?;
//!
//! let first = Page { number: 1, size: 20 };
//! let (users, in_all) = store.search_users("AD", first).await?;
//! assert_eq!((users[0].subject.username.as_str(), in_all), ("Ada", 1));
//!
//! let ada = &users[0];
//! store.replace_hash(&ada.subject.id, &ada.password_hash, &dearer).await?;
//! assert_eq!(store.users().await?[0].password_hash, dearer);
//! # Ok(())
//! # }
//! ```

mod audit;
mod authority;
mod connection;
mod failure_counters;
mod import;
mod last_write;
mod manager;
mod many;
mod migrations;
mod models;
pub mod password;
mod policy;
mod pool;
mod purge;
mod queue;
pub mod rate_limit;
mod revocations;
mod rotate_query;
mod schema;
mod server_keys;
mod sessions;
mod store;
mod url;
mod user;
mod user_changes;
mod users;
mod watch;
mod writable;
mod writer;

pub use self::audit::{Event, EventKind, EventQuery, Refusal};
pub use self::migrations::MigrationError;
pub use self::policy::{Pooler, StorePolicy};
pub use self::purge::{PurgePolicy, Purged};
pub use self::server_keys::SealedKey;
pub use self::store::DieselStore;
pub use self::url::{DatabaseUrl, UrlError};
pub use self::user::{ADMIN, NewUser, Role, RoleError, User, UserError, Username, UsernameError};
pub use self::user_changes::{Applied, Changed, UserChange};
pub use self::users::Page;
pub use self::writable::NotWritable;
