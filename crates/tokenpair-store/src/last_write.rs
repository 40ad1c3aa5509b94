//! Defines [`LastWrite`], which remembers whether the last write failed because of the database.

use std::sync::atomic::{AtomicBool, Ordering};

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::queue::JobError;

/// Whether the last write failed because of the database.
#[derive(Debug, Default)]
pub(super) struct LastWrite {
    failed: AtomicBool,
}

impl LastWrite {
    pub(super) fn was<T>(&self, written: &Result<T, JobError>) {
        match written {
            Ok(_) => self.failed.store(false, Ordering::Relaxed),
            Err(failure) if is_fault_of_database(failure) => {
                self.failed.store(true, Ordering::Relaxed);
            }
            Err(_) => {}
        }
    }

    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Returns whether the database caused the failure, which it does not if a statement breaks a
/// constraint.
fn is_fault_of_database(failure: &JobError) -> bool {
    use DatabaseErrorKind::{ClosedConnection, ReadOnlyTransaction, UnableToSendCommand, Unknown};
    match failure {
        JobError::TooSlow(_) | JobError::Connect(_) | JobError::Commit(_) => true,
        JobError::Query(DieselError::DatabaseError(kind, _)) => matches!(
            kind,
            ClosedConnection | ReadOnlyTransaction | UnableToSendCommand | Unknown
        ),
        JobError::Busy | JobError::Query(_) | JobError::Panicked => false,
    }
}
