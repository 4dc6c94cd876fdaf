//! The reporter of a run's counts at one moment, over all of its shards, as its readers want it: the ledger, the status line, the
//! terminal, the lines of `--stats`, the metrics.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::mirrors::Mirrors;
use super::operation::Operation;
use super::secrets::Secrets;
use super::shards::Shards;
use super::{Account, CaptureReport, ConnectionReport};
use crate::admin::metrics::Snapshot as Metrics;
use crate::capture::{CaptureCounters, FileCounters};
use crate::compare::live::LiveDocument;
use crate::middleware::Middleware;
use crate::mirror::gate::PauseCause;
use crate::mirror::ledger::{OutputCounts, RequestCounts};
use crate::status::{OutputStats, RunStats, Snapshot};
use crate::ui::Moment;

/// Everything of a run that counts.
#[derive(Clone, Copy)]
pub(super) struct Reporter<'a> {
    pub shards: &'a Shards,
    pub mirrors: &'a Mirrors,
    /// The kernel's counters, where there is live capture.
    pub counters: Option<&'a CaptureCounters>,
    pub secrets: &'a Secrets,
    pub middleware: Option<&'a Middleware>,
    pub operation: &'a Operation,
}

impl Reporter<'_> {
    /// The account at this moment, with what comparisons asked for themselves.
    pub fn account(self) -> Account {
        let mut account = self.account_of_mirrors();
        for (name, counts) in self.mirrors.extra() {
            account.outputs.push(name);
            account.requests.outputs.push(counts);
        }
        account
    }

    /// The account of production's requests at this moment.
    fn account_of_mirrors(self) -> Account {
        let requests = self.shards.counts(self.mirrors.slots());
        let mut connections = ConnectionReport::default();
        for report in self.shards.reports() {
            connections.add(&report.connections);
        }
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
            capture: self.capture(),
            verdict: None,
        }
    }

    /// Counts of the sources.
    pub fn capture(self) -> CaptureReport {
        let mut files: Option<FileCounters> = None;
        let mut vxlan = None;
        let mut inputs = BTreeMap::new();
        for report in self.shards.reports() {
            inputs.extend(report.input.clone());
            vxlan = vxlan.or(report.vxlan);
            if let Some(file) = report.file {
                files.get_or_insert_default().add(&file);
            }
        }
        let kernel = self.counters.and_then(|counters| match counters.read() {
            Ok(counts) => Some(counts),
            Err(error) => {
                tracing::error!(%error, "cannot read the kernel's counters");
                None
            }
        });
        CaptureReport {
            kernel,
            secrets: self.secrets.report(),
            files,
            vxlan,
            inputs,
            middleware: self.middleware.map(Middleware::counters),
        }
    }

    /// Counts for the terminal.
    pub fn moment(self) -> Moment {
        Moment {
            at: Instant::now(),
            stats: self.stats(),
            paused: self.operation.gate.is_paused(),
            progress: self.shards.progress(),
        }
    }

    /// Counts for the status line.
    pub fn snapshot(self) -> Snapshot {
        let account = self.account_of_mirrors();
        Snapshot {
            requests: account.requests,
            outputs: self.mirrors.status(),
            paused: self.operation.gate.is_paused(),
            capture_lost: account.capture.kernel.map_or(0, |kernel| kernel.lost_packets())
                + account.capture.vxlan.map_or(0, |vxlan| vxlan.lost),
            progress: self.shards.progress(),
        }
    }

    /// Counts for `--stats`.
    pub fn stats(self) -> RunStats {
        let account = self.account();
        let mut status: HashMap<usize, _> = self.mirrors.status().into_iter().collect();
        let shown = self.mirrors.shown();
        let outputs = shown.iter().zip(account.requests.outputs);
        RunStats {
            seen: account.requests.seen,
            capture_lost: account.capture.kernel.map_or(0, |kernel| kernel.lost_packets()),
            outputs: outputs
                .map(|(shown, counts)| OutputStats {
                    slot: shown.slots[0],
                    name: shown.name.clone(),
                    http: self.mirrors.is_http(shown.slots[0]),
                    counts,
                    status: status.remove(&shown.slots[0]).unwrap_or_default(),
                })
                .collect(),
        }
    }

    /// Counts for the metrics. `responses`: whether production's are captured.
    pub fn metrics(self, responses: bool) -> Metrics {
        let account = self.account();
        let document = account.document();
        let counts = account.requests.outputs.into_iter();
        // Those that have ended have counts, and no state any more.
        let mut status: HashMap<usize, _> = self.mirrors.status().into_iter().collect();
        let shown = self.mirrors.shown();
        let outputs = account
            .outputs
            .into_iter()
            .zip(counts)
            .zip(&shown)
            // Every node has every mirror of the cluster's routes, most of them without a pod there.
            .filter(|((_, counts), shown)| !shown.of_route || counts.seen > 0)
            .map(|((name, counts), shown)| {
                (name, counts, status.remove(&shown.slots[0]).unwrap_or_default())
            });
        let operation = self.operation;
        if let Some(live) = &operation.live {
            // The verdict is as old as the last scrape at most.
            live.glance();
        }
        Metrics {
            seen: account.requests.seen,
            outputs: outputs.collect(),
            connections: document.connections,
            capture: document.capture,
            production: responses.then(|| operation.production.counts()),
            pauses: PauseCause::ALL
                .map(|cause| {
                    let (now, total) = operation.gate.paused(cause);
                    (cause, now, total)
                })
                .into(),
            conditions: operation
                .readiness
                .conditions()
                .into_iter()
                .map(|(name, state)| (name, state.is_ok()))
                .collect(),
            cpu: operation.cpu_snapshot(),
            cluster: operation.cluster.counts(),
            comparisons: operation
                .live
                .iter()
                .flat_map(LiveDocument::counters)
                .map(|(output, counters)| (output, counters.counts()))
                .collect(),
            started: operation.started(),
        }
    }
}
