//! Defines passwords and their hashes: bcrypt on its own threads, never on one that serves
//! requests.
//!
//! One bcrypt takes a quarter of a second on purpose. On a worker it would stall all requests, so
//! it runs on threads of the lowest priority, behind a bounded queue that is fair between clients.

mod common;
mod error;
mod hash;
mod imported_hash;
mod maker;
mod pbkdf2;
mod plaintext;
mod policy;
mod pool;
mod queue;
mod strength;
mod verify;

pub use self::error::PasswordError;
pub use self::hash::PasswordHash;
pub use self::imported_hash::{ForeignHash, ForeignHashError};
pub use self::maker::Maker;
pub use self::plaintext::Password;
pub use self::policy::PasswordPolicy;
pub use self::pool::Passwords;
pub use self::queue::HashingClient;
pub use self::strength::UnfitPassword;
pub use self::verify::Verdict;
