//! Defines a concurrent hash map of a known memory use, for sets that requests look into.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// The number of locks: a multiple of the threads, so that they seldom want the same one.
const SHARDS: u32 = 64;

/// A hash map in shards, each with its own lock. A lookup waits for the insertion of one entry at
/// most, or while its shard grows or is cleared: less than a millisecond with a million entries.
///
/// A table that grows doubles. So the shards are of unequal size and grow one after another: then
/// about a quarter of the memory is spare, however many entries there are, and never half of it.
#[derive(Debug)]
pub(super) struct ShardedMap<K, V> {
    shards: Box<[Shard<K, V>]>,
    hasher: RandomState,
    len: AtomicUsize,
}

/// The standard library's map would hash once more.
type Shard<K, V> = RwLock<HashTable<(K, V)>>;

impl<K, V> Default for ShardedMap<K, V> {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            len: AtomicUsize::new(0),
        }
    }
}

impl<K: Hash + Eq, V: Copy> ShardedMap<K, V> {
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Each request asks this first, and mostly the map is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard(hash).read();
        let shard = shard.unwrap_or_else(PoisonError::into_inner);
        let found = shard.find(hash, |(other, _)| other.borrow() == key);
        found.map(|(_, value)| *value)
    }

    /// Replaces the value of a key by that of `change`, and returns the old and the new value.
    pub(super) fn update(&self, key: K, change: impl FnOnce(Option<V>) -> V) -> (Option<V>, V) {
        let hash = self.hasher.hash_one(&key);
        let shard = self.shard(hash).write();
        let mut shard = shard.unwrap_or_else(PoisonError::into_inner);
        let rehash = |(key, _): &(K, V)| self.hasher.hash_one(key);
        match shard.entry(hash, |(other, _)| *other == key, rehash) {
            Entry::Occupied(mut entry) => {
                let (_, value) = entry.get_mut();
                let before = *value;
                *value = change(Some(before));
                (Some(before), *value)
            }
            Entry::Vacant(entry) => {
                let value = change(None);
                entry.insert((key, value));
                self.len.fetch_add(1, Ordering::Relaxed);
                (None, value)
            }
        }
    }

    /// Removes the entries whose value fails the test, and frees their memory.
    pub(super) fn retain(&self, keep: impl Fn(&V) -> bool) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let before = shard.len();
            shard.retain(|(_, value)| keep(value));
            self.len.fetch_sub(before - shard.len(), Ordering::Relaxed);
            // Not at once, since as many may follow.
            if shard.len() < shard.capacity() / 4 {
                let room = 2 * shard.len();
                shard.shrink_to(room, |(key, _)| self.hasher.hash_one(key));
            }
        }
    }

    /// Calls `see` with every entry.
    pub(super) fn for_each(&self, mut see: impl FnMut(&K, V)) {
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            for (key, value) in shard.iter() {
                see(key, *value);
            }
        }
    }

    #[expect(clippy::indexing_slicing, reason = "a hash's shard is one of them")]
    fn shard(&self, hash: u64) -> &Shard<K, V> {
        &self.shards[shard_of(hash)]
    }
}

/// Returns a hash's shard. The last shard gets twice as many hashes as the first: the number of
/// shards times √(1 + 3h) − 1, for an h from 0 to 1.
fn shard_of(hash: u64) -> usize {
    const ONE: u64 = 1 << 31;
    // Without the highest bits, by which a table tells the entries of a group apart.
    let middle = (hash << 8) >> 32;
    // (1 + 3h) · ONE²
    let square = ONE * ONE + 3 * middle * (ONE >> 1);
    let share = square.isqrt() - ONE;
    usize::try_from((share * u64::from(SHARDS)) >> 31).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hash_has_a_shard_and_the_last_gets_twice_as_many_as_the_first() {
        let hashes = (0..=u64::from(u16::MAX)).map(|n| n << 40 | u64::MAX >> 24);
        let mut sizes = vec![0_usize; SHARDS as usize];
        for hash in hashes {
            sizes[shard_of(hash)] += 1;
        }
        assert!(sizes.windows(2).all(|two| two[0] <= two[1] + 1));
        let (first, last) = (sizes[0], sizes[sizes.len() - 1]);
        assert!((last * 10).div_euclid(first) >= 19, "{first} and {last}");
    }

    #[test]
    fn entries_are_counted_found_and_removed() {
        let map = ShardedMap::<u32, u32>::default();
        for n in 0..10_000 {
            assert_eq!(map.update(n, |_| n), (None, n));
        }
        assert_eq!(map.update(7, |was| was.unwrap() * 2), (Some(7), 14));
        assert_eq!(
            (map.len(), map.get(&7), map.get(&10_000)),
            (10_000, Some(14), None)
        );
        map.retain(|value| *value < 100);
        let mut left = Vec::new();
        map.for_each(|key, _| left.push(*key));
        left.sort_unstable();
        assert_eq!(left, Vec::from_iter(0..100));
        assert_eq!(
            (map.len(), map.is_empty(), map.get(&100)),
            (100, false, None)
        );
        let room: usize = map
            .shards
            .iter()
            .map(|shard| shard.read().unwrap().capacity())
            .sum();
        assert!(room < 1_000, "{room}");
    }
}
