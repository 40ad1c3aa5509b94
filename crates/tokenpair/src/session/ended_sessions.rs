//! Defines a compact concurrent set of ended sessions.

use std::ops::RangeInclusive;

use uuid::Uuid;

use super::revoked::{Revocation, Revoked};
use super::sharded_map::ShardedMap;
use crate::clock::Timestamp;

/// The ended sessions, and when each ended.
///
/// Nearly all ids are UUIDs. Kept as numbers they take a third of the memory: about 40 MiB for a
/// million sessions, with the table.
#[derive(Debug, Default)]
pub(super) struct EndedSessions {
    uuids: ShardedMap<[u64; 2], Ended>,
    others: ShardedMap<String, Ended>,
}

/// The end of a session, as this server knows it: twice its time in seconds, plus 1 if the store
/// has recorded the revocation at that time. Many sessions end without one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ended(i64);

impl Ended {
    pub(super) fn recorded(at: Timestamp) -> Self {
        Self(at.unix().saturating_mul(2) | 1)
    }

    pub(super) fn unrecorded(at: Timestamp) -> Self {
        Self(at.unix().saturating_mul(2))
    }

    fn at(self) -> Timestamp {
        Timestamp::from_unix(self.0 >> 1)
    }

    /// Returns the time under which the store has recorded the revocation.
    pub(super) fn recorded_at(self) -> Option<Timestamp> {
        (self.0 & 1 == 1).then(|| self.at())
    }

    /// Returns the later of two ends. A recorded one precedes any other, since no token is issued
    /// after it.
    fn and(self, other: Self) -> Self {
        let rank = |ended: Self| (ended.recorded_at().is_some(), ended.0);
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }
}

/// What adding a session has changed.
pub(super) struct Added {
    pub(super) before: Option<Ended>,
    pub(super) after: Ended,
}

impl EndedSessions {
    pub(super) fn len(&self) -> usize {
        self.uuids.len() + self.others.len()
    }

    pub(super) fn get(&self, id: &str) -> Option<Ended> {
        // Each request asks, and mostly nothing has ended.
        if self.len() == 0 {
            return None;
        }
        match number(id) {
            Some(number) => self.uuids.get(&number),
            None => self.others.get(id),
        }
    }

    pub(super) fn add(&self, id: &str, ended: Ended) -> Added {
        let latest = |known: Option<Ended>| known.map_or(ended, |known| known.and(ended));
        let (before, after) = match number(id) {
            Some(number) => self.uuids.update(number, latest),
            None => self.others.update(id.to_owned(), latest),
        };
        Added { before, after }
    }

    /// Removes the sessions that ended at `oldest` or before.
    pub(super) fn forget(&self, oldest: Timestamp) {
        self.uuids.retain(|ended| ended.at() > oldest);
        self.others.retain(|ended| ended.at() > oldest);
    }

    /// Returns the recorded revocations of these seconds. Reads the whole set.
    pub(super) fn recorded_in(&self, seconds: &RangeInclusive<Timestamp>) -> Vec<Revocation> {
        let mut recorded = Vec::new();
        let mut take = |id: &dyn Fn() -> String, ended: Ended| {
            if let Some(at) = ended.recorded_at().filter(|at| seconds.contains(at)) {
                let subject = Revoked::Session(id());
                recorded.push(Revocation { subject, at });
            }
        };
        self.uuids.for_each(|id, ended| take(&|| text(*id), ended));
        self.others
            .for_each(|id, ended| take(&|| id.clone(), ended));
        recorded
    }
}

/// Returns the number of a UUID, if the id is the text that [`text`] writes for it: ids are equal
/// only if their texts are.
fn number(id: &str) -> Option<[u64; 2]> {
    /// The length with hyphens.
    const LENGTH: usize = 36;
    if id.len() != LENGTH || id.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let uuid = Uuid::try_parse(id).ok()?;
    let (high, low) = uuid.as_u64_pair();
    Some([high, low])
}

fn text([high, low]: [u64; 2]) -> String {
    Uuid::from_u64_pair(high, low).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "019a4e52-7c3e-7d60-9f7b-2f6d6a1c8e11";

    #[test]
    fn ids_are_the_same_session_only_if_their_texts_are_equal() {
        let upper = UUID.to_uppercase();
        let bare = UUID.replace('-', "");
        let urn = format!("urn:uuid:{UUID}");
        for (id, at) in [UUID, &upper, &bare, &urn, "s1", ""].iter().zip(1..) {
            let set = EndedSessions::default();
            set.add(id, Ended::recorded(Timestamp::from_unix(at)));
            let all = Timestamp::from_unix(0)..=Timestamp::from_unix(9);
            let subject = Revoked::Session((*id).to_owned());
            let at = Timestamp::from_unix(at);
            assert_eq!(set.recorded_in(&all), [Revocation { subject, at }]);
            for other in [UUID, &upper, &bare, &urn, "s1", ""] {
                assert_eq!(set.get(other).is_some(), *id == other);
            }
        }
    }

    #[test]
    fn of_two_ends_the_later_holds_and_a_recorded_one_before_any_other() {
        let at = Timestamp::from_unix;
        let (early, late) = (Ended::recorded(at(-2)), Ended::recorded(at(3)));
        let unrecorded = Ended::unrecorded(at(5));
        let ends = [early, late, unrecorded];
        for (one, other, latest) in [(0, 1, 1), (0, 2, 0), (1, 2, 1), (2, 2, 2)] {
            for (first, second) in [(one, other), (other, one)] {
                let set = EndedSessions::default();
                set.add(UUID, ends[first]);
                let added = set.add(UUID, ends[second]);
                assert_eq!(added.before, Some(ends[first]));
                assert_eq!(
                    (added.after, set.get(UUID)),
                    (ends[latest], Some(ends[latest]))
                );
            }
        }
        assert_eq!((early.at(), early.recorded_at()), (at(-2), Some(at(-2))));
        assert_eq!((unrecorded.at(), unrecorded.recorded_at()), (at(5), None));
    }
}
