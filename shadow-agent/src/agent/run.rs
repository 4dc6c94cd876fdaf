//! A run under way: its shards' threads, its signals, and the account of it all.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::handing_over::{HandingOver, due};
use super::mirror_specs::MirrorSpecs;
use super::mirrors::Mirrors;
use super::operation::Operation;
use super::phase::Phase;
use super::plan_follower::ActivePlan;
use super::plans::{asked_for, tried_again};
use super::priority;
use super::reload::Pending;
use super::settings_file::{Reloading, loaded};
use super::shard::{ShardReport, ShardTask, Source};
use super::signals::{Hangup, Signals, hangup};
use super::stats::Stats;
use super::{Account, Control};
use crate::budget::MemoryBudget;
use crate::capture::{CaptureCounters, LiveCapture};
use crate::compare::Comparer;
use crate::kubernetes::{Cluster, Desired};
use crate::middleware::Middleware;
use crate::mirror::Limiter;
use crate::mirror::ledger::ShardLedger;
use crate::mirror::plan::Plan;
use crate::output::reader_gone;
use crate::report::{LedgerFile, VerdictFile};
use crate::settings::{Limit, OnExit, Settings};
use crate::status::{self, StatusLine};
use crate::ui::Ui;

/// How often the status line is drawn.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// The run ended because nobody read its standard output any more: no fault of its own, and no end that it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the reader of standard output has exited")]
pub struct ReaderGone;

/// A run under way.
pub(super) struct Run {
    pub(super) settings: Arc<Settings>,
    pub(super) mirrors: Mirrors,
    pub(super) comparer: Comparer,
    /// The plan in force, told to every shard.
    pub(super) plans: watch::Sender<Arc<ActivePlan>>,
    /// Dropped to end the capture.
    pub(super) capture: Option<LiveCapture>,
    pub(super) counters: Option<CaptureCounters>,
    /// Whether a source is anything but live capture and what others connect to.
    pub(super) has_files: bool,
    /// Whether an input waits for others to connect.
    pub(super) listens: bool,
    pub(super) operation: Operation,
    pub(super) middleware: Option<Middleware>,
    /// Other agents of this node, where one takes over from another.
    pub(super) hand_over: Option<HandingOver>,
    /// The screen, where it is taken.
    pub(super) ui: Option<Ui>,
    pub(super) shards: Vec<ShardHandle>,
    pub(super) phase: watch::Sender<Phase>,
    /// A shard sends on it when it ends: whether it read a ring, which has no end of its own.
    ended: mpsc::Receiver<bool>,
    ledger_file: Option<LedgerFile>,
    reports: Vec<VerdictFile>,
    pub(super) cluster: Option<Cluster>,
    /// Mirrors of the settings.
    pub(super) wanted: MirrorSpecs,
    /// The last configuration of the cluster.
    pub(super) desired: Arc<Desired>,
    /// The file that the settings came from.
    pub(super) reloading: Option<Reloading>,
    /// Settings that wait for the cluster.
    pub(super) pending: Option<Pending>,
    /// A configuration of the cluster that could not be applied, and when to retry.
    pub(super) retry: Option<(Instant, Arc<Desired>)>,
    /// Keys of the mirrors of routes that are in force.
    pub(super) routes: BTreeSet<String>,
    /// UIDs of the pods that are watched.
    pub(super) watched: BTreeSet<String>,
}

/// Parts that a run is started with.
pub(super) struct Parts {
    pub mirrors: Mirrors,
    pub comparer: Comparer,
    /// Mirrors of the settings, as in `plan`.
    pub wanted: MirrorSpecs,
    pub plan: Plan,
    pub capture: Option<LiveCapture>,
    pub cluster: Option<Cluster>,
    pub reloading: Option<Reloading>,
    /// Each with its limit, if it has one of its own.
    pub sources: Vec<(Source, Option<Limit>)>,
    pub ledger_file: Option<LedgerFile>,
    pub reports: Vec<VerdictFile>,
    pub operation: Operation,
    pub middleware: Option<Middleware>,
    pub hand_over: Option<HandingOver>,
}

pub(super) struct ShardHandle {
    /// `None` once joined.
    thread: Option<JoinHandle<anyhow::Result<()>>>,
    pub(super) ledger: ShardLedger,
    pub(super) report: Arc<Mutex<ShardReport>>,
    /// Generation of the plan that it follows.
    pub(super) followed: watch::Receiver<u64>,
}

