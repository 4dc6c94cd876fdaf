//! How long exchanges take: a fixed histogram with logarithmic buckets, shared by all shards of an output.
//!
//! Eight buckets to each power of two, so a quantile is at most 12.5 % too high; 320 buckets reach from a
//! microsecond to beyond twelve days. Recording is one relaxed atomic addition.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Bits of the mantissa that tell buckets of one power of two apart.
const PRECISION: u32 = 3;
const STEPS: usize = 1 << PRECISION;
const BUCKETS: usize = 40 * STEPS;

/// Counts of exchange times since they were last read.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: Box<[AtomicU32]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU32::new(0)).collect(),
        }
    }
}

impl Histogram {
    /// Counts one exchange.
    pub(super) fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)].fetch_add(1, Relaxed);
    }

    /// Median and 99th percentile in microseconds of what was recorded since the last call.
    pub(super) fn take_quantiles(&self) -> Option<(u64, u64)> {
        let counts: Vec<u64> = self
            .buckets
            .iter()
            .map(|count| u64::from(count.swap(0, Relaxed)))
            .collect();
        let total: u64 = counts.iter().sum();
        (total > 0).then(|| (quantile(&counts, total, 50), quantile(&counts, total, 99)))
    }
}

fn quantile(counts: &[u64], total: u64, percent: u64) -> u64 {
    let rank = (total * percent).div_ceil(100);
    let mut sum = 0;
    let index = counts.iter().position(|count| {
        sum += count;
        sum >= rank
    });
    upper_bound(index.unwrap_or(BUCKETS - 1))
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
    fn quantiles_are_of_what_came_since_the_last_call() {
        let histogram = Histogram::default();
        assert_eq!(histogram.take_quantiles(), None);
        for _ in 0..98 {
            histogram.record(Duration::from_micros(5));
        }
        histogram.record(Duration::from_millis(1));
        histogram.record(Duration::from_millis(1));
        assert_eq!(histogram.take_quantiles(), Some((5, 1023)));
        assert_eq!(histogram.take_quantiles(), None);
    }
}
