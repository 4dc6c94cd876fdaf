//! The shards of a run: their threads, started together, told the run's phase, and joined at its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::handing_over::HandingOver;
use super::operation::Operation;
use super::phase::Phase;
use super::plan_follower::ActivePlan;
use super::secrets::Secrets;
use super::shard::{ShardReport, ShardTask, Source};
use crate::budget::MemoryBudget;
use crate::middleware::Middleware;
use crate::mirror::Limiter;
use crate::mirror::ledger::{RequestCounts, ShardLedger};
use crate::settings::{Limit, Settings};

/// How long shards may take to go over to another plan; they do at their next tick, a tenth of a second away.
const MAX_FOLLOWING: Duration = Duration::from_millis(500);

/// The shards of a run.
pub(super) struct Shards {
    handles: Vec<ShardHandle>,
    phase: watch::Sender<Phase>,
    /// A shard sends on it when it ends: whether it read live capture, which has no end of its own.
    ended: mpsc::Receiver<bool>,
    /// Those that have not ended.
    alive: usize,
}

struct ShardHandle {
    /// `None` once joined.
    thread: Option<JoinHandle<anyhow::Result<()>>>,
    ledger: ShardLedger,
    report: Arc<Mutex<ShardReport>>,
    /// Generation of the plan that it follows.
    followed: watch::Receiver<u64>,
}

impl ShardHandle {
    fn report(&self) -> MutexGuard<'_, ShardReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shards {
    /// Starts a thread for each source, with its limit if it has one of its own. They follow `plans`.
    pub fn start(
        settings: &Arc<Settings>,
        sources: Vec<(Source, Option<Limit>)>,
        secrets: &Secrets,
        plans: &watch::Receiver<Arc<ActivePlan>>,
        operation: &Operation,
        middleware: Option<&Middleware>,
        hand_over: Option<&HandingOver>,
    ) -> anyhow::Result<Self> {
        let budget = MemoryBudget::new(settings.max_memory);
        let (phase, phases) = watch::channel(Phase::Running);
        let count = sources.len();
        let (ends, ended) = mpsc::channel(count.max(1));
        let mut handles = Vec::with_capacity(count);
        for (index, (source, limit)) in sources.into_iter().enumerate() {
            let ledger = ShardLedger::new(settings.outputs().count());
            let (tell, followed) = watch::channel(0);
            let report = Arc::new(Mutex::new(ShardReport::default()));
            let end = EndGuard {
                ends: ends.clone(),
                live: source.is_live(),
            };
            let reads_tls = source.reads_tls(settings);
            let task = ShardTask {
                source,
                tls: reads_tls.then(|| (secrets.store().clone(), secrets.limits())),
                limit: limit.map(Limiter::new),
                settings: Arc::clone(settings),
                sources: count,
                plans: plans.clone(),
                followed: tell,
                ledger: ledger.clone(),
                budget: budget.clone(),
                report: Arc::clone(&report),
                operation: operation.for_shard(index),
                middleware: middleware.cloned(),
                hand_over: hand_over.map(HandingOver::shared),
                phase: phases.clone(),
            };
            handles.push(ShardHandle {
                thread: Some(spawn(index, task, end)?),
                ledger,
                report,
                followed,
            });
        }
        Ok(Self {
            handles,
            phase,
            ended,
            alive: count,
        })
    }

    /// Whether the run has not been told to end.
    pub fn is_running(&self) -> bool {
        *self.phase.borrow() == Phase::Running
    }

    /// Whether any of them has not ended.
    pub fn any_alive(&self) -> bool {
        self.alive > 0
    }

    /// Resolves when one has ended: whether it read live capture. May be dropped and called again.
    pub async fn next_end(&mut self) -> Option<bool> {
        let live = self.ended.recv().await?;
        self.alive -= 1;
        Some(live)
    }

    /// Has them end: what is under way may take until `deadline`.
    pub fn drain(&self, deadline: Instant) {
        self.phase.send_replace(Phase::Draining(deadline));
    }

    /// By when all that is under way is to be done with, if the run was told to end.
    pub fn deadline(&self) -> Option<Instant> {
        match *self.phase.borrow() {
            Phase::Draining(deadline) => Some(deadline),
            Phase::Running => None,
        }
    }

    /// Waits until all have ended: the first error of any.
    pub fn join(&mut self) -> anyhow::Result<()> {
        let mut ended = Ok(());
        for shard in &mut self.handles {
            let joined = match shard.thread.take().map(JoinHandle::join) {
                Some(Ok(result)) => result,
                Some(Err(_)) => Err(anyhow!("a shard's thread panicked: please report this bug")),
                None => Ok(()),
            };
            ended = ended.and(joined);
        }
        ended
    }

    /// Waits until all follow the plan of that generation.
    pub async fn followed(&mut self, generation: u64) {
        let all = async {
            for shard in &mut self.handles {
                // One that has failed has closed it.
                let _ = shard.followed.wait_for(|followed| *followed >= generation).await;
            }
        };
        // A shard that is held up is not waited for any longer: signals and orders wait meanwhile.
        let _ = tokio::time::timeout(MAX_FOLLOWING, all).await;
    }

    pub fn ledgers(&self) -> Vec<ShardLedger> {
        self.handles.iter().map(|shard| shard.ledger.clone()).collect()
    }

    /// Counts of so many slots, over all shards.
    pub fn counts(&self, slots: usize) -> RequestCounts {
        let mut counts = ShardLedger::new(slots).snapshot();
        for shard in &self.handles {
            counts.add(&shard.ledger.snapshot());
        }
        counts
    }

    pub fn nothing_in_flight(&self) -> bool {
        self.handles.iter().all(|shard| {
            let counts = shard.ledger.snapshot();
            counts.outputs.iter().all(|output| output.in_flight == 0)
        })
    }

    /// The last report of each.
    pub fn reports(&self) -> impl Iterator<Item = MutexGuard<'_, ShardReport>> {
        self.handles.iter().map(ShardHandle::report)
    }

    /// The part that is done, where every source has an end: the slowest's.
    pub fn progress(&self) -> Option<f64> {
        let done = |shard: &ShardHandle| shard.report().progress.as_ref().map(|progress| progress.done());
        let all: Option<Vec<f64>> = self.handles.iter().map(done).collect();
        all?.into_iter().min_by(f64::total_cmp)
    }
}

/// Starts the thread of a shard.
fn spawn(index: usize, task: ShardTask, end: EndGuard) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    std::thread::Builder::new()
        .name(format!("shard-{index}"))
        .spawn(move || {
            let _end = end;
            task.run()
        })
        .context("cannot start a shard's thread")
}

/// Says that a shard ended, by whichever way it did.
struct EndGuard {
    ends: mpsc::Sender<bool>,
    live: bool,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        // One place for each shard: it cannot be full.
        let _ = self.ends.try_send(self.live);
    }
}
