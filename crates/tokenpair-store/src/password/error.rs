//! Defines [`PasswordError`].

use bcrypt::BcryptError;
use thiserror::Error;

use super::imported_hash::ForeignHashError;
use super::strength::UnfitPassword;

/// Why a password was not hashed or verified.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// Too many wait, or this one waited too long; the same request may be sent again.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// bcrypt refused.
    #[error("bcrypt failed")]
    Bcrypt(#[from] BcryptError),
    /// It is no password to have.
    #[error(transparent)]
    Unfit(#[from] UnfitPassword),
    /// What the store kept is none of the hashes known here.
    #[error("a stored hash cannot be verified")]
    Foreign(#[from] ForeignHashError),
}
