//! One shard: a thread that owns a source, its connections, and its connections to the shadow.
//!
//! Capture comes first on the thread: a batch is bounded, so that replay gets its turn, but a full ring is
//! always drained before the thread sleeps.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::ConnectionReport;
use super::client_input::Served;
use super::messages::Messages;
use super::operation::ShardOperation;
use super::plan_follower::{ActivePlan, PlanFollower};
use crate::budget::MemoryBudget;
use crate::capture::{FileCounters, PcapFiles, RingReader, VxlanCounts, VxlanReader, expected_answers};
use crate::hand_over::HandOver;
use crate::input::http::HttpInput;
use crate::input::{MessageSource, Progress};
use crate::middleware::{Middleware, ShardMiddleware};
use crate::mirror::ledger::{DropReason, ShardLedger};
use crate::mirror::{Interceptor, Limiter, ProductionConnection, Shard, ShardOutput};
use crate::settings::{ConnectionSettings, Settings};
use crate::tcp::{Expected, FlowTable, Segment, Servers};
use crate::time::{Timestamp, monotonic_now, unix_now};

/// Records taken from a ring before replay gets a turn: some 2 ms of parsing at most.
const RECORDS_PER_TURN: usize = 512;
/// Segments taken from a file before replay gets a turn.
const SEGMENTS_PER_TURN: usize = 256;
/// How often connections are looked at for holes and idleness.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// How often a file that waits for an output looks again.
pub(super) const FILE_PAUSE: Duration = Duration::from_millis(2);

/// Phases of a run, told to every shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Capturing.
    Running,
    /// Capture has ended; what is under way may take until then.
    Draining(Instant),
}

/// Where a shard's segments come from.
pub(super) enum Source {
    /// A ring that the kernel programs fill.
    Ring(Box<RingReader>),
    /// A mirroring session that sends VXLAN datagrams.
    Vxlan(Box<VxlanReader>),
    /// Capture files that are one capture.
    File(Box<PcapFiles>),
    /// Whole messages.
    Messages {
        /// The input's name in the ledger.
        name: String,
        /// The input.
        source: Box<dyn MessageSource>,
    },
    /// Clients that send requests to the agent itself.
    Http {
        /// The input's name in the ledger.
        name: String,
        /// The input.
        input: HttpInput,
    },
}

/// A shard's last report.
#[derive(Clone, Debug, Default)]
pub(super) struct ShardReport {
    pub connections: ConnectionReport,
    /// Counts of the file, if the source is one.
    pub file: Option<FileCounters>,
    /// Counts of VXLAN datagrams, if the source is a session.
    pub vxlan: Option<VxlanCounts>,
    /// Report of a source of messages, under its name.
    pub input: Option<(String, Value)>,
    /// How far such a source is, where it has an end.
    pub progress: Option<Arc<Progress>>,
}

/// Parts that a shard's thread is started with.
pub(super) struct ShardTask {
    pub source: Source,
    /// On all that it reads.
    pub limit: Option<Limiter>,
    pub settings: Arc<Settings>,
    /// Sources of this run: each gets its part of the connection table's bound.
    pub sources: usize,
    pub plans: watch::Receiver<Arc<ActivePlan>>,
    /// Told the generation of the plan that is followed.
    pub followed: watch::Sender<u64>,
    pub ledger: ShardLedger,
    pub budget: MemoryBudget,
    pub report: Arc<Mutex<ShardReport>>,
    pub operation: ShardOperation,
    /// The middleware, if any.
    pub middleware: Option<Middleware>,
    /// Asked for each request, where another agent may have it.
    pub hand_over: Option<Arc<HandOver>>,
    pub phase: watch::Receiver<Phase>,
}

impl ShardTask {
    /// Runs the shard on this thread until its source ends or the run does, and everything is settled.
    pub fn run(self) -> anyhow::Result<()> {
        super::priority::lower_priority();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start a shard's runtime")?;
        let mirrored = LocalSet::new().block_on(&runtime, self.mirror());
        // A name that is still being looked up must not hold up the end.
        runtime.shutdown_background();
        mirrored
    }

