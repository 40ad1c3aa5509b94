//! Defines [`Counters`], one number for each value of a label.

use std::sync::atomic::{AtomicU64, Ordering};

/// A label whose values are all known, so that each has a series from the start: Prometheus sees no
/// increase in the first sample of a new series.
pub(super) trait Label: Copy + PartialEq + 'static {
    /// All values.
    const ALL: &'static [Self];

    /// Returns the value as the label has it.
    fn word(self) -> &'static str;
}

/// A counter for each value of a label.
#[derive(Debug)]
pub(super) struct Counters<L>(Box<[(L, AtomicU64)]>);

impl<L: Label> Default for Counters<L> {
    fn default() -> Self {
        Self(
            L::ALL
                .iter()
                .map(|label| (*label, AtomicU64::new(0)))
                .collect(),
        )
    }
}

impl<L: Label> Counters<L> {
    pub(super) fn add(&self, label: L, count: u64) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == label) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Returns each value and its number.
    pub(super) fn totals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counters = self.0.iter();
        counters.map(|(label, count)| (label.word(), count.load(Ordering::Relaxed)))
    }
}
