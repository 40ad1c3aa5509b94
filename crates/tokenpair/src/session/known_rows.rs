//! Counts the revocations that this server knows the store to have recorded, by the second.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::revoked::{Revocation, Revoked};
use crate::clock::Timestamp;

/// The counts, as a store has them: it may have several revocations of one user, of several epochs.
#[derive(Debug, Default)]
pub(super) struct KnownRows(Mutex<Rows>);

#[derive(Debug, Default)]
struct Rows {
    counts: BTreeMap<Timestamp, usize>,
    /// All but those of sessions, which are known by the set of ended sessions.
    others: HashMap<Other, Timestamp>,
}

/// A subject, and the time of what has no other name.
type Other = (Revoked, Option<Timestamp>);

fn other(subject: &Revoked, at: Timestamp) -> Other {
    let unnamed = matches!(subject, Revoked::All).then_some(at);
    (subject.clone(), unnamed)
}

impl Rows {
    fn moved(&mut self, before: Option<Timestamp>, after: Option<Timestamp>) {
        if before == after {
            return;
        }
        if let Some(count) = before.and_then(|before| self.counts.get_mut(&before)) {
            *count = count.saturating_sub(1);
        }
        if let Some(after) = after {
            *self.counts.entry(after).or_default() += 1;
        }
    }
}

impl KnownRows {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a session's revocation under another time.
    pub(super) fn moved(&self, before: Option<Timestamp>, after: Option<Timestamp>) {
        if before != after {
            self.rows().moved(before, after);
        }
    }

    /// Counts the revocation of a user, or of all.
    pub(super) fn add(&self, Revocation { subject, at }: &Revocation) {
        let mut rows = self.rows();
        let before = rows.others.insert(other(subject, *at), *at);
        rows.moved(before, Some(*at));
    }

    pub(super) fn has(&self, subject: &Revoked, at: Timestamp) -> bool {
        self.rows().others.get(&other(subject, at)) == Some(&at)
    }

    pub(super) fn since(&self, at: Timestamp) -> BTreeMap<Timestamp, usize> {
        let rows = self.rows();
        let since = rows.counts.range(at..);
        since.map(|(second, count)| (*second, *count)).collect()
    }

    pub(super) fn forget(&self, oldest: Timestamp) {
        let mut rows = self.rows();
        rows.counts.retain(|second, _| *second > oldest);
        rows.others.retain(|_, at| *at > oldest);
    }
}
