//! Defines [`StoreError`], the failure of any store.

use std::error::Error;

use thiserror::Error;

/// The store failed. A failure never logs a user out.
///
/// ```
/// use std::io;
/// use tokenpair::session::StoreError;
/// use tokenpair::web::Rejection;
///
/// let error = StoreError::new(io::Error::other("the disk is full"));
/// assert_eq!(error.to_string(), "the disk is full"); // for the log
/// assert_eq!(Rejection::from(error).to_string(), "Temporarily unavailable"); // for the client
/// ```
#[derive(Debug, Error)]
#[error(transparent)]
pub struct StoreError(Box<dyn Error + Send + Sync>);

impl StoreError {
    /// Creates an error from its cause, which is logged and never shown to a client.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }

    /// Wraps a store's own error, unless it is a `StoreError` already.
    pub(super) fn of(cause: impl Error + Send + Sync + 'static) -> Self {
        let cause: Box<dyn Error + Send + Sync> = Box::new(cause);
        match cause.downcast::<Self>() {
            Ok(already) => *already,
            Err(cause) => Self(cause),
        }
    }
}
