//! Users and sessions in SQLite or PostgreSQL, through Diesel. The scheme of the URL chooses; one set of statements and
//! one folder of migrations serve both.

mod audit;
mod changes;
mod connection;
mod import;
mod migrations;
mod purge;
mod revocations;
mod schema;
mod sessions;
mod url;
mod users;

pub use self::audit::{Event, EventKind, EventQuery};
pub use self::changes::{ADMIN, Changed, UserChange};
pub use self::connection::{DieselStore, StorePolicy};
pub use self::migrations::MigrationError;
pub use self::purge::{PurgePolicy, Purged};
pub use self::url::{DatabaseUrl, UrlError};
pub use self::users::{NewUser, Page, Role, RoleError, User, UserError, Username, UsernameError};
