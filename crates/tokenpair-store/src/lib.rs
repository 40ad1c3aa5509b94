//! Users, sessions and rate-limit counters for [`tokenpair`] in SQLite or PostgreSQL, and password
//! hashing.
//!
//! [`DieselStore`] implements [`tokenpair::session::SessionStore`]. The scheme of the URL selects
//! the database. One set of statements and one folder of migrations serve both, and the migrations
//! are part of the crate.
//!
//! ```
//! use tokenpair::clock::Clock;
//! use tokenpair::session::RequestContext;
//! use tokenpair_store::password::{Password, PasswordPolicy, Passwords};
//! use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
//!
//! # #[actix_web::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url = DatabaseUrl::parse("sqlite://data/users.db")?;
//! # let folder = tempfile::tempdir()?;
//! # let url = DatabaseUrl::parse(&format!("sqlite://{}/users.db", folder.path().display()))?;
//! let store = DieselStore::open(&url, StorePolicy::default())?;
//! store.migrate()?;
//! let passwords = Passwords::start(PasswordPolicy::default())?;
//! let typed = || Password::new("correct horse".to_owned());
//!
//! let user = NewUser {
//!     username: Username::parse("Ada")?,
//!     password_hash: passwords.hash(typed()).await?,
//!     roles: vec![],
//! };
//! let context = RequestContext::at(Clock::system().now());
//! store.create_user(user, &context).await?;
//!
//! let found = store.user_by_name(&Username::parse("ADA")?).await?;
//! let hash = found.map(|user| user.password_hash);
//! assert!(passwords.verify(typed(), hash).await?.is_right());
//! # Ok(())
//! # }
//! ```
//!
//! # Sessions
//!
//! The store records the sessions of an app that is otherwise like the first example of
//! `tokenpair`. One call at start makes a logout hold after a restart and on other replicas too:
//!
//! ```no_run
//! # use tokenpair_store::{DatabaseUrl, DieselStore, StorePolicy};
//! use std::time::Duration;
//! use tokenpair::clock::Clock;
//! use tokenpair::config::JwtSettings;
//!
//! # #[actix_web::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let url = DatabaseUrl::parse("sqlite://data/users.db")?;
//! # let store = DieselStore::open(&url, StorePolicy::default())?;
//! let settings = JwtSettings::for_origin("https://shop.example")?; // reads JWT_SECRET_KEY
//! let sessions = settings.sessions(store.clone());
//! sessions.keep_in_sync(Duration::from_millis(500), Clock::system()).await?;
//! let auth = settings.builder().sessions(sessions).build();
//!
//! // In a login, once the password was right: auth.log_in(&user.subject, login).await?
//! # let _ = auth;
//! # Ok(())
//! # }
//! ```
//!
//! The example `accounts` is a complete app that registers users, verifies their passwords, and
//! refreshes and revokes their sessions.
//!
//! # Passwords
//!
//! [`password::Passwords`] hashes with bcrypt on its own threads, behind a bounded queue that is
//! fair between clients. Hashing never blocks a thread that serves requests. The pool also verifies
//! the scrypt and PBKDF2 hashes of Werkzeug, so that users of a Flask app can be imported with
//! their passwords.
//!
//! # Authorized writes
//!
//! A write for a request checks again, in its own transaction, what authorized the request: the
//! session is live, the user is enabled, and the token's epoch is current. If the session has ended
//! in the meantime, the request changes nothing.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `aws-lc-rs` | yes | cryptography by AWS-LC, which a C compiler builds |
//! | `rust-crypto` | no | cryptography by the crates of RustCrypto; RSA keys then verify and do not sign |
//! | `sqlite` | yes | SQLite |
//! | `postgres` | yes | PostgreSQL |
//! | `bundled` | yes | compiles SQLite and PostgreSQL's client library from source, which needs a C compiler; without it the system's libraries are linked |
//! | `postgres-tls` | no | TLS to PostgreSQL; needs the headers of OpenSSL |
//!
//! At least one database is needed. A URL of a database that was left out is rejected with
//! [`UrlError::LeftOut`], which names the feature. So is one cryptographic library; the features
//! enable those of `tokenpair`, and `aws-lc-rs` wins if both are on. For PostgreSQL alone:
//!
//! ```toml
//! tokenpair-store = { path = "../tokenpair/crates/tokenpair-store", default-features = false, features = ["aws-lc-rs", "postgres", "bundled"] }
//! ```
//!
//! Without a C compiler, link the system's databases and choose RustCrypto:
//!
//! ```toml
//! tokenpair = { path = "../tokenpair/crates/tokenpair", default-features = false, features = ["rust-crypto"] }
//! tokenpair-store = { path = "../tokenpair/crates/tokenpair-store", default-features = false, features = ["rust-crypto", "sqlite", "postgres"] }
//! ```
//!
//! # SQLite beside other crates
//!
//! Only one version of `libsqlite3-sys` can be linked into a program. This crate accepts 0.30.1 to
//! 0.38, so it combines with sqlx 0.8 and 0.9, SeaORM 1.1 and 2, and rusqlite 0.32 to 0.40. If Cargo
//! has already chosen a newer version, `cargo update -p libsqlite3-sys --precise VERSION` selects
//! the other crate's. Beside sqlx 0.7, or in an app that needs no SQLite, leave out the feature
//! `sqlite`.

