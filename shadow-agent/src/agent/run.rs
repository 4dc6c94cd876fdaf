//! A run under way: it puts the parts together, and passes on to them what comes from outside.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::capture_switch::CaptureSwitch;
use super::cluster_follower::{ClusterFollower, end_in_background};
use super::comparison_feed::ComparisonFeed;
use super::conditions::SourceConditions;
use super::handing_over::{HandingOver, Next, due};
use super::mirror_specs::MirrorSpecs;
use super::mirrors::Mirrors;
use super::operation::{Event, Operation};
use super::plan_applier::PlanApplier;
use super::priority;
use super::reload::{Change, News, Pending, Reloader};
use super::reporter::Reporter;
use super::secrets::Secrets;
use super::settings_file::{Loaded, Reloading};
use super::shard::Source;
use super::shards::Shards;
use super::signals::{Hangup, Signals, hangup};
use super::stats::Stats;
use super::{Account, Control};
use crate::admin::Order;
use crate::capture::{CaptureCounters, LiveCapture};
use crate::compare::Comparer;
use crate::kubernetes::{Cluster, Desired};
use crate::middleware::Middleware;
use crate::mirror::gate::PauseCause;
use crate::mirror::plan::Plan;
use crate::output::reader_gone;
use crate::report::{LedgerFile, VerdictFile};
use crate::settings::{Limit, OnExit, ReadSettings, Settings};
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
    settings: Arc<Settings>,
    shards: Shards,
    plans: PlanApplier,
    cluster: ClusterFollower,
    reload: Reloader,
    capture: CaptureSwitch,
    /// Readable even when capture has ended.
    counters: Option<CaptureCounters>,
    conditions: SourceConditions,
    operation: Operation,
    comparisons: ComparisonFeed,
    middleware: Option<Middleware>,
    /// Other agents of this node, where one takes over from another.
    hand_over: Option<HandingOver>,
    /// The screen, where it is taken.
    ui: Option<Ui>,
    ledger_file: Option<LedgerFile>,
    reports: Vec<VerdictFile>,
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
    pub secrets: Secrets,
    pub ledger_file: Option<LedgerFile>,
    pub reports: Vec<VerdictFile>,
    pub operation: Operation,
    pub middleware: Option<Middleware>,
    pub hand_over: Option<HandingOver>,
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
            secrets,
            ledger_file,
            reports,
            mut operation,
            middleware,
            hand_over,
        } = parts;
        let readiness = operation.readiness.clone();
        let live = wanted.live.clone();
        let plans = PlanApplier::new(
            mirrors,
            wanted,
            plan,
            readiness.clone(),
            operation.cluster.clone(),
        );
        let counters = capture.as_ref().map(LiveCapture::counters);
        let conditions = SourceConditions::new(
            settings,
            capture.is_some(),
            sources.iter().map(|(source, _)| source),
            readiness.clone(),
        );
        let shards = Shards::start(
            settings,
            sources,
            &secrets,
            &plans.subscribe(),
            &operation,
            middleware.as_ref(),
            hand_over.as_ref(),
        )?;
        operation.start();
        let mut run = Self {
            settings: Arc::clone(settings),
            shards,
            plans,
            cluster: ClusterFollower::new(cluster, readiness.clone()),
            reload: Reloader::new(reloading, readiness.clone()),
            capture: CaptureSwitch::new(capture, secrets, live, operation.gate.clone(), readiness.clone()),
            counters,
            conditions,
            operation,
            comparisons: ComparisonFeed::new(comparer, readiness),
            middleware,
            hand_over,
            ui: None,
            ledger_file,
            reports,
        };
        run.report_start();
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
        let timeout = self.settings.shutdown_timeout;
        let end = self.shards.deadline().unwrap_or(Instant::now() + timeout);
        // Whatever happened, no shard is left behind.
        self.shards.drain(Instant::now() + timeout);
        let mut ended = watched.and(self.shards.join());
        if let Some(middleware) = &self.middleware {
            // Before it is ended from here.
            let failed = middleware.failure();
            middleware.stop();
            if let Some(how) = failed {
                ended = ended.and(Err(anyhow!("the middleware exited: {how}")));
            }
        }
        let mut account = self.reporter().account();
        self.tell_comparisons();
        if let Some((document, compared)) = self.comparisons.finish(self.settings.compares(), end) {
            account.verdict = Some(Box::new(document));
            ended = ended.and(compared);
        }
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
        let mut telling = tokio::time::interval(STATUS_INTERVAL);
        if let Some(capturing) = control.capturing {
            // The caller may have lost interest; the run has not.
            let _ = capturing.send(());
        }
        while self.shards.any_alive() {
            tokio::select! {
                Some(was_live) = self.shards.next_end() => {
                    if was_live && self.shards.is_running() {
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
                () = due(self.hand_over.as_ref()) => self.look_at_hand_over(),
                _ = signals.report.recv() => self.write_ledger(),
                asked = hangup(&mut signals.hangup, signals.reloads) => match asked {
                    Hangup::Reload => self.reload.reload_now(),
                    Hangup::End => self.leave(),
                },
                news = self.reload.next() => match news {
                    News::File(loaded) => self.reload(*loaded).await,
                    News::Cluster(desired) => self.end_waiting(desired).await,
                },
                desired = self.cluster.next() => self.follow_cluster(desired).await,
                () = reader_gone(), if ended.is_ok() => {
                    ended = Err(ReaderGone.into());
                    if self.shards.is_running() {
                        self.stop();
                    }
                }
                how = gone(self.middleware.as_ref()), if !middleware_gone => {
                    middleware_gone = true;
                    self.middleware_ended(&how);
                }
                () = self.comparisons.failed() => self.comparisons.report_failed(),
                event = self.operation.next() => self.steer(event),
                _ = telling.tick() => {
                    self.comparisons.watch();
                    self.tell_comparisons();
                }
                due = counts.next() => counts.log(due, self.reporter().stats()),
                _ = status.tick(), if on_terminal => if let Some(ui) = &self.ui {
                    ui.tell(self.reporter().moment());
                } else {
                    let elapsed = drawn.elapsed();
                    drawn = Instant::now();
                    let snapshot = self.reporter().snapshot();
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

    /// The counts at this moment.
    fn reporter(&self) -> Reporter<'_> {
        Reporter {
            shards: &self.shards,
            mirrors: self.plans.mirrors(),
            counters: self.counters.as_ref(),
            secrets: self.capture.secrets(),
            middleware: self.middleware.as_ref(),
            operation: &self.operation,
        }
    }

    fn report_start(&self) {
        self.conditions.ready();
        self.comparisons.report_ready();
        self.cluster.report_start();
        if let Some(hand_over) = &self.hand_over {
            hand_over.report();
        }
        self.reload.report_start();
    }

    /// Tells the comparing thread what only the run knows.
    fn tell_comparisons(&mut self) {
        if self.comparisons.is_active() {
            let capture = self.reporter().capture();
            let mirrors = self.plans.mirrors_mut();
            self.comparisons
                .tell(&self.settings, &capture, &self.shards, mirrors);
        }
    }

    /// Sees to an order of the HTTP port or the terminal, the end of the term, or the CPU budget.
    fn steer(&mut self, event: Event) {
        match event {
            Event::Order(Order::Pause(answer)) => {
                tracing::info!("paused: nothing is captured or sent until POST /resume");
                // Whoever asked may have gone; the order holds all the same.
                let _ = answer.send(self.capture.pause(PauseCause::Asked));
            }
            Event::Order(Order::Resume(answer)) => {
                let _ = answer.send(self.resume());
            }
            Event::Order(Order::Count(answer)) => {
                let answers = self.settings.read.answers;
                let _ = answer.send(Box::new(self.reporter().metrics(answers)));
            }
            Event::Expired => self.expire(),
            Event::Exit => {
                if self.shards.is_running() {
                    tracing::info!("the time of --exit-after has passed");
                    self.stop();
                }
            }
            Event::Used(cpus) => {
                // A pause costs nothing and says nothing of what capture would.
                if !self.capture.is_paused() && self.operation.used(cpus).is_some() {
                    self.capture.pause_or_log(PauseCause::Cpu);
                }
            }
            Event::Rested => self.capture.resume_or_log(PauseCause::Cpu),
        }
    }

    fn resume(&mut self) -> Result<(), String> {
        if !self.shards.is_running() {
            return Err("the agent is stopping".to_owned());
        }
        self.capture.resume()?;
        self.operation.start_term();
        tracing::info!("resumed");
        Ok(())
    }

    /// The term is over: pauses where somebody could resume, ends the run otherwise.
    fn expire(&mut self) {
        let term = self.operation.term().unwrap_or_default();
        if !self.shards.is_running() {
            return;
        }
        if !self.operation.has_port() && self.ui.is_none() {
            tracing::info!(?term, "expired: the period of --expire-after has ended");
            return self.stop();
        }
        tracing::info!(?term, "expired: paused until POST /resume starts a new period");
        self.capture.pause_or_log(PauseCause::Expired);
    }

    /// Mirrors what the cluster asks for now.
    async fn follow_cluster(&mut self, desired: Arc<Desired>) {
        let Self {
            plans,
            shards,
            capture,
            ..
        } = self;
        let followed = plans.follow_cluster(&desired, shards, capture).await;
        self.cluster.report(desired, followed);
    }

    /// Puts what the file came to in force, or says why it cannot be.
    async fn reload(&mut self, loaded: Loaded) {
        if !self.shards.is_running() {
            return;
        }
        // Whatever it is, it comes after what still waits.
        self.reload.drop_pending();
        let taken = match loaded {
            Ok(settings) => self.take(settings).await,
            Err(reason) => Err(reason),
        };
        self.reload.report(taken);
    }

    async fn take(&mut self, settings: Settings) -> Result<(), String> {
        let captures = self.capture.is_live();
        match Change::between(&self.settings, &settings, self.plans.wanted(), captures)? {
            Change::None => tracing::info!("configuration file reloaded: nothing changed"),
            Change::SameCluster => {
                let desired = Arc::clone(self.plans.desired());
                self.apply_settings(settings, desired).await?;
            }
            Change::NoCluster => {
                self.apply_settings(settings, Arc::default()).await?;
                self.cluster.replace(None);
            }
            Change::OtherCluster(kubernetes, pods) => {
                let cluster = Cluster::start(&kubernetes.client, pods, self.operation.for_cluster())
                    .map_err(|error| format!("{error:#}"))?;
                self.reload.wait_for_cluster(Pending { settings, cluster });
            }
        }
        Ok(())
    }

    /// The cluster has answered: the settings that waited for it are put in force.
    async fn end_waiting(&mut self, desired: Arc<Desired>) {
        let Some(Pending { settings, cluster }) = self.reload.take_pending() else {
            return;
        };
        let taken = self.apply_settings(settings, desired).await;
        match &taken {
            Ok(()) => self.cluster.replace(Some(cluster)),
            Err(_) => end_in_background(cluster),
        }
        self.reload.report(taken);
    }

    /// Puts settings in force, with what the cluster asks for under them.
    async fn apply_settings(&mut self, settings: Settings, desired: Arc<Desired>) -> Result<(), String> {
        let Self {
            plans,
            shards,
            capture,
            ..
        } = self;
        plans
            .follow_settings(MirrorSpecs::of(&settings), desired, shards, capture)
            .await?;
        if self
            .operation
            .change(&self.settings.operation, &settings.operation)
        {
            // The budget that rested is no more.
            self.capture.follow_gate_or_log();
        }
        // The hook that captures stays, whatever is left to the agent, and so does what connections are read for.
        let capture = self.settings.capture.clone();
        let read = ReadSettings {
            answers: self.settings.read.answers,
            ..settings.read
        };
        self.settings = Arc::new(Settings {
            capture,
            read,
            ..settings
        });
        tracing::info!(
            mirrors = self.settings.mirrors.len(),
            outputs = self.plans.wanted().mirrors.len(),
            "configuration file applied"
        );
        Ok(())
    }

    /// Ends the run, once another agent has taken over where one is there to do so. Told a second time, it ends at once.
    fn leave(&mut self) {
        let running = self.shards.is_running();
        let hand_over = self.hand_over.as_mut().filter(|_| running);
        if hand_over.is_none_or(|hand_over| hand_over.leave() == Next::Stop) {
            self.stop();
        }
    }

    fn look_at_hand_over(&mut self) {
        let done = self.shards.nothing_in_flight();
        if let Some(hand_over) = &mut self.hand_over
            && hand_over.look(done) == Next::Stop
        {
            self.stop();
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
    fn stop(&mut self) {
        let now = Instant::now();
        let timeout = self.settings.shutdown_timeout;
        self.conditions.ending();
        if self.shards.is_running() {
            tracing::info!(?timeout, "stopping: requests in flight may finish");
            // First the kernel, then the shards: what the rings hold then is all there will be.
            self.capture.end();
            self.shards.drain(now + timeout);
        } else {
            tracing::info!("stopping at once: requests in flight are dropped");
            self.shards.drain(now);
        }
    }

    fn write_ledger(&mut self) {
        let document = self.reporter().account().document();
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
