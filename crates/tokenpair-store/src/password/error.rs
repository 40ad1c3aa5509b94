//! Defines [`PasswordError`].

use bcrypt::BcryptError;
use thiserror::Error;

use super::imported_hash::ForeignHashError;

/// The reason a password was not hashed or verified.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// Too many passwords are queued, or this one waited too long. The client may retry.
    #[error("too many passwords are queued for hashing")]
    Busy,
    /// bcrypt failed.
    #[error("bcrypt failed")]
    Bcrypt(#[from] BcryptError),
    /// The stored hash is of an unknown kind.
    #[error("a stored hash cannot be verified")]
    Foreign(#[from] ForeignHashError),
}
