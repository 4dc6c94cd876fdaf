//! How long answers took, and how many there were a second.

use serde::{Deserialize, Serialize};
use shadow_core::latency::LatencyCounts;

use super::Interval;

/// Quantiles in microseconds: from the request's last byte to the answer's last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many.
    pub count: u64,
    /// Median.
    pub p50: Interval,
    /// 95th percentile.
    pub p95: Interval,
    /// 99th percentile.
    pub p99: Interval,
}

/// A distribution of latencies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// To the answer's last byte.
    pub last: Quantiles,
    /// To the answer's first byte.
    pub first: Quantiles,
    /// Upper bound in microseconds, and how many were within it and above the bucket before: to the last byte.
    pub buckets: Vec<(u64, u64)>,
}

/// A quantile at which an endpoint is slower than the rules allow, for sure. The intervals hold for all endpoints together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slow {
    /// Which one.
    pub at: SlowAt,
    /// The same as a share: 0.5 is the median.
    pub quantile: f64,
    /// Pairs with latencies of both sides.
    pub pairs: u64,
    /// Production's, in microseconds.
    pub production: Interval,
    /// The shadow's.
    pub shadow: Interval,
    /// The shadow's to production's, both raised to the floor of latencies.
    pub ratio: Interval,
}

/// A quantile that endpoints are judged at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlowAt {
    /// The median.
    P50,
    /// The 90th percentile.
    P90,
    /// The 99th percentile.
    P99,
    /// The highest quantile that the number of pairs allows.
    Tail,
}

/// Requests a second, on average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Requests to production, of what is to be compared.
    pub production: f64,
    /// Answers of the shadow.
    pub shadow: f64,
}

/// How long after production's requests, counted from when they were whole, the last bytes of their copies were written, in
/// microseconds: of all whose exchange has ended, since the start of the run. Each is at most 12.5 % too high.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyDelay {
    /// The median.
    pub p50_us: u64,
    /// The 99th percentile.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl CopyDelay {
    /// That of these counts; `None` where there are none.
    pub fn new(counts: &LatencyCounts) -> Option<Self> {
        let (p50_us, p99_us) = counts.quantiles_us()?;
        Some(Self {
            p50_us,
            p99_us,
            max_us: counts.longest_us()?,
        })
    }
}
