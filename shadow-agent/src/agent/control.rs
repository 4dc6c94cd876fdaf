//! A run answers what comes from outside: orders of its HTTP port, the end of its term, its CPU budget.

use std::collections::HashMap;

use super::operation::Event;
use super::phase::Phase;
use super::run::Run;
use crate::admin::Order;
use crate::admin::metrics::Snapshot;
use crate::compare::live::LiveDocument;
use crate::kubernetes::{CGROUPS, Condition, Desired};
use crate::mirror::gate::PauseCause;
use crate::status::{OutputStats, RunStats};

/// The condition of live capture.
const CAPTURE: &str = "capture";
/// The condition of what a cluster asks for.
const CLUSTER: &str = "cluster";
/// The condition of capture files.
const FILES: &str = "files";
/// The condition of inputs that others connect to.
const LISTENING: &str = "listening";

impl Run {
    /// Sees to one event.
    pub(super) fn steer(&mut self, event: Event) {
        match event {
            Event::Order(Order::Pause(answer)) => {
                tracing::info!("paused: nothing is captured or sent until POST /resume");
                self.operation.gate.pause(PauseCause::Asked);
                // Whoever asked may have gone; the order holds all the same.
                let _ = answer.send(self.follow_gate());
            }
            Event::Order(Order::Resume(answer)) => {
                let _ = answer.send(self.resume());
            }
            Event::Order(Order::Count(answer)) => {
                let _ = answer.send(Box::new(self.count()));
            }
            Event::Expired => self.expire(),
            Event::Exit => {
                if *self.phase.borrow() == Phase::Running {
                    tracing::info!("the time of --exit-after has passed");
                    self.stop();
                }
            }
            Event::Used(cpus) => {
                // A pause costs nothing and says nothing of what capture would.
                if !self.operation.gate.is_paused() && self.operation.used(cpus).is_some() {
                    self.operation.gate.pause(PauseCause::Cpu);
                    self.log_gate();
                }
            }
            Event::Rested => {
                self.operation.gate.resume(PauseCause::Cpu);
                self.log_gate();
            }
        }
    }

    /// Says that the run does what it is for.
    pub(super) fn report_ready(&self) {
        let readiness = &self.operation.readiness;
        if self.counters.is_some() {
            readiness.set(CAPTURE, Ok(()));
        }
        if self.has_files {
            readiness.set(FILES, Ok(()));
        }
        if self.listens {
            readiness.set(LISTENING, Ok(()));
        }
        self.report_comparing();
        if self.settings.kubernetes.is_some() {
            readiness.set(
                CLUSTER,
                Err("the Kubernetes API has not responded yet".to_owned()),
            );
        }
    }

    /// Says how the inputs from a cluster do.
    pub(super) fn report_on_cluster(&self, desired: &Desired) {
        let readiness = &self.operation.readiness;
        for (name, condition) in &desired.conditions {
            match condition {
                Condition::Good => readiness.set(name.clone(), Ok(())),
                Condition::Remark(why) | Condition::Idle(why) => {
                    readiness.set_idle(name.clone(), why.clone());
                }
                Condition::Bad(why) => readiness.set(name.clone(), Err(why.clone())),
            }
        }
        if !desired.conditions.contains_key(CGROUPS) {
            readiness.remove(CGROUPS);
        }
    }

    /// Says whether what the cluster asks for is had.
    pub(super) fn report_on_following(&self, followed: Result<(), String>) {
        self.operation.readiness.set(CLUSTER, followed);
    }

    /// Says that the run is ending.
    pub(super) fn report_ending(&self) {
        for (name, is_here) in [
            (CAPTURE, self.counters.is_some()),
            (FILES, self.has_files),
            (LISTENING, self.listens),
        ] {
            if is_here {
                let state = Err("the agent is stopping".to_owned());
                self.operation.readiness.set(name, state);
            }
        }
    }

    fn resume(&mut self) -> Result<(), String> {
        if *self.phase.borrow() != Phase::Running {
            return Err("the agent is stopping".to_owned());
        }
        let gate = self.operation.gate.clone();
        let before: Vec<_> = gate.causes().collect();
        gate.resume(PauseCause::Asked);
        gate.resume(PauseCause::Expired);
        let followed = self.follow_gate();
        if followed.is_ok() {
            self.operation.start_term();
            tracing::info!("resumed");
        } else {
            // What is not captured shall not look as if it were.
            for cause in before {
                gate.pause(cause);
            }
        }
        followed
    }

    fn expire(&mut self) {
        let term = self.operation.term().unwrap_or_default();
        if *self.phase.borrow() != Phase::Running {
            return;
        }
        if !self.operation.has_port() && self.ui.is_none() {
            tracing::info!(?term, "expired: the period of --expire-after has ended");
            return self.stop();
        }
        tracing::info!(?term, "expired: paused until POST /resume starts a new period");
        self.operation.gate.pause(PauseCause::Expired);
        self.log_gate();
    }

    /// Makes capture as the gate has it.
    fn follow_gate(&mut self) -> Result<(), String> {
        let Some(capture) = &mut self.capture else {
            return Ok(());
        };
        let followed = if self.operation.gate.is_paused() {
            capture.pause()
        } else {
            capture.resume()
        }
        .map_err(|error| error.to_string());
        self.operation.readiness.set(CAPTURE, followed.clone());
        followed
    }

    pub(super) fn log_gate(&mut self) {
        if let Err(error) = self.follow_gate() {
            tracing::error!(error, "cannot change capture");
        }
    }

    /// Counts for `--stats`.
    pub(super) fn stats(&self) -> RunStats {
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

    /// All that is counted at this moment.
    fn count(&self) -> Snapshot {
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
        let operation = &self.operation;
        if let Some(live) = &operation.live {
            // The word is as old as the last scrape at most.
            live.glance();
        }
        Snapshot {
            seen: account.requests.seen,
            outputs: outputs.collect(),
            connections: document.connections,
            capture: document.capture,
            production: self
                .settings
                .capture
                .responses
                .then(|| operation.production.counts()),
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
