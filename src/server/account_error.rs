//! Defines [`AccountError`].

use std::time::Duration;

use thiserror::Error;

use super::login_limiter::NotAdmitted;
use super::metrics::{Metrics, Throttled};
use tokenpair::session::{Denied, StoreError};
use tokenpair_store::password::{PasswordError, UnfitPassword};
use tokenpair_store::{Applied, Changed, UserError, UsernameError};

/// Why an operation on an account failed.
#[derive(Debug, Error)]
pub enum AccountError {
    /// The username is malformed.
    #[error(transparent)]
    Username(#[from] UsernameError),
    /// The password does not meet the policy.
    #[error(transparent)]
    Unfit(#[from] UnfitPassword),
    /// The username is taken.
    #[error("the username is taken")]
    Taken,
    /// The password is wrong.
    #[error("the password is wrong")]
    WrongPassword,
    /// Too many failed attempts. The next attempt is allowed after this time.
    #[error("too many attempts; try again in {} s", .0.as_secs())]
    TooManyAttempts(Duration),
    /// The change would remove the last admin.
    #[error("this user is the last admin")]
    LastAdmin,
    /// There is no such user.
    #[error("there is no such user")]
    NoSuchUser,
    /// The request is no longer authorized.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The hashing pool failed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns the result of a change.
///
/// # Errors
///
/// [`AccountError`] if the change was denied.
pub fn applied(changed: Changed) -> Result<Applied, AccountError> {
    match changed {
        Changed::Done(applied) => Ok(*applied),
        Changed::LastAdmin => Err(AccountError::LastAdmin),
        Changed::NoSuchUser => Err(AccountError::NoSuchUser),
        Changed::Denied(denied) => Err(AccountError::Denied(denied)),
    }
}

impl From<NotAdmitted> for AccountError {
    fn from(error: NotAdmitted) -> Self {
        match error {
            NotAdmitted::TooManyAttempts(wait) => Self::TooManyAttempts(wait),
            NotAdmitted::Store(error) => Self::Store(error),
        }
    }
}

impl From<UserError> for AccountError {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Taken => Self::Taken,
            UserError::Store(error) => Self::Store(error),
        }
    }
}

/// Counts an attempt that a rate limit refused.
pub(super) fn counted<T>(
    metrics: Option<&Metrics>,
    kind: Throttled,
    done: Result<T, AccountError>,
) -> Result<T, AccountError> {
    if let (Some(metrics), Err(AccountError::TooManyAttempts(_))) = (metrics, &done) {
        metrics.throttled(kind);
    }
    done
}
