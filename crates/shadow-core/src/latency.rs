//! How long exchanges take: a fixed histogram with logarithmic buckets, shared by all shards.
//!
//! Eight buckets to each power of two, so a quantile is at most 12.5 % too high; 320 buckets reach from a
//! microsecond to beyond twelve days. Recording is two relaxed atomic additions. Counts only grow: who wants to
//! know of the last second subtracts the counts of a second ago ([`LatencyCounts::since`]).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Bits of the mantissa that tell buckets of one power of two apart.
const PRECISION: u32 = 3;
const STEPS: usize = 1 << PRECISION;
const BUCKETS: usize = 40 * STEPS;

/// Counts exchange times since the start.
#[derive(Debug)]
pub struct LatencyHistogram {
    buckets: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum_us: AtomicU64::new(0),
        }
    }
}

impl LatencyHistogram {
    /// Counts one exchange.
    pub fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(micros, Relaxed);
    }

    /// The counts at this moment.
    pub fn counts(&self) -> LatencyCounts {
        LatencyCounts {
            buckets: self.buckets.iter().map(|count| count.load(Relaxed)).collect(),
            sum_us: self.sum_us.load(Relaxed),
        }
    }
}

/// Counts of exchange times at one moment; those of no exchange by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyCounts {
    /// Empty when nothing was ever recorded.
    buckets: Vec<u64>,
    sum_us: u64,
}

impl LatencyCounts {
    /// Exchanges counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The time of all exchanges together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    /// Adds counts of other exchanges.
    pub fn add(&mut self, other: &Self) {
        let length = self.buckets.len().max(other.buckets.len());
        self.buckets.resize(length, 0);
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    /// Counts since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let earlier = before.buckets.iter().chain(std::iter::repeat(&0));
        Self {
            buckets: self
                .buckets
                .iter()
                .zip(earlier)
                .map(|(now, before)| now.saturating_sub(*before))
                .collect(),
            sum_us: self.sum_us.saturating_sub(before.sum_us),
        }
    }

    /// Median and 99th percentile in microseconds.
    pub fn quantiles_us(&self) -> Option<(u64, u64)> {
        let total = self.count();
        let quantile = |percent: u64| {
            let rank = (total * percent).div_ceil(100);
            let mut sum = 0;
            let index = self.buckets.iter().position(|count| {
                sum += count;
                sum >= rank
            });
            upper_bound(index.unwrap_or(BUCKETS - 1))
        };
        (total > 0).then(|| (quantile(50), quantile(99)))
    }

    /// The longest in microseconds, at most 12.5 % too high.
    pub fn longest_us(&self) -> Option<u64> {
        let index = self.buckets.iter().rposition(|count| *count > 0)?;
        Some(upper_bound(index))
    }

    /// Exchanges that took this long at most: exactly so where the bound is a power of two of microseconds less one,
    /// and otherwise those in buckets that lie whole below it.
    pub fn at_most(&self, bound: Duration) -> u64 {
        let bound = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        self.buckets
            .iter()
            .enumerate()
            .take_while(|(index, _)| upper_bound(*index) <= bound)
            .map(|(_, count)| count)
            .sum()
    }
}

/// Values below `STEPS` have a bucket each; above, the bucket is the exponent and the leading bits.
fn bucket(micros: u64) -> usize {
    if micros < STEPS as u64 {
        return micros as usize;
    }
    let exponent = micros.ilog2() - PRECISION;
    let index = ((exponent as usize) << PRECISION) + (micros >> exponent) as usize;
    index.min(BUCKETS - 1)
}

/// The largest value of a bucket.
fn upper_bound(index: usize) -> u64 {
    if index < STEPS {
        return index as u64;
    }
    let exponent = (index >> PRECISION) - 1;
    let mantissa = (index & (STEPS - 1)) + STEPS;
    ((mantissa as u64 + 1) << exponent) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_within_an_eighth_of_its_buckets_bound() {
        for micros in (0..100_000).chain([1 << 30, (1 << 40) - 1]) {
            let bound = upper_bound(bucket(micros));
            assert!(
                bound >= micros && bound - micros <= micros / 8,
                "{micros} in {bound}"
            );
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_of_what_came_since_the_counts_before() {
        let histogram = LatencyHistogram::default();
        let start = LatencyCounts::default();
        assert_eq!(histogram.counts().since(&start).quantiles_us(), None);
        for _ in 0..98 {
            histogram.record(Duration::from_micros(5));
        }
        histogram.record(Duration::from_millis(1));
        histogram.record(Duration::from_millis(1));
        let counts = histogram.counts();
        assert_eq!(counts.since(&start).quantiles_us(), Some((5, 1023)));
        assert_eq!(counts.sum(), Duration::from_micros(98 * 5 + 2000));
        assert_eq!(histogram.counts().since(&counts).quantiles_us(), None);
        assert_eq!(histogram.counts().count(), 100);
    }

    #[test]
    fn counts_up_to_a_bound_never_have_a_slower_exchange_among_them() {
        let histogram = LatencyHistogram::default();
        for micros in [0, 7, 1000, 5000, 5119, 5120] {
            histogram.record(Duration::from_micros(micros));
        }
        let counts = histogram.counts();
        assert_eq!(counts.at_most(Duration::ZERO), 1);
        assert_eq!(counts.at_most(Duration::from_micros(1023)), 3);
        // 4608 to 5119 is one bucket: it is not below 5000.
        assert_eq!(counts.at_most(Duration::from_millis(5)), 3);
        assert_eq!(counts.at_most(Duration::from_micros(5119)), 5);
        assert_eq!(counts.at_most(Duration::MAX), 6);
    }
}