    async fn mirror(self) -> anyhow::Result<()> {
        // The kernel's clock starts at boot; the difference is taken once, so that times stay in order.
        let wall_offset = match self.source {
            Source::Ring(_) | Source::Vxlan(_) => unix_now().saturating_sub(monotonic_now().0),
            Source::File(_) | Source::Messages { .. } | Source::Http { .. } => 0,
        };
        let mut shard = self.shard(wall_offset);
        let operation = &self.operation;
        let expected = match self.source {
            Source::Ring(_) => expected_answers(&self.settings.live_inputs(), &self.settings.capture),
            Source::Vxlan(_) | Source::File(_) | Source::Messages { .. } | Source::Http { .. } => {
                Expected::Nobody
            }
        };
        let mut table = FlowTable::new(
            part(self.settings.connections, self.sources),
            self.settings.capture.responses,
            self.budget.clone(),
        )
        .with_servers(Servers::new(expected));
        let mut plans = PlanFollower::new(
            self.plans,
            self.followed,
            wall_offset,
            self.settings.shutdown_timeout,
        );
        plans.follow(&mut shard, Timestamp::default());
        shard.start();
        let read = match self.source {
            Source::Ring(ring) => {
                read_live(
                    *ring,
                    &mut table,
                    &mut shard,
                    &mut plans,
                    &self.report,
                    operation,
                    self.phase.clone(),
                )
                .await
            }
            Source::Vxlan(vxlan) => {
                read_live(
                    *vxlan,
                    &mut table,
                    &mut shard,
                    &mut plans,
                    &self.report,
                    operation,
                    self.phase.clone(),
                )
                .await
            }
            Source::File(file) => {
                read_file(
                    *file,
                    &mut table,
                    &mut shard,
                    &mut plans,
                    &self.report,
                    operation,
                    self.phase.clone(),
                )
                .await
            }
            Source::Messages { name, source } => {
                let messages = Messages {
                    name,
                    source,
                    shard: &mut shard,
                    plans: &mut plans,
                    report: &self.report,
                    operation,
                    phase: self.phase.clone(),
                };
                messages.read().await
            }
            Source::Http { name, input } => {
                let served = Served {
                    name,
                    shard: &mut shard,
                    plans: &mut plans,
                    report: &self.report,
                    operation,
                    phase: self.phase.clone(),
                };
                served.serve(input).await
            }
        };
        plans.end();
        // Every connection has been told to be closed; a recording has none, and has no more answers either.
        shard.dispatcher().production_ended();
        publish(&self.report, &table, &shard);
        drain(&shard, &plans, &self.settings, operation, self.phase).await;
        read
    }

    /// Makes the shard that accepts whole messages. `wall_offset`: nanoseconds from the source's clock to Unix time.
    fn shard(&self, wall_offset: u64) -> Shard {
        let captures = matches!(self.source, Source::Ring(_) | Source::Vxlan(_) | Source::File(_));
        let answers = captures && self.settings.read.track_response;
        let middleware = self.middleware.as_ref().map(|middleware| {
            let middleware = ShardMiddleware::new(
                middleware,
                self.settings.limits,
                self.budget.clone(),
                wall_offset,
                answers,
            );
            Box::new(middleware) as Box<dyn Interceptor>
        });
        // Nobody else sees what is read from elsewhere.
        let from_kernel = matches!(self.source, Source::Ring(_));
        Shard::new(
            self.ledger.clone(),
            self.budget.clone(),
            self.settings.limits,
            self.settings.marker.as_deref(),
            self.settings.capture.responses,
        )
        .with_middleware(middleware)
        .with_limit(self.limit.clone())
        .with_settings(&self.settings.read)
        .with_gate(
            self.operation.gate.clone(),
            Arc::clone(&self.operation.production),
            self.operation.seed,
        )
        .with_hand_over(self.hand_over.clone().filter(|_| from_kernel))
    }
}

fn publish(report: &Mutex<ShardReport>, table: &FlowTable<ProductionConnection>, shard: &Shard) {
    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
    let connections = ConnectionReport {
        table: table.counters(),
        streams: shard.counters(),
    };
    let before = std::mem::replace(&mut report.connections, connections);
    if before.table.one_way == 0
        && connections.table.one_way > 0
        && let Some(server) = table.out_of_sight()
    {
        info!(
            server = %server.socket_addr(),
            "only the client side of this traffic is visible here: requests are mirrored whether or not the \
             server responds (connections.one_way)"
        );
    }
    if before.table.unanswered == 0 && connections.table.unanswered > 0 {
        warn!(
            "production did not accept these connections: their requests are not mirrored (connections.unanswered)"
        );
    }
}

