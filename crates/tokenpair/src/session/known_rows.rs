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
    /// Negative for a moment, if the second of two moves of a row is counted first.
    counts: BTreeMap<Timestamp, isize>,
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
        for (second, change) in [(before, -1), (after, 1)] {
            if let Some(second) = second {
                *self.counts.entry(second).or_default() += change;
            }
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
        let known = since.map(|(second, count)| (*second, usize::try_from(*count).unwrap_or(0)));
        known.collect()
    }

    pub(super) fn forget(&self, oldest: Timestamp) {
        let mut rows = self.rows();
        rows.counts.retain(|second, _| *second > oldest);
        rows.others.retain(|_, at| *at > oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_of_one_row_may_be_counted_in_any_order() {
        let [one, two] = [1, 2].map(Timestamp::from_unix);
        let moves = [(None, Some(one)), (Some(one), Some(two))];
        for order in [[0, 1], [1, 0]] {
            let rows = KnownRows::default();
            for at in order {
                rows.moved(moves[at].0, moves[at].1);
            }
            assert_eq!(rows.since(one), [(one, 0), (two, 1)].into());
        }
    }
}
