//! One shard: a thread that owns a source, its connections, and its connections to the shadow.

mod client_input;
mod context;
mod drain;
mod file;
mod live;
mod messages;
mod secrets_look;

use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::task::spawn_local;

use self::client_input::ClientInput;
use self::context::ShardContext;
pub(super) use self::context::ShardReport;
use self::drain::drain;
use self::file::read_file;
use self::live::read_live;
use self::messages::Messages;
use super::operation::ShardOperation;
use super::phase::Phase;
use super::plan_follower::{ActivePlan, PlanFollower};
use crate::budget::MemoryBudget;
use crate::capture::{PcapFiles, RingReader, VxlanReader, expected_answers};
use crate::hand_over::HandOver;
use crate::input::MessageSource;
use crate::input::http::HttpInput;
use crate::middleware::{Middleware, ShardMiddleware};
use crate::mirror::ledger::ShardLedger;
use crate::mirror::{CapturedConnection, Interceptor, Limiter, Shard, TlsReading};
use crate::settings::{ConnectionSettings, Settings};
use crate::tcp::{Expected, FlowTable, Servers};
use crate::time::{Timestamp, monotonic_now, unix_now};
use crate::tls::{SecretStore, SessionLimits};

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

impl Source {
    /// Whether it is live capture, which never ends by itself.
    pub fn is_live(&self) -> bool {
        matches!(self, Source::Ring(_) | Source::Vxlan(_))
    }

    /// Whether TLS in it is read: it is asked for, or a capture file has the secrets itself.
    pub fn reads_tls(&self, settings: &Settings) -> bool {
        match self {
            Source::Ring(_) | Source::Vxlan(_) => settings.capture.tls.is_some(),
            Source::File(file) => settings.capture.tls.is_some() || file.has_secrets(),
            Source::Messages { .. } | Source::Http { .. } => false,
        }
    }
}

/// Parts that a shard's thread is started with.
pub(super) struct ShardTask {
    pub source: Source,
    /// The parts that TLS in it is read with, where it is.
    pub tls: Option<(SecretStore, SessionLimits)>,
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
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .context("cannot start a shard's runtime")?;
        // A task as all others: each time that the ring or a socket wakes what `block_on` runs itself, or a task of a `LocalSet` in it,
        // that takes a write to an eventfd, and a turn of the driver to read it.
        let mirrored = runtime.block_on(async { spawn_local(self.mirror()).await });
        // A name that is still being looked up must not hold up the end.
        runtime.shutdown_background();
        mirrored.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    async fn mirror(mut self) -> anyhow::Result<()> {
        // The kernel's clock starts at boot; the difference is taken once, so that times stay in order.
        let wall_offset = if self.source.is_live() {
            unix_now().saturating_sub(monotonic_now().0)
        } else {
            0
        };
        let shutdown_timeout = self.settings.shutdown_timeout;
        let secrets = self.tls.take();
        let tls = secrets.map(|(store, limits)| TlsReading::new(store, limits));
        let mut context = ShardContext {
            table: self.table(tls.is_some()),
            shard: self.shard(wall_offset).with_tls(tls),
            plans: PlanFollower::new(self.plans, self.followed, wall_offset, shutdown_timeout),
            report: self.report,
            operation: self.operation,
            phase: self.phase,
        };
        context.plans.follow(&mut context.shard, Timestamp::default());
        context.shard.start();
        let read = match self.source {
            Source::Ring(ring) => read_live(*ring, &mut context).await,
            Source::Vxlan(vxlan) => read_live(*vxlan, &mut context).await,
            Source::File(file) => read_file(*file, &mut context).await,
            Source::Messages { name, source } => Messages::new(name, source, &mut context).read().await,
            Source::Http { name, input } => ClientInput::new(name, &mut context).serve(input).await,
        };
        context.plans.end();
        // Every connection has been told to be closed; a recording has none, and has no more answers either.
        context.shard.dispatcher().production_ended();
        context.publish();
        drain(&context, shutdown_timeout).await;
        read
    }

    /// Makes the table of the connections that are captured. `tls`: what servers send is followed for that alone, too.
    fn table(&self, tls: bool) -> FlowTable<CapturedConnection> {
        let settings = &self.settings;
        let expected = match self.source {
            Source::Ring(_) => expected_answers(&settings.live_inputs(), &settings.capture),
            _ => Expected::Nobody,
        };
        FlowTable::new(
            part(settings.connections, self.sources),
            settings.capture.responses || tls,
            self.budget.clone(),
        )
        .with_servers(Servers::new(expected))
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
            self.settings.read.answers,
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

/// One source's part of the connection table's bounds.
fn part(whole: ConnectionSettings, sources: usize) -> ConnectionSettings {
    ConnectionSettings {
        max_connections: whole.max_connections.div_ceil(sources),
        ..whole
    }
}
