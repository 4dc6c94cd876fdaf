//! How long the answers of one side took: a sparse histogram with logarithmic buckets, of one thread.
//!
//! 64 buckets to each power of two of microseconds: a value is told within 0.8%, and below 128 microseconds exactly. Only
//! buckets that were met take memory, [`BUCKETS`] at most: they are in order, and found by halves.

use std::time::Duration;

use super::document::{Interval, Latency, Quantiles};
use super::statistics::{Confidence, quantile_ranks, ratio};

#[cfg(test)]
mod tests;

/// Bits of the mantissa that tell buckets of one power of two apart.
const PRECISION: u32 = 6;
const STEPS: u64 = 1 << PRECISION;
/// The most buckets there are: to 12 days, which stand for all that is longer.
pub const BUCKETS: u16 = 35 << PRECISION;
/// The most buckets of a drawing.
const DRAWN: u16 = 96;

/// Counts latencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Each that was met, with its count, in ascending order.
    buckets: Vec<(u16, u64)>,
    count: u64,
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        *self.at_bucket(bucket(micros)) += 1;
        self.count += 1;
    }

    /// The count of a bucket, which has been met now.
    fn at_bucket(&mut self, bucket: u16) -> &mut u64 {
        let place = self.buckets.partition_point(|(other, _)| *other < bucket);
        if self.buckets.get(place).is_none_or(|(other, _)| *other != bucket) {
            self.buckets.insert(place, (bucket, 0));
        }
        &mut self.buckets[place].1
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.buckets {
            *self.at_bucket(*bucket) += count;
        }
        self.count += other.count;
    }

    /// How many are above so many microseconds, for sure.
    pub fn beyond(&self, micros: f64) -> u64 {
        let above = self.buckets.iter().rev();
        let above = above.take_while(|(bucket, _)| bounds(*bucket).0 as f64 > micros);
        above.map(|(_, count)| count).sum()
    }

    /// A quantile in microseconds; `None` where there are too few to give both ends of its interval.
    pub fn quantile(&self, quantile: f64, confidence: Confidence) -> Option<Interval> {
        let (low, high) = quantile_ranks(self.count, quantile, confidence)?;
        Some(self.between(quantile, low, high))
    }

    /// The quantiles that reports show. Where there are too few to give an end of an interval, the smallest or largest value
    /// stands for it.
    pub fn quantiles(&self) -> Quantiles {
        if self.count == 0 {
            return Quantiles::default();
        }
        let of = |quantile: f64| {
            let ranks = quantile_ranks(self.count, quantile, Confidence::NINETY_FIVE);
            let (low, high) = ranks.unwrap_or((1, self.count));
            self.between(quantile, low, high)
        };
        Quantiles {
            count: self.count,
            p50: of(0.5),
            p95: of(0.95),
            p99: of(0.99),
        }
    }

    /// The shadow's quantile to this, which is production's, with both raised to a floor (see [`ratio`]); `None` of too few.
    pub fn ratio(
        &self,
        shadow: &Self,
        quantile: f64,
        floor: Duration,
        confidence: Confidence,
    ) -> Option<Interval> {
        let production = self.quantile(quantile, confidence)?;
        let shadow = shadow.quantile(quantile, confidence)?;
        Some(ratio(production, shadow, floor.as_micros() as f64))
    }

    /// Upper bounds and counts for a drawing: at most [`DRAWN`] buckets without a gap between them, and an empty one before the
    /// first, for its lower bound.
    pub fn drawn(&self) -> Vec<(u64, u64)> {
        let (Some((first, _)), Some((last, _))) = (self.buckets.first(), self.buckets.last()) else {
            return Vec::new();
        };
        let mut shift = 0;
        while (last >> shift) - (first >> shift) >= DRAWN - 1 {
            shift += 1;
        }
        let (first, last) = (first >> shift, last >> shift);
        let upper = |group: u16| bounds(((group + 1) << shift) - 1).1;
        let mut drawn: Vec<_> = (first..=last).map(|group| (upper(group), 0)).collect();
        for (bucket, count) in &self.buckets {
            drawn[usize::from((bucket >> shift) - first)].1 += count;
        }
        if first > 0 {
            drawn.insert(0, (upper(first - 1), 0));
        }
        drawn
    }

    /// A quantile with the values of two ranks as its interval. The ends are those of their buckets.
    fn between(&self, quantile: f64, low: u64, high: u64) -> Interval {
        #[allow(clippy::cast_sign_loss)] // A share of a count is none below zero.
        let rank = ((self.count as f64 * quantile).ceil() as u64).clamp(1, self.count);
        let (below, above) = bounds(self.at(rank));
        Interval {
            value: u64::midpoint(below, above) as f64,
            low: bounds(self.at(low)).0 as f64,
            high: bounds(self.at(high)).1 as f64,
        }
    }

    /// The bucket of the value with this rank.
    fn at(&self, rank: u64) -> u16 {
        let mut sum = 0;
        let found = self.buckets.iter().find(|(_, count)| {
            sum += count;
            sum >= rank
        });
        found.map_or(BUCKETS - 1, |(bucket, _)| *bucket)
    }
}

/// Puts latencies in the document's form: those to the answer's last byte and to its first.
pub fn latency(last: &Histogram, first: &Histogram) -> Latency {
    Latency {
        last: last.quantiles(),
        first: first.quantiles(),
        buckets: last.drawn(),
    }
}

/// Values below [`STEPS`] have a bucket each; above, the bucket is the exponent and the leading bits.
fn bucket(micros: u64) -> u16 {
    if micros < STEPS {
        return micros as u16;
    }
    let exponent = u64::from(micros.ilog2() - PRECISION);
    let index = (exponent << PRECISION) + (micros >> exponent);
    index.min(u64::from(BUCKETS) - 1) as u16
}

/// The smallest and the largest value of a bucket.
fn bounds(bucket: u16) -> (u64, u64) {
    let bucket = u64::from(bucket);
    if bucket < STEPS {
        return (bucket, bucket);
    }
    let exponent = (bucket >> PRECISION) - 1;
    let mantissa = (bucket & (STEPS - 1)) + STEPS;
    (mantissa << exponent, ((mantissa + 1) << exponent) - 1)
}