/// One source's part of the connection table's bounds.
fn part(whole: ConnectionSettings, sources: usize) -> ConnectionSettings {
    ConnectionSettings {
        max_connections: whole.max_connections.div_ceil(sources),
        ..whole
    }
}

/// A reader of live capture: it never ends by itself, and cannot wait.
trait LiveReader {
    /// Waits until draining is worth while.
    async fn readable(&mut self) -> std::io::Result<()>;

    /// Hands on what is there, in so many pieces at most; in how many. Never waits.
    fn drain(&mut self, most: usize, each: impl FnMut(Segment<'_>)) -> usize;

    /// Says at each tick whether mirroring is paused; puts what is counted in the report.
    fn tick(&mut self, _paused: bool, _report: &Mutex<ShardReport>) {}

    /// Capture has ended: what is there now is the last of it.
    fn end(&mut self) {}
}

impl LiveReader for RingReader {
    async fn readable(&mut self) -> std::io::Result<()> {
        RingReader::readable(self).await
    }

    fn drain(&mut self, most: usize, each: impl FnMut(Segment<'_>)) -> usize {
        RingReader::drain(self, most, each)
    }
}

impl LiveReader for VxlanReader {
    async fn readable(&mut self) -> std::io::Result<()> {
        VxlanReader::readable(self).await
    }

    fn drain(&mut self, most: usize, each: impl FnMut(Segment<'_>)) -> usize {
        VxlanReader::drain(self, most, each)
    }

    fn tick(&mut self, paused: bool, report: &Mutex<ShardReport>) {
        self.set_paused(paused);
        report.lock().unwrap_or_else(PoisonError::into_inner).vxlan = Some(self.counts());
    }

    fn end(&mut self) {
        VxlanReader::end(self);
    }
}

async fn read_live(
    mut source: impl LiveReader,
    table: &mut FlowTable<ProductionConnection>,
    shard: &mut Shard,
    plans: &mut PlanFollower,
    report: &Mutex<ShardReport>,
    operation: &ShardOperation,
    mut phase: watch::Receiver<Phase>,
) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ticked = Instant::now();
    let mut due = false;
    let mut read = Ok(());
    let mut running = true;
    while running && read.is_ok() {
        tokio::select! {
            biased;
            // Capture is detached before the phase changes: what the ring holds now is the last of it.
            _ = phase.changed() => {
                running = false;
                source.end();
            }
            ready = source.readable() => read = ready.context("cannot wait for captured packets"),
            _ = tick.tick() => due = true,
        }
        loop {
            let drained = source.drain(RECORDS_PER_TURN, |segment| table.push(shard, &segment));
            // Also while the ring stays ahead of its reader: that is when there are holes to give up.
            if due || ticked.elapsed() >= TICK {
                due = false;
                ticked = Instant::now();
                table.tick(shard, monotonic_now());
                operation.heart.beat();
                if operation.gate.is_paused() {
                    give_up(table, shard, plans, monotonic_now());
                }
                publish(report, table, shard);
                source.tick(operation.gate.is_paused(), report);
                if plans.is_behind() {
                    plans.follow(shard, monotonic_now());
                }
            }
            if drained < RECORDS_PER_TURN {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    source.tick(operation.gate.is_paused(), report);
    table.shutdown(shard, monotonic_now());
    read
}

async fn read_file(
    mut file: PcapFiles,
    table: &mut FlowTable<ProductionConnection>,
    shard: &mut Shard,
    plans: &mut PlanFollower,
    report: &Mutex<ShardReport>,
    operation: &ShardOperation,
    phase: watch::Receiver<Phase>,
) -> anyhow::Result<()> {
    let mut now = Timestamp::default();
    let mut since_tick = 0;
    let read = loop {
        if *phase.borrow() != Phase::Running {
            break Ok(());
        }
        if plans.is_behind() {
            plans.follow(shard, now);
        }
        let mut more = true;
        for _ in 0..SEGMENTS_PER_TURN {
            match file.next_segment() {
                Ok(Some(segment)) => {
                    now = now.max(segment.time);
                    table.push(shard, &segment);
                }
                Ok(None) => {
                    more = false;
                    break;
                }
                Err(error) => return finish_file(&file, table, shard, report, now, Err(error.into())),
            }
        }
        table.tick(shard, now);
        operation.heart.beat();
        since_tick += 1;
        if since_tick % 16 == 0 {
            publish(report, table, shard);
        }
        if !more {
            break Ok(());
        }
        tokio::task::yield_now().await;
        // A file can wait, unlike production: nothing of it need be dropped for a full queue.
        // A pause holds up the file where it is; connections of it go on afterwards.
        while operation.gate.is_paused() || !shard.mirrors().outputs().all(|output| output.has_room()) {
            tokio::time::sleep(FILE_PAUSE).await;
            operation.heart.beat();
            if operation.gate.is_paused() {
                abort_all(shard, plans, DropReason::Paused);
            }
            if plans.is_behind() {
                plans.follow(shard, now);
            }
            if *phase.borrow() != Phase::Running {
                break;
            }
        }
    };
    finish_file(&file, table, shard, report, now, read)
}

fn finish_file(
    file: &PcapFiles,
    table: &mut FlowTable<ProductionConnection>,
    shard: &mut Shard,
    report: &Mutex<ShardReport>,
    now: Timestamp,
    read: anyhow::Result<()>,
) -> anyhow::Result<()> {
    table.shutdown(shard, now);
    report.lock().unwrap_or_else(PoisonError::into_inner).file = Some(file.counters());
    read
}

/// Nothing of what was captured before a pause is left for after it. Connections go too: what comes on them meanwhile
/// is not seen, and behind that a start must be proved again.
fn give_up(
    table: &mut FlowTable<ProductionConnection>,
    shard: &mut Shard,
    plans: &PlanFollower,
    now: Timestamp,
) {
    table.shutdown(shard, now);
    abort_all(shard, plans, DropReason::Paused);
}

pub(super) fn abort_all(shard: &Shard, plans: &PlanFollower, reason: DropReason) {
    shard.dispatcher().abort(reason);
    for output in outputs(shard, plans) {
        output.abort(reason);
    }
}

/// All outputs that may hold something.
fn outputs(shard: &Shard, plans: &PlanFollower) -> Vec<Rc<dyn ShardOutput>> {
    shard
        .mirrors()
        .outputs()
        .cloned()
        .chain(plans.retiring())
        .collect()
}

/// Lets the outputs finish what they hold, within the bound of the run.
async fn drain(
    shard: &Shard,
    plans: &PlanFollower,
    settings: &Settings,
    operation: &ShardOperation,
    mut phase: watch::Receiver<Phase>,
) {
    let all = async {
        shard.dispatcher().settle().await;
        for output in outputs(shard, plans) {
            output.drain().await;
        }
        // Answers of the shadow have passed through it, too.
        shard.dispatcher().drain().await;
        for output in outputs(shard, plans) {
            output.drain().await;
        }
    };
    tokio::pin!(all);
    let mut told = true;
    loop {
        operation.heart.beat();
        if operation.gate.is_paused() {
            abort_all(shard, plans, DropReason::Paused);
        }
        let now = *phase.borrow_and_update();
        // A file that ended by itself may take as long as its last requests need, each bounded by its own
        // timeout; a run that was told to end may not.
        let deadline = match now {
            Phase::Running => Instant::now() + Duration::from_hours(24),
            Phase::Draining(deadline) => deadline,
        };
        tokio::select! {
            biased;
            () = &mut all => return,
            // The deadline may be set, and moved: a second signal ends the wait at once.
            changed = phase.changed(), if told => told = changed.is_ok(),
            _ = timeout_at(deadline, std::future::pending::<()>()) => break,
            () = tokio::time::sleep(TICK) => {}
        }
    }
    tracing::warn!(
        timeout = ?settings.shutdown_timeout,
        "requests were still in flight at the end of the shutdown timeout; they are counted as dropped"
    );
    abort_all(shard, plans, DropReason::Shutdown);
}
