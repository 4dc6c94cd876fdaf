//! The account of a run: what its shards and its capture counted, put together.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::secrets::SecretsReport;
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
    /// Counts of connections.
    pub connections: ConnectionReport,
    /// Counts of captured and lost packets.
    pub capture: CaptureReport,
    /// The verdict, at the end of a run that compares.
    pub verdict: Option<Box<Document>>,
}

/// Counts of connections: the ledger's `connections` object.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ConnectionReport {
    /// The connection table's counts.
    #[serde(flatten)]
    pub table: ConnectionCounters,
    /// Counts of everything besides complete requests.
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

/// Counts of capture sources: the ledger's `capture` object.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CaptureReport {
    /// The kernel programs' counters, over all CPUs, where there is live capture.
    #[serde(flatten)]
    pub kernel: Option<CaptureCounts>,
    /// Counts of secrets of TLS, if any are taken or read.
    #[serde(flatten)]
    pub secrets: Option<SecretsReport>,
    /// Counts of capture files, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<FileCounters>,
    /// Counts of VXLAN datagrams, if there is a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vxlan: Option<VxlanCounts>,
    /// Reports of inputs of whole messages, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
    /// Counts of the middleware, if there is one.
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
