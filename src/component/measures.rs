//! What is measured beside the decisions: with atomics, so that whoever measures waits for nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper ends of the histogram's buckets, in nanoseconds; above the last there is one more.
pub const ENDS: [u64; 16] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    50_000_000,
    250_000_000,
    1_000_000_000,
];

/// How long something took, how often.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; ENDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many in each bucket, none of them counted twice.
    pub buckets: [u64; ENDS.len() + 1],
    /// The sum of all times.
    pub nanoseconds: u64,
}

impl Histogram {
    /// Something took so long.
    pub fn took(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = ENDS.iter().position(|end| nanoseconds <= *end).unwrap_or(ENDS.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// As it is now.
    pub fn taken(&self) -> Taken {
        let mut taken = Taken::default();
        for (into, bucket) in taken.buckets.iter_mut().zip(&self.buckets) {
            *into = bucket.load(Ordering::Relaxed);
        }
        taken.nanoseconds = self.nanoseconds.load(Ordering::Relaxed);
        taken
    }
}

impl Taken {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// What came after `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut since = *self;
        for (into, before) in since.buckets.iter_mut().zip(&before.buckets) {
            *into = into.saturating_sub(*before);
        }
        since.nanoseconds = self.nanoseconds.saturating_sub(before.nanoseconds);
        since
    }

    /// So many of a thousand took at most so long, in nanoseconds: the end of a bucket. `None`: there were none.
    pub fn quantile(&self, thousandths: u64) -> Option<u64> {
        let count = self.count();
        let wanted = count.saturating_mul(thousandths).div_ceil(1000).max(1);
        let mut sum = 0_u64;
        let ends = ENDS.iter().chain(ENDS.last());
        ends.zip(&self.buckets).find_map(|(end, count)| {
            sum = sum.saturating_add(*count);
            (sum >= wanted).then_some(*end)
        })
    }
}

/// What is measured since the start.
#[derive(Debug, Default)]
pub struct Measures {
    /// How long a question took from being read to its answer.
    pub answers: Histogram,
    /// Commands by face: those done, and those that failed.
    pub commands: [[AtomicU64; 2]; 3],
    /// Questions whose password is being judged: the one work that takes milliseconds. Goes up and down.
    pub judging: AtomicU64,
    /// Reloads that put a file in force, and those that did not.
    pub reloads: [AtomicU64; 2],
    /// Requests to the API without a valid token.
    pub logins_failed: AtomicU64,
    /// Those who look on. Goes up and down.
    pub streams: AtomicU64,
    /// Entries that somebody who looks on was too slow for.
    pub entries_dropped: AtomicU64,
}

/// Of two counts, done and failed, one more in the one that it is.
pub fn settled([done, failed]: &[AtomicU64; 2], is_done: bool) {
    add(if is_done { done } else { failed }, 1);
}

/// What a count is now.
pub fn now(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// So many more.
pub fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

/// One less.
pub fn less(count: &AtomicU64) {
    count.fetch_sub(1, Ordering::Relaxed);
}

/// How many there are while this is kept.
#[derive(Debug)]
pub struct Held<'a>(&'a AtomicU64);

impl<'a> Held<'a> {
    /// One more, until it is dropped.
    pub fn new(count: &'a AtomicU64) -> Self {
        add(count, 1);
        Self(count)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        less(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_knows_how_long_most_took() {
        let histogram = Histogram::default();
        assert_eq!(histogram.taken().quantile(500), None);
        for micros in [1, 3, 3, 4, 40, 90, 90, 90, 90, 9_000_000] {
            histogram.took(Duration::from_micros(micros));
        }
        let taken = histogram.taken();
        assert_eq!((taken.count(), taken.nanoseconds), (10, 9_000_411_000));
        let quantiles = [0, 100, 400, 401, 500, 900, 901, 1000].map(|it| taken.quantile(it));
        let expected = [1_000, 1_000, 5_000, 50_000, 50_000, 100_000, 1_000_000_000, 1_000_000_000];
        assert_eq!(quantiles, expected.map(Some));
        histogram.took(Duration::from_micros(7));
        assert_eq!(histogram.taken().since(&taken).quantile(990), Some(10_000));
        assert_eq!(histogram.taken().since(&taken).count(), 1);
    }

    #[test]
    fn what_is_held_is_given_back() {
        let count = AtomicU64::default();
        let held = Held::new(&count);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        drop(held);
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }
}
