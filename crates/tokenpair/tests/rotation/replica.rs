//! Defines the common parts of the models: a replica's conditional write, and the equivalence of
//! states.
//!
//! Time is in ticks of a second. A state is kept relative to the row's generation and to the
//! current time, so there are finitely many. Two states that the rule cannot distinguish are one:
//! generations below the current one are only compared for equality, so they are renumbered without
//! gaps, and times before the oldest that matters are equivalent.

use stateright::{Checker, HasDiscoveries, Model};
use tokenpair::clock::Timestamp;
use tokenpair::session::{ReissueDecision, Rotation, RotationDecision, Row, SessionPolicy};

use crate::{GENERATION, NOW, time};

pub(crate) type Rule = fn(&Row, i64, Timestamp, &SessionPolicy) -> RotationDecision;

pub(crate) type ReissueRule =
    fn(&Row, i64, Option<Timestamp>, Timestamp, &SessionPolicy) -> ReissueDecision;

/// The conditions of `UPDATE sessions SET .. WHERE id = ? AND ..`. Each can be omitted, to show its
/// purpose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guards {
    pub(crate) generation: bool,
    pub(crate) barred: bool,
    pub(crate) handed: bool,
    pub(crate) confirmed: bool,
    /// `revoked_at IS NULL`
    pub(crate) living: bool,
}

impl Guards {
    pub(crate) const ALL: Self = Self {
        generation: true,
        barred: true,
        handed: true,
        confirmed: true,
        living: true,
    };

    /// Returns whether the row is unchanged since the decision, as far as the conditions check.
    pub(crate) fn hold(self, stored: &Rotation, revoked: bool, expected: &Rotation) -> bool {
        (!self.generation || stored.generation == expected.generation)
            && (!self.barred || stored.previous_barred == expected.previous_barred)
            && (!self.handed || stored.handed_at == expected.handed_at)
            && (!self.confirmed || stored.confirmed_at == expected.confirmed_at)
            && (!self.living || !revoked)
    }
}

/// Returns the times this many ticks later; times more than `oldest` ticks ago are equivalent.
pub(crate) fn aged(row: Rotation, ticks: i64, oldest: i64) -> Rotation {
    // The rule uses the start of a generation only if nothing was handed out in it.
    let rotated_at = match (row.handed_at, row.previous) {
        (None, Some(_)) => row.rotated_at,
        _ => time(NOW + ticks),
    };
    aged_with_start(Rotation { rotated_at, ..row }, ticks, oldest)
}

/// Does the same with reissues, whose rule always uses the start of a generation.
pub(crate) fn aged_with_start(row: Rotation, ticks: i64, oldest: i64) -> Rotation {
    let shift = |at: Timestamp| time((at.unix() - ticks).max(NOW - oldest));
    Rotation {
        rotated_at: shift(row.rotated_at),
        handed_at: row.handed_at.map(shift),
        confirmed_at: row.confirmed_at.map(shift),
        ..row
    }
}

/// New numbers for generations: the current one is [`GENERATION`], those below it follow without
/// gaps, and those above keep their distance, since the rule uses it.
pub(crate) struct Numbers {
    current: i64,
    below: Vec<i64>,
}

impl Numbers {
    pub(crate) fn new(current: i64, mut mentioned: Vec<i64>) -> Self {
        mentioned.retain(|generation| *generation < current);
        mentioned.sort_unstable_by(|one, other| other.cmp(one));
        mentioned.dedup();
        Self {
            current,
            below: mentioned,
        }
    }

    pub(crate) fn of(&self, generation: i64) -> i64 {
        let place = self.below.iter().position(|below| *below == generation);
        let offset = place.map_or(generation - self.current, |place| {
            -1 - i64::try_from(place).unwrap()
        });
        GENERATION + offset
    }

    pub(crate) fn row(&self, row: Rotation) -> Rotation {
        Rotation {
            generation: self.of(row.generation),
            previous: row.previous.map(|previous| self.of(previous)),
            ..row
        }
    }
}

/// Returns the generations that a row mentions, and the next, since a write based on the row would
/// begin it.
pub(crate) fn mentioned(row: &Rotation) -> impl Iterator<Item = i64> {
    [row.generation, row.generation + 1]
        .into_iter()
        .chain(row.previous)
}

/// A sortable form of a row, so that two lists of requests that differ only in order are one.
pub(crate) type Key = (i64, Option<i64>, bool, i64, Option<i64>, Option<i64>);

pub(crate) fn key(row: &Rotation) -> Key {
    (
        row.generation,
        row.previous,
        row.previous_barred,
        row.rotated_at.unix(),
        row.handed_at.map(Timestamp::unix),
        row.confirmed_at.map(Timestamp::unix),
    )
}

/// Searches all states, and returns their number and the promises broken in some.
pub(crate) fn search<M>(model: M) -> (usize, Vec<&'static str>)
where
    M: Model + Send + Sync + 'static,
    M::State: std::hash::Hash + Clone + PartialEq + Send + Sync + 'static,
    M::Action: Clone + PartialEq,
{
    let checker = model.checker().spawn_bfs().join();
    let broken = checker.discoveries().into_keys().collect();
    (checker.unique_state_count(), broken)
}

/// Returns a short schedule that breaks that promise, if there is one.
pub(crate) fn schedule<M>(model: M, promise: &'static str) -> Option<Vec<M::Action>>
where
    M: Model + Send + Sync + 'static,
    M::State: std::hash::Hash + Clone + PartialEq + Send + Sync + 'static,
    M::Action: Clone + PartialEq,
{
    let found = HasDiscoveries::AnyOf([promise].into());
    let checker = model.checker().finish_when(found).spawn_bfs().join();
    checker
        .discovery(promise)
        .map(stateright::Path::into_actions)
}
