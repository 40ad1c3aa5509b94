//! Defines [`Histogram`], which counts durations in buckets without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds in seconds that OpenTelemetry recommends for the duration of HTTP requests.
const BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The same bounds in nanoseconds.
const NANOS: [u64; 14] = [
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];

/// The bounds, and one more bucket for everything above them.
const BUCKETS: usize = BOUNDS.len() + 1;

/// Durations, counted by bucket.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

impl Histogram {
    /// Counts a duration. Any thread may call it.
    pub(super) fn observe(&self, duration: Duration) {
        let nanos = whole_nanos(duration);
        if let Some(bucket) = self.buckets.get(bucket_of(nanos)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Counts a duration, if no other thread counts in this histogram: without the locked
    /// instructions that [`Self::observe`] takes.
    pub(super) fn observe_alone(&self, duration: Duration) {
        let nanos = whole_nanos(duration);
        if let Some(bucket) = self.buckets.get(bucket_of(nanos)) {
            add_alone(bucket, 1);
        }
        add_alone(&self.nanos, nanos);
    }
}

/// Adds to a number that no other thread changes.
pub(super) fn add_alone(number: &AtomicU64, more: u64) {
    let sum = number.load(Ordering::Relaxed).wrapping_add(more);
    number.store(sum, Ordering::Relaxed);
}

fn whole_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the first bucket whose bound is not exceeded. Nearly all requests are in the first.
fn bucket_of(nanos: u64) -> usize {
    let bounds = NANOS.iter();
    bounds.take_while(|bound| nanos > **bound).count()
}

/// The numbers of one histogram, or of several together.
#[derive(Debug, Default)]
pub(super) struct Totals {
    buckets: [u64; BUCKETS],
    nanos: u64,
}

impl Totals {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (total, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *total += bucket.load(Ordering::Relaxed);
        }
        self.nanos += histogram.nanos.load(Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Returns the sum in seconds.
    pub(super) fn sum(&self) -> f64 {
        Duration::from_nanos(self.nanos).as_secs_f64()
    }

    /// Returns each bucket's upper bound in seconds and its own number.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        bounds.zip(self.buckets).collect()
    }
}

impl From<&Histogram> for Totals {
    fn from(histogram: &Histogram) -> Self {
        let mut totals = Self::default();
        totals.add(histogram);
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_have_the_same_bounds() {
        for (seconds, nanos) in BOUNDS.into_iter().zip(NANOS) {
            assert_eq!(
                Duration::from_secs_f64(seconds),
                Duration::from_nanos(nanos)
            );
        }
    }

    #[test]
    fn a_duration_counts_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::default();
        for nanos in [0, 5_000_000, 5_000_001, 10_000_000_000, 10_000_000_001] {
            histogram.observe(Duration::from_nanos(nanos));
        }
        let totals = Totals::from(&histogram);
        let counted = totals.buckets();
        let counted = Vec::from_iter(counted.iter().filter(|(_, count)| *count > 0));
        assert_eq!(
            counted,
            [&(0.005, 2), &(0.01, 1), &(10.0, 1), &(f64::INFINITY, 1)]
        );
        assert_eq!(totals.count(), 5);
        assert!(
            (totals.sum() - 20.010_000_002).abs() < 1e-9,
            "{}",
            totals.sum()
        );
    }
}
