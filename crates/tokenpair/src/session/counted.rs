//! Defines [`CountedRevocations`]: how a sync reads only the revocations that it does not know.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use async_trait::async_trait;

use super::revoked::Revocation;
use super::store_error::StoreError;
use crate::clock::Timestamp;

/// A store's recorded revocations by the second, as [`SessionStore::counted_revocations`] returns
/// them.
///
/// Each sync looks a minute back. With thousands of logouts a second that is a hundred thousand
/// revocations, nearly all known. So a sync asks for the number in each second, and reads only the
/// seconds that have another number than it knows.
///
/// [`SessionStore::counted_revocations`]: super::SessionStore::counted_revocations
///
/// ```
/// use tokenpair::session::{CountedRevocations, EndReason, MemoryStore, RequestContext, SessionStore};
///
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::session::Login;
/// # tokenpair::sample::run(async {
/// # let (ada, store) = tokenpair::sample::user();
/// # let sessions = tokenpair::sample::sessions_in(&store)?;
/// # let now = Timestamp::from_unix(1_800_000_000);
/// # for _ in 0..2 {
/// #     sessions.login(&ada, Login::default(), now).await?;
/// # }
/// for session in sessions.list("1", now).await? {
///     sessions.end(&session.id, EndReason::Logout, &RequestContext::at(now)).await?;
/// }
/// let counted = store.counted_revocations().unwrap();
/// assert_eq!(counted.count_since(now).await?, [(now, 2)].into());
/// assert_eq!(counted.between(now..=now).await?.len(), 2);
/// # Ok(()) });
/// ```
#[async_trait]
pub trait CountedRevocations: Send + Sync {
    /// Returns the number of revocations recorded in each second at or after `at`. Seconds without
    /// any may be left out.
    async fn count_since(&self, at: Timestamp) -> Result<BTreeMap<Timestamp, usize>, StoreError>;

    /// Returns the revocations recorded in these seconds, in any order and each once.
    async fn between(
        &self,
        seconds: RangeInclusive<Timestamp>,
    ) -> Result<Vec<Revocation>, StoreError>;
}

/// The maximum number of revocations that one read returns: more only if they were recorded in the
/// same second. Of larger reads, each thread of the store would keep the memory.
const TOGETHER: usize = 1000;

/// Returns the ranges of seconds to read: those whose number of recorded revocations differs from
/// the known one, or `all`.
pub(super) fn to_read(
    known: &BTreeMap<Timestamp, usize>,
    recorded: &BTreeMap<Timestamp, usize>,
    all: bool,
) -> Vec<RangeInclusive<Timestamp>> {
    let mut seconds: Vec<Timestamp> = known.keys().chain(recorded.keys()).copied().collect();
    seconds.sort_unstable();
    seconds.dedup();
    let mut ranges: Vec<RangeInclusive<Timestamp>> = Vec::new();
    let mut size = usize::MAX;
    for second in seconds {
        let count = |of: &BTreeMap<Timestamp, usize>| of.get(&second).copied().unwrap_or_default();
        let wanted = count(recorded);
        if !all && wanted == count(known) {
            size = usize::MAX;
            continue;
        }
        size = size.saturating_add(wanted);
        match ranges.last_mut() {
            Some(last) if size <= TOGETHER => *last = *last.start()..=second,
            _ => {
                ranges.push(second..=second);
                size = wanted;
            }
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix(second)
    }

    fn counts<const N: usize>(counts: [(i64, usize); N]) -> BTreeMap<Timestamp, usize> {
        counts.map(|(second, count)| (at(second), count)).into()
    }

    #[test]
    fn only_seconds_with_another_number_are_read() {
        let known = counts([(1, 2), (2, 1), (3, 4), (5, 1)]);
        let recorded = counts([(1, 2), (2, 3), (3, 4), (6, 1)]);
        // 5 has lost one, and 6 is new.
        assert_eq!(
            to_read(&known, &recorded, false),
            [at(2)..=at(2), at(5)..=at(6)]
        );
        assert_eq!(to_read(&known, &recorded, true), [at(1)..=at(6)]);
        assert_eq!(to_read(&known, &known, false), []);
    }

    #[test]
    fn many_are_read_in_parts() {
        let recorded = counts([(1, 600), (2, 400), (7, 2000), (8, 1), (9, 999)]);
        let parts = [at(1)..=at(2), at(7)..=at(7), at(8)..=at(9)];
        assert_eq!(to_read(&BTreeMap::new(), &recorded, false), parts);
    }
}
