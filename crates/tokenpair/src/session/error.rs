//! Defines [`SessionError`].

use thiserror::Error;

use super::authority::Denied;
use super::store_error::StoreError;
use crate::token::IssueError;

/// The reason an operation failed. No failure logs a user out, and the client may retry.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token could not be signed.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// Other requests changed the row during every decision.
    #[error("the session is busy")]
    Busy,
    /// The request is no longer authorized. Nothing was written.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The user was deleted, disabled or changed during the login. No session was created.
    #[error("the user was changed during the login")]
    SubjectChanged,
    /// Revocations have not synced for longer than `SessionPolicy::stale_limit`.
    #[error("revocations have not synced for longer than REVOCATION_STALE_LIMIT")]
    Stale,
}