impl Run {
    /// Starts a thread for each source.
    pub fn start(settings: &Arc<Settings>, parts: Parts) -> anyhow::Result<Self> {
        let Parts {
            mirrors,
            comparer,
            wanted,
            plan,
            capture,
            cluster,
            reloading,
            sources,
            ledger_file,
            reports,
            mut operation,
            middleware,
            hand_over,
        } = parts;
        let budget = MemoryBudget::new(settings.max_memory);
        let outputs = mirrors.outputs();
        let (plans, follow) = watch::channel(Arc::new(ActivePlan { plan, outputs }));
        let (phase, phases) = watch::channel(Phase::Running);
        let (ends, ended) = mpsc::channel(sources.len().max(1));
        let count = sources.len();
        let listening = settings.messages().filter(|(input, _)| input.listens()).count();
        let is_live = |source: &Source| matches!(source, Source::Ring(_) | Source::Vxlan(_));
        let live = sources.iter().filter(|(source, _)| is_live(source)).count();
        let has_files = live + listening < count;
        let mut shards = Vec::with_capacity(count);
        for (index, (source, limit)) in sources.into_iter().enumerate() {
            let ledger = ShardLedger::new(settings.outputs().count());
            let (tell, followed) = watch::channel(0);
            let report = Arc::new(Mutex::new(ShardReport::default()));
            let task = ShardTask {
                source,
                limit: limit.map(Limiter::new),
                settings: Arc::clone(settings),
                sources: count,
                plans: follow.clone(),
                followed: tell,
                ledger: ledger.clone(),
                budget: budget.clone(),
                report: Arc::clone(&report),
                operation: operation.for_shard(index),
                middleware: middleware.clone(),
                hand_over: hand_over.as_ref().map(HandingOver::shared),
                phase: phases.clone(),
            };
            let end = EndGuard {
                ends: ends.clone(),
                live: is_live(&task.source),
            };
            shards.push(ShardHandle {
                thread: Some(spawn(index, task, end)?),
                ledger,
                report,
                followed,
            });
        }
        let counters = capture.as_ref().map(LiveCapture::counters);
        operation.start();
        let mut run = Self {
            settings: Arc::clone(settings),
            mirrors,
            comparer,
            plans,
            capture,
            counters,
            has_files,
            listens: listening > 0,
            operation,
            middleware,
            hand_over,
            ui: None,
            shards,
            phase,
            ended,
            ledger_file,
            reports,
            cluster,
            wanted,
            desired: Arc::default(),
            reloading,
            pending: None,
            retry: None,
            routes: BTreeSet::new(),
            watched: BTreeSet::new(),
        };
        run.report_ready();
        run.report_on_hand_over();
        run.report_file();
        // Last: whoever asks finds everything in place.
        run.operation.serve()?;
        if settings.ui {
            let live = run.operation.live.clone();
            run.ui = Some(Ui::start(
                live,
                run.operation.orderer(),
                priority::lower_priority,
            )?);
        }
        Ok(run)
    }

    /// Follows the run to its end: the final account, and whether all went well. `ended`: it was told to end already.
    pub fn follow(
        mut self,
        control: Control,
        runtime: &Runtime,
        signals: Signals,
        ended: bool,
    ) -> (Account, anyhow::Result<()>) {
        if ended {
            self.leave();
        }
        let watched = runtime.block_on(self.watch(control, signals));
        let end = self.drained_by();
        // Whatever happened, no shard is left behind.
        self.phase
            .send_replace(Phase::Draining(Instant::now() + self.settings.shutdown_timeout));
        let mut ended = watched;
        for shard in &mut self.shards {
            let joined = match shard.thread.take().map(JoinHandle::join) {
                Some(Ok(result)) => result,
                Some(Err(_)) => Err(anyhow!("a shard's thread panicked: please report this bug")),
                None => Ok(()),
            };
            ended = ended.and(joined);
        }
        if let Some(middleware) = &self.middleware {
            // Before it is ended from here.
            let failed = middleware.failure();
            middleware.stop();
            if let Some(how) = failed {
                ended = ended.and(Err(anyhow!("the middleware exited: {how}")));
            }
        }
        let mut account = self.account();
        let compared = self.end_comparing(&mut account, end);
        ended = ended.and(compared);
        if let Some(document) = &account.verdict {
            for report in &mut self.reports {
                ended = ended.and(report.write(document));
            }
        }
        if let Some(file) = &mut self.ledger_file {
            ended = ended.and(file.write(&account.document()));
        }
        (account, ended)
    }

