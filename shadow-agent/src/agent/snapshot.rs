//! What a run counts at one moment, over all of its shards.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::run::{Run, ShardHandle};
use super::{Account, CaptureReport, ConnectionReport};
use crate::capture::FileCounters;
use crate::middleware::Middleware;
use crate::mirror::ledger::{OutputCounts, RequestCounts, ShardLedger};
use crate::status::Snapshot;
use crate::ui::Moment;

impl Run {
    /// The account at this moment, with what comparisons asked for themselves.
    pub(super) fn account(&self) -> Account {
        let mut account = self.account_of_mirrors();
        for (name, counts) in self.mirrors.extra() {
            account.outputs.push(name);
            account.requests.outputs.push(counts);
        }
        account
    }

    /// Counts of every slot, over all shards.
    pub(super) fn slots(&self) -> RequestCounts {
        let mut requests = ShardLedger::new(self.mirrors.slots()).snapshot();
        for shard in &self.shards {
            requests.add(&shard.ledger.snapshot());
        }
        requests
    }

    /// The account of production's requests at this moment.
    pub(super) fn account_of_mirrors(&self) -> Account {
        let requests = self.slots();
        let mut connections = ConnectionReport::default();
        let mut files: Option<FileCounters> = None;
        let mut vxlan = None;
        let mut inputs = BTreeMap::new();
        for shard in &self.shards {
            let report = shard.report.lock().unwrap_or_else(PoisonError::into_inner);
            connections.add(&report.connections);
            inputs.extend(report.input.clone());
            vxlan = vxlan.or(report.vxlan);
            if let Some(file) = report.file {
                files.get_or_insert_default().add(&file);
            }
        }
        let kernel = self.counters.as_ref().and_then(|counters| match counters.read() {
            Ok(counts) => Some(counts),
            Err(error) => {
                tracing::error!(%error, "cannot read the kernel's counters");
                None
            }
        });
        let shown = self.mirrors.shown();
        let outputs = shown.iter().map(|one| {
            let mut counts = OutputCounts::default();
            for slot in &one.slots {
                counts.add(&requests.outputs[*slot]);
            }
            counts
        });
        let requests = RequestCounts {
            seen: requests.seen,
            outputs: outputs.collect(),
        };
        Account {
            requests,
            outputs: shown.into_iter().map(|one| one.name).collect(),
            connections,
            capture: CaptureReport {
                kernel,
                files,
                vxlan,
                inputs,
                middleware: self.middleware.as_ref().map(Middleware::counters),
            },
            verdict: None,
        }
    }

    /// The part that is done, where every source has an end: the slowest's.
    fn progress(&self) -> Option<f64> {
        let done = |shard: &ShardHandle| {
            let report = shard.report.lock().unwrap_or_else(PoisonError::into_inner);
            report.progress.as_ref().map(|progress| progress.done())
        };
        let all: Option<Vec<f64>> = self.shards.iter().map(done).collect();
        all?.into_iter().min_by(f64::total_cmp)
    }

    pub(super) fn moment(&self) -> Moment {
        Moment {
            at: std::time::Instant::now(),
            stats: self.stats(),
            paused: self.operation.gate.is_paused(),
            progress: self.progress(),
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let account = self.account_of_mirrors();
        Snapshot {
            requests: account.requests,
            outputs: self.mirrors.status(),
            paused: self.operation.gate.is_paused(),
            capture_lost: account.capture.kernel.map_or(0, |kernel| kernel.lost_packets())
                + account.capture.vxlan.map_or(0, |vxlan| vxlan.lost),
            progress: self.progress(),
        }
    }
}
