//! One metric with its help and all its series at a time, as `OpenMetrics` wants them written.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::latency::LatencyCounts;

/// Names and values of one series' labels.
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// The bounds of histograms are powers of two of microseconds, where the counts have bounds too: from this one,
/// 128 us,
const FIRST_BOUND: u32 = 7;
/// to this one, 33.6 s.
const LAST_BOUND: u32 = 25;

/// Where metrics are written. Each name is given once, with all its series.
pub(super) struct Families<'a>(pub DescriptorEncoder<'a>);

impl Families<'_> {
    /// A counter; its series end in `_total`.
    pub fn counter<'a>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'a>, u64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, series, |encoder, count| {
            encoder.encode_counter::<NoLabelSet, _, f64>(&count, None)
        })
    }

    /// A counter of time.
    pub fn seconds<'a>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, series, |encoder, seconds| {
            encoder.encode_counter::<NoLabelSet, _, f64>(&seconds, None)
        })
    }

    /// A gauge.
    pub fn gauge<'a>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, series, |encoder, value| {
            encoder.encode_gauge(&value)
        })
    }

    /// A histogram of seconds.
    pub fn histogram<'a>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'a>, &'a LatencyCounts)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Histogram, series, |encoder, counts| {
            let sum = counts.sum().as_secs_f64();
            encoder.encode_histogram::<NoLabelSet>(sum, counts.count(), &buckets(counts), None)
        })
    }

    /// A series that is always 1 and says everything by its labels.
    pub fn info(&mut self, name: &str, help: &str, labels: &Labels<'_>) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Info)?
            .encode_info(labels)
    }

    fn family<'a, V>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        series: impl IntoIterator<Item = (Labels<'a>, V)>,
        write: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in series {
            if labels.is_empty() {
                write(&mut encoder, value)?;
            } else {
                write(&mut encoder.encode_family(&labels)?, value)?;
            }
        }
        Ok(())
    }
}

/// Upper bounds in seconds, and how many are in each bucket alone.
fn buckets(counts: &LatencyCounts) -> Vec<(f64, u64)> {
    let mut below = 0;
    let mut buckets: Vec<_> = (FIRST_BOUND..=LAST_BOUND)
        .map(|exponent| {
            let micros = 1 << exponent;
            // One microsecond less is a bound of the counts: nothing slower is among them.
            let at_most = counts.at_most(Duration::from_micros(micros - 1));
            let count = at_most - below;
            below = at_most;
            (Duration::from_micros(micros).as_secs_f64(), count)
        })
        .collect();
    // Written as +Inf.
    buckets.push((f64::INFINITY, counts.count() - below));
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::LatencyHistogram;

    #[test]
    fn buckets_share_out_all_exchanges() {
        let histogram = LatencyHistogram::default();
        for micros in [1, 127, 128, 1_000, 33_000_000, 60_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let buckets = buckets(&histogram.counts());
        assert_eq!(buckets[0], (0.000_128, 2));
        assert_eq!(buckets[1], (0.000_256, 1));
        assert_eq!(buckets[3], (0.001_024, 1));
        assert_eq!(buckets[18], (33.554_432, 1));
        assert_eq!(buckets[19], (f64::INFINITY, 1));
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 6);
    }
}
