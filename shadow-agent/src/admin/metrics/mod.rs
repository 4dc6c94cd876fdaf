//! `/metrics`: all that is counted, in the text format of `OpenMetrics` 1.0, which Prometheus reads.
//!
//! Nothing is registered ahead of time: an answer is made from one [`Snapshot`] by one [`Collector`], so that its
//! numbers are of one moment, and the ledger's equation holds in them too. Counters that the ledger has keep their
//! names there (`capture.packets_selected` is `shadow_agent_capture_packets_selected_total`). The number of series
//! is bounded: outputs by [`MAX_OUTPUTS`], comparisons likewise, pods by [`MAX_PODS`](crate::cluster_metrics::MAX_PODS), all else by what
//! this program can count.

mod compare;
mod family;
mod help;
mod ledger;
mod operation;
mod outputs;

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use self::family::Families;
use crate::cluster_metrics::ClusterCounts;
use crate::compare::counters::CompareCounts;
use crate::latency::LatencyCounts;
use crate::mirror::gate::PauseCause;
use crate::mirror::ledger::OutputCounts;
use crate::output::OutputStatus;

/// The media type of an answer.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Prefix of every name.
const PREFIX: &str = "shadow_agent";

/// Outputs with series of their own; the rest counts together as `other`. Each has about 70 series.
pub const MAX_OUTPUTS: usize = 200;

/// A run at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Requests whose start was seen.
    pub seen: u64,
    /// Each output: its name, its counts and its state.
    pub outputs: Vec<(String, OutputCounts, OutputStatus)>,
    /// The ledger's `connections` object.
    pub connections: serde_json::Value,
    /// The ledger's `capture` object.
    pub capture: serde_json::Value,
    /// Production's exchanges, where responses are captured.
    pub production: Option<LatencyCounts>,
    /// Each cause to pause: whether it holds, and for how long all together.
    pub pauses: Vec<(PauseCause, bool, Duration)>,
    /// Each condition of readiness.
    pub conditions: Vec<(String, bool)>,
    /// The CPU budget.
    pub cpu: CpuSnapshot,
    /// Counts of the cluster's inputs.
    pub cluster: ClusterCounts,
    /// Counts of each comparison, by output.
    pub comparisons: Vec<(String, CompareCounts)>,
    /// When the process started: time since the Unix epoch.
    pub started: Duration,
}

/// Processor time at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuSnapshot {
    /// CPU time used by the process.
    pub taken: Duration,
    /// Its budget, in CPUs.
    pub budget: Option<f64>,
    /// Share of the requests that is taken, from 0 to 1.
    pub share: f64,
}

/// Writes the answer.
///
/// # Errors
///
/// Where the encoder fails; a `String` takes all that it writes.
pub fn encode(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(snapshot.bounded().with_bounded_comparisons()));
    let mut answer = String::new();
    text::encode(&mut answer, &registry)?;
    Ok(answer)
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut families = Families(encoder);
        self.encode_ledger(&mut families)?;
        self.encode_outputs(&mut families)?;
        self.encode_comparisons(&mut families)?;
        self.encode_operation(&mut families)
    }
}

#[cfg(test)]
mod tests;
