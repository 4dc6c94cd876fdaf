//! The operation of a run from outside: its HTTP port, its term, its CPU budget; and the handles that tell of it.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::cpu::{CpuBudget, process_time};
use crate::admin::metrics::CpuSnapshot;
use crate::admin::{Desk, MAX_ORDERS, Order, Readiness, Server};
use crate::cluster_metrics::ClusterMetrics;
use crate::compare::live::LiveDocument;
use crate::health::{Health, Heart};
use crate::kubernetes::ClusterHooks;
use crate::latency::LatencyHistogram;
use crate::listen::bind;
use crate::mirror::gate::{Gate, PauseCause, WHOLE};
use crate::settings::{AdminSettings, OperationSettings};

/// How often processor time is measured.
const MEASURE: Duration = Duration::from_secs(1);
/// Time between two log lines about the CPU budget.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The HTTP port, the term and the CPU budget of a run, with handles that report to them. The handles are cheap to clone and hand on.
pub(super) struct Operation {
    /// Asked for every request.
    pub gate: Gate,
    /// Told by whatever may be unable to do what it is for.
    pub readiness: Readiness,
    /// Told by every shard.
    pub health: Health,
    /// Production's exchanges.
    pub production: Arc<LatencyHistogram>,
    /// Filled by a cluster's inputs.
    pub cluster: ClusterMetrics,
    /// The live comparison, if any.
    pub live: Option<LiveDocument>,
    port: Option<Port>,
    orders: mpsc::Receiver<Order>,
    orderer: mpsc::Sender<Order>,
    expire_after: Option<Duration>,
    /// When the term ends.
    expires: Option<Instant>,
    exit_after: Option<Duration>,
    /// When the run ends.
    exits: Option<Instant>,
    cpu: Option<Keeping>,
    started: Duration,
}

/// The HTTP port.
enum Port {
    /// Bound, and not served yet.
    Bound(TcpListener, Desk),
    /// Served until dropped.
    Served(#[allow(dead_code, reason = "held for its end")] Server),
}

/// The CPU budget being kept.
struct Keeping {
    budget: CpuBudget,
    /// When processor time was measured last, and what it was.
    measured: (Instant, Duration),
    /// Until when capture rests.
    resting: Option<Instant>,
    /// When a line about it may be logged again.
    log_from: Instant,
}

/// Something the run has to see to.
pub(super) enum Event {
    /// The HTTP port asks.
    Order(Order),
    /// The term is over.
    Expired,
    /// The run has lasted as long as it shall.
    Exit,
    /// So many CPUs were used in the last second.
    Used(f64),
    /// Capture has rested.
    Rested,
}

impl Operation {
    /// Binds the port, if there is to be one. `live` is there where something is compared.
    pub fn prepare(settings: &OperationSettings, live: Option<LiveDocument>) -> anyhow::Result<Self> {
        let gate = Gate::default();
        let readiness = Readiness::default();
        let health = Health::default();
        let (orders, inbox) = mpsc::channel(MAX_ORDERS);
        let mut operation = Self {
            port: None,
            orders: inbox,
            orderer: orders.clone(),
            expire_after: settings.expire_after,
            expires: None,
            exit_after: settings.exit_after,
            exits: None,
            cpu: settings.max_cpu_millis.map(Keeping::new),
            started: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            production: Arc::default(),
            cluster: ClusterMetrics::default(),
            live,
            gate,
            readiness,
            health,
        };
        if let Some(AdminSettings { listen, token }) = &settings.admin {
            let listener = bind("--http-listen", *listen)?;
            let desk = Desk {
                health: operation.health.clone(),
                readiness: operation.readiness.clone(),
                gate: operation.gate.clone(),
                orders,
                token: token.clone(),
                live: operation.live.clone(),
            };
            operation.port = Some(Port::Bound(listener, desk));
        }
        Ok(operation)
    }

    /// Serves the port from now on, on a thread of its own.
    pub fn serve(&mut self) -> anyhow::Result<()> {
        self.port = match self.port.take() {
            Some(Port::Bound(listener, desk)) => {
                let server = Server::start(listener, desk, super::priority::lower_priority)?;
                tracing::info!(address = %server.address(), "serving HTTP");
                Some(Port::Served(server))
            }
            other => other,
        };
        Ok(())
    }

    /// Capture has started: what is counted from it begins.
    pub fn start(&mut self) {
        self.exits = self.exit_after.map(|after| Instant::now() + after);
        self.start_term();
    }

    /// Starts the term, or another one.
    pub fn start_term(&mut self) {
        self.expires = self.expire_after.map(|term| Instant::now() + term);
    }

