//! The account of a run: what its shards and its capture counted, put together.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::capture::{CaptureCounts, FileCounters, VxlanCounts};
use crate::compare::document::Document;
use crate::middleware::MiddlewareCounters;
use crate::mirror::StreamCounters;
use crate::mirror::ledger::RequestCounts;
use crate::report::LedgerDocument;
use crate::tcp::ConnectionCounters;

/// The account of a run, at its end or at any moment.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Requests and their outcomes.
    pub requests: RequestCounts,
    /// Names of the outputs, in the order of their counts.
    pub outputs: Vec<String>,
    /// What became of the connections.
    pub connections: ConnectionReport,
    /// What capture could and could not copy.
    pub capture: CaptureReport,
    /// What comparing came to, at the end of a run that does.
    pub verdict: Option<Box<Document>>,
}

/// What became of the connections: the ledger's `connections` object.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ConnectionReport {
    /// The connection table's counts.
    #[serde(flatten)]
    pub table: ConnectionCounters,
    /// What the connections carried besides whole requests.
    #[serde(flatten)]
    pub streams: StreamCounters,
}

impl ConnectionReport {
    /// Adds another shard's counts.
    pub fn add(&mut self, other: &ConnectionReport) {
        self.table.add(&other.table);
        self.streams.add(&other.streams);
    }
}

/// What the capture sources count: the ledger's `capture` object.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CaptureReport {
    /// The kernel programs' counters, over all CPUs, where there is live capture.
    #[serde(flatten)]
    pub kernel: Option<CaptureCounts>,
    /// What the capture files held, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<FileCounters>,
    /// What became of VXLAN datagrams, where there is a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vxlan: Option<VxlanCounts>,
    /// What inputs of whole messages say of themselves, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
    /// What passed through the middleware, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub middleware: Option<MiddlewareCounters>,
}

impl Account {
    /// The ledger's document of this account.
    pub fn document(&self) -> LedgerDocument {
        LedgerDocument::new(
            &self.outputs,
            self.requests.clone(),
            serde_json::to_value(self.connections).unwrap_or_default(),
            serde_json::to_value(&self.capture).unwrap_or_default(),
        )
    }
}