    /// Answers signals and draws the status line until every shard has ended.
    async fn watch(&mut self, control: Control, mut signals: Signals) -> anyhow::Result<()> {
        let mut stop = control.stop;
        let mut status = tokio::time::interval(STATUS_INTERVAL);
        let mut line = StatusLine::default();
        let mut counts = Stats::new(&self.settings.log.stats);
        let mut drawn = Instant::now();
        let on_terminal = self.ui.is_some() || self.settings.status_line && status::is_terminal();
        let mut middleware_gone = false;
        let mut ended = Ok(());
        let comparer = self.comparer.clone();
        let mut comparing_failed = false;
        let mut telling = tokio::time::interval(STATUS_INTERVAL);
        let mut running = self.shards.len();
        if let Some(capturing) = control.capturing {
            // The caller may have lost interest; the run has not.
            let _ = capturing.send(());
        }
        while running > 0 {
            tokio::select! {
                Some(of_ring) = self.ended.recv() => {
                    running -= 1;
                    if of_ring && *self.phase.borrow() == Phase::Running {
                        // Its connections would go on filling a ring that nobody reads.
                        tracing::error!("a shard failed: stopping");
                        self.stop();
                    }
                }
                _ = signals.interrupt.recv() => self.leave(),
                _ = signals.terminate.recv() => self.leave(),
                () = stopped(&mut stop) => {
                    stop = None;
                    self.leave();
                }
                () = due(self.hand_over.as_ref()) => self.next_of_hand_over(),
                _ = signals.report.recv() => self.write_ledger(),
                asked = hangup(&mut signals.hangup, signals.reloads) => match asked {
                    Hangup::Reload => self.reload_now(),
                    Hangup::End => self.leave(),
                },
                loaded = loaded(&mut self.reloading) => self.reload(loaded).await,
                desired = waited_for(&mut self.pending) => self.end_waiting(desired).await,
                desired = asked_for(&mut self.cluster) => self.follow_cluster(desired).await,
                desired = tried_again(&mut self.retry) => self.follow_cluster(desired).await,
                () = reader_gone(), if ended.is_ok() => {
                    ended = Err(ReaderGone.into());
                    if *self.phase.borrow() == Phase::Running {
                        self.stop();
                    }
                }
                how = gone(self.middleware.as_ref()), if !middleware_gone => {
                    middleware_gone = true;
                    self.middleware_ended(&how);
                }
                () = comparer.failed(), if !comparing_failed => {
                    comparing_failed = true;
                    self.report_comparing_failed();
                }
                event = self.operation.next() => self.steer(event),
                _ = telling.tick() => {
                    self.watch_comparing();
                    self.tell_comparer();
                }
                due = counts.next() => self.log_stats(&mut counts, due),
                _ = status.tick(), if on_terminal => if let Some(ui) = &self.ui {
                    ui.tell(self.moment());
                } else {
                    let elapsed = drawn.elapsed();
                    drawn = Instant::now();
                    let snapshot = self.snapshot();
                    status::draw(|width| line.next(snapshot, elapsed, width));
                }
            }
        }
        // Gives the screen back.
        self.ui = None;
        if on_terminal {
            status::clear();
        }
        ended
    }

    /// By when all that is under way is to be done with.
    fn drained_by(&self) -> Instant {
        match *self.phase.borrow() {
            Phase::Draining(by) => by,
            Phase::Running => Instant::now() + self.settings.shutdown_timeout,
        }
    }

    /// The middleware has ended, for whatever reason.
    fn middleware_ended(&mut self, how: &str) {
        let Some(middleware) = self.middleware.as_ref().filter(|one| !one.is_finishing()) else {
            return;
        };
        match middleware.on_exit() {
            OnExit::Bypass => tracing::error!("the middleware exited ({how}): continuing without it"),
            OnExit::Stop => self.stop(),
        }
    }

    /// Ends capture and lets the shards drain; a second time, lets them drain no longer.
    pub(super) fn stop(&mut self) {
        let now = Instant::now();
        self.report_ending();
        if *self.phase.borrow() == Phase::Running {
            tracing::info!(timeout = ?self.settings.shutdown_timeout, "stopping: requests in flight may finish");
            // First the kernel, then the shards: what the rings hold then is all there will be.
            drop(self.capture.take());
            self.phase
                .send_replace(Phase::Draining(now + self.settings.shutdown_timeout));
        } else {
            tracing::info!("stopping at once: requests in flight are dropped");
            self.phase.send_replace(Phase::Draining(now));
        }
    }

    fn write_ledger(&mut self) {
        let document = self.account().document();
        if let Some(file) = &mut self.ledger_file {
            match file.write(&document) {
                Ok(()) => tracing::info!("ledger written"),
                Err(error) => tracing::error!(error = format!("{error:#}"), "cannot write the ledger"),
            }
        } else {
            tracing::info!("SIGUSR1 has no effect without --ledger FILE");
        }
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

/// Resolves when the cluster that settings wait for has been read; never, where none do.
async fn waited_for(pending: &mut Option<Pending>) -> Arc<Desired> {
    match pending {
        Some(pending) => pending.ready().await,
        None => std::future::pending().await,
    }
}

/// Resolves when the caller ends the run; never, when there is none or it only went away.
async fn stopped(stop: &mut Option<oneshot::Receiver<()>>) {
    match stop {
        Some(receiver) => {
            if receiver.await.is_err() {
                *stop = None;
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    }
}

/// Resolves when the middleware has ended; never, where there is none.
async fn gone(middleware: Option<&Middleware>) -> String {
    match middleware {
        Some(middleware) => middleware.ended().await,
        None => std::future::pending().await,
    }
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