    /// Takes another term, from now on, and another budget where they differ. Whether capture rested for the budget before,
    /// and need no more.
    pub fn change(&mut self, before: &OperationSettings, now: &OperationSettings) -> bool {
        if before.expire_after != now.expire_after {
            self.expire_after = now.expire_after;
            self.start_term();
        }
        if before.max_cpu_millis == now.max_cpu_millis {
            return false;
        }
        let budget = now.max_cpu_millis.map(Keeping::new);
        let rested =
            std::mem::replace(&mut self.cpu, budget).is_some_and(|keeping| keeping.resting.is_some());
        self.gate.set_share(WHOLE);
        if rested {
            self.gate.resume(PauseCause::Cpu);
        }
        rested
    }

    /// Whether anybody could resume what is paused.
    pub fn has_port(&self) -> bool {
        self.port.is_some()
    }

    /// To give orders to the run by.
    pub fn orderer(&self) -> mpsc::Sender<Order> {
        self.orderer.clone()
    }

    /// The term's length.
    pub fn term(&self) -> Option<Duration> {
        self.expire_after
    }

    /// Handles for a shard's thread.
    pub fn for_shard(&self, index: usize) -> ShardOperation {
        ShardOperation {
            gate: self.gate.clone(),
            production: Arc::clone(&self.production),
            heart: self.health.watch(format!("shard-{index}")),
            seed: index as u64 + 1,
        }
    }

    /// Handles for the thread that watches a cluster.
    pub fn for_cluster(&self) -> ClusterHooks {
        ClusterHooks {
            metrics: self.cluster.clone(),
            heart: self.health.watch("kubernetes"),
            lower_priority: super::priority::lower_priority,
        }
    }

    /// The next thing to see to. May be dropped and called again: nothing is lost.
    pub async fn next(&mut self) -> Event {
        let (expires, exits) = (self.expires, self.exits);
        let Self { orders, cpu, .. } = self;
        tokio::select! {
            Some(order) = orders.recv() => Event::Order(order),
            () = until(expires) => {
                self.expires = None;
                Event::Expired
            }
            () = until(exits) => {
                self.exits = None;
                Event::Exit
            }
            event = next_of_cpu(cpu) => event,
        }
    }

    /// Keeps the CPU budget: for how long capture shall rest, if it shall.
    pub fn used(&mut self, cpus: f64) -> Option<Duration> {
        self.cpu.as_mut()?.used(cpus, &self.gate)
    }

    /// Processor time, for the metrics.
    pub fn cpu_snapshot(&self) -> CpuSnapshot {
        CpuSnapshot {
            taken: process_time(),
            budget: self.cpu.as_ref().map(|keeping| keeping.budget.cpus()),
            share: self.gate.share() as f64 / WHOLE as f64,
        }
    }

    /// When the process started, in Unix time.
    pub fn started(&self) -> Duration {
        self.started
    }
}

/// Handles of a shard's thread.
pub(super) struct ShardOperation {
    pub gate: Gate,
    pub production: Arc<LatencyHistogram>,
    pub heart: Heart,
    pub seed: u64,
}

impl Keeping {
    fn new(millis: u32) -> Self {
        let now = Instant::now();
        Self {
            budget: CpuBudget::new(millis),
            measured: (now, process_time()),
            resting: None,
            log_from: now,
        }
    }

    fn used(&mut self, cpus: f64, gate: &Gate) -> Option<Duration> {
        use super::cpu::Step;
        let before = gate.share();
        let now = Instant::now();
        match self.budget.measured(cpus) {
            Step::Share(share) => {
                gate.set_share(share);
                if share < before && now >= self.log_from {
                    self.log_from = now + LOG_INTERVAL;
                    tracing::warn!(
                        used_cpus = format!("{cpus:.2}"),
                        budget_cpus = self.budget.cpus(),
                        mirrored_percent = share * 100 / WHOLE,
                        "over --max-cpu: some requests are skipped and counted as limited"
                    );
                } else if share == WHOLE && before < WHOLE {
                    tracing::info!("within --max-cpu again: all requests are mirrored");
                }
                None
            }
            Step::Rest(rest) => {
                self.resting = Some(now + rest);
                tracing::warn!(
                    used_cpus = format!("{cpus:.2}"),
                    budget_cpus = self.budget.cpus(),
                    ?rest,
                    "capture alone exceeds --max-cpu: pausing capture"
                );
                Some(rest)
            }
        }
    }

    /// Measures CPU use since the last time, in CPUs.
    fn measure(&mut self) -> f64 {
        let (at, taken) = self.measured;
        self.measured = (Instant::now(), process_time());
        let elapsed = (self.measured.0 - at).as_secs_f64().max(f64::EPSILON);
        self.measured.1.saturating_sub(taken).as_secs_f64() / elapsed
    }
}

async fn next_of_cpu(cpu: &mut Option<Keeping>) -> Event {
    let Some(keeping) = cpu else {
        return std::future::pending().await;
    };
    if let Some(end) = keeping.resting {
        sleep_until(end).await;
        keeping.resting = None;
        // What the rest took is not measured.
        keeping.measure();
        return Event::Rested;
    }
    sleep_until(keeping.measured.0 + MEASURE).await;
    Event::Used(keeping.measure())
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}