#![cfg_attr(
    not(all(feature = "sqlite", feature = "postgres")),
    allow(
        dead_code,
        unused_variables,
        reason = "the other database's helpers, and what only it needs"
    )
)]

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
compile_error!("tokenpair-store needs a database: enable the feature `sqlite` or `postgres`");

mod active_sessions;
mod alerts;
mod audit;
mod authority;
mod client;
mod client_changes;
mod clients;
mod connection;
mod end_all;
mod event_kind;
mod failure_counters;
mod import;
mod last_write;
mod manager;
mod many;
mod migrations;
mod models;
mod noted;
mod observer;
pub mod password;
mod policy;
mod pool;
#[cfg(feature = "postgres")]
mod postgres;
mod purge;
mod queue;
#[cfg(feature = "postgres")]
mod quiet_query;
pub mod rate_limit;
mod revocations;
#[cfg(feature = "postgres")]
mod revoke_query;
mod rotate_query;
mod schema;
mod server_keys;
mod session_events;
mod sessions;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
mod sqlite_file;
#[cfg(feature = "sqlite")]
mod sqlite_lock;
mod store;
mod table;
mod transfer;
mod url;
mod user;
mod user_change;
mod user_changes;
mod users;
mod watch;
mod writable;
mod writer;

pub use self::alerts::{Alert, CertificateLife, RETRIES};
pub use self::audit::{Event, EventQuery, Refusal};
pub use self::client::{
    Client, ClientError, ClientName, ClientNameError, ClientPermission, ClientSecret, SecretDigest,
};
pub use self::client_changes::{ClientChange, ClientDenied};
pub use self::event_kind::EventKind;
pub use self::migrations::{MigrationError, migration_names};
pub use self::observer::{HashingUse, PoolName, PoolUse, StoreObserver};
pub use self::policy::{Pooler, StorePolicy};
pub use self::purge::{PurgePolicy, Purged};
pub use self::server_keys::SealedKey;
#[cfg(feature = "sqlite")]
pub use self::sqlite_file::{Contents, SqliteFile, SqliteFileError};
#[cfg(feature = "sqlite")]
pub use self::sqlite_lock::SqliteLock;
pub use self::store::DieselStore;
pub use self::table::TableError;
pub use self::transfer::{CopiedTable, OtherPrograms, TransferError, check_target, copy_database};
pub use self::url::{DatabaseUrl, UrlError};
pub use self::user::{
    ADMIN, ImportedUser, NewUser, Role, RoleError, User, UserError, Username, UsernameError,
};
pub use self::user_change::UserChange;
pub use self::user_changes::{Applied, Changed};
pub use self::users::{Page, UserPage};
pub use self::writable::NotWritable;
