//! The thread of an output and its connections: one for each lane, opened again when it is lost.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use super::backoff::Backoff;
use super::lane_sender::LaneSender;
use super::lanes::Lanes;
use super::settings::{RelayOutputSettings, RelayWire};
use super::{acknowledged, plain, socket};
use crate::capture::OwnConnections;
use crate::mirror::Draws;
use crate::output::http::connect::{Connector, Link};
use crate::output::http::log_limit::LogLimit;
use crate::output::http::tls::Tls;

/// How often the queue is logged, where that is asked for.
const STATS_INTERVAL: Duration = Duration::from_secs(5);

/// Connections of an output, counted.
#[derive(Default)]
pub(super) struct Connections {
    opened: AtomicU64,
    open: AtomicUsize,
}

impl Connections {
    pub(super) fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }
}

/// State of the thread.
pub(super) struct WorkerContext {
    pub settings: RelayOutputSettings,
    pub lanes: Arc<Lanes>,
    pub connections: Arc<Connections>,
    pub tls: Option<Tls>,
    pub own: OwnConnections,
}

impl WorkerContext {
    /// The thread's life: ends when the output does.
    pub(super) fn run(self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => LocalSet::new().block_on(&runtime, self.work()),
            Err(error) => {
                tracing::error!(%error, output = self.settings.name, "cannot start the runtime of an output");
            }
        }
    }

    async fn work(self) {
        let settings = &self.settings;
        let connector = Rc::new(Connector::to(
            &settings.host,
            settings.port,
            settings.timeout,
            self.tls.clone(),
            self.own.clone(),
        ));
        let log = Rc::new(LogLimit::default());
        let session = session();
        if matches!(settings.wire, RelayWire::Acknowledged) {
            tracing::info!(output = settings.name, session, "the peer acknowledges messages");
        }
        let mut workers = Vec::with_capacity(settings.workers);
        for lane in 0..settings.workers.max(1) {
            let worker = Worker {
                lane: LaneSender::new(
                    lane,
                    Arc::clone(&self.lanes),
                    settings.name.clone(),
                    settings.timeout,
                    format!("{session}-{lane}"),
                ),
                connections: Arc::clone(&self.connections),
                wire: settings.wire.clone(),
                // What TLS has taken may not have left yet.
                buffered: settings.tls.is_some(),
                connector: Rc::clone(&connector),
                log: Rc::clone(&log),
                began: Instant::now(),
            };
            workers.push(tokio::task::spawn_local(worker.run()));
        }
        if settings.stats {
            tokio::task::spawn_local(stats(
                settings.name.clone(),
                Arc::clone(&self.lanes),
                Arc::clone(&self.connections),
            ));
        }
        for worker in workers {
            if let Err(error) = worker.await {
                tracing::error!(%error, output = settings.name, "a connection's task failed: please report this bug");
            }
        }
    }
}

/// A name for this output's run, another each time.
fn session() -> String {
    let mut draws = Draws::new();
    let mut more = Draws::new();
    format!(
        "{:08x}{:08x}{:08x}{:08x}",
        draws.draw(),
        more.draw(),
        draws.draw(),
        more.draw()
    )
}

async fn stats(name: String, lanes: Arc<Lanes>, connections: Arc<Connections>) {
    loop {
        tokio::time::sleep(STATS_INTERVAL).await;
        tracing::info!(
            output = name,
            queued = lanes.len(),
            connections = connections.open(),
            opened = connections.opened(),
            "queue"
        );
    }
}

/// One lane's connection.
struct Worker {
    lane: LaneSender,
    connections: Arc<Connections>,
    wire: RelayWire,
    /// Whether a connection takes more than has left.
    buffered: bool,
    connector: Rc<Connector>,
    log: Rc<LogLimit>,
    began: Instant,
}

impl Worker {
    async fn run(self) {
        let mut backoff = Backoff::new();
        let mut sent = acknowledged::Sent::default();
        while self.lane.wait(0).await {
            let error = match self.connector.connect().await {
                Ok(link) => {
                    let before = self.lane.delivered_up_to();
                    let carried = self.carry(link, &mut sent).await;
                    if self.lane.delivered_up_to() > before {
                        backoff.reset();
                    }
                    match carried {
                        Ok(()) => return,
                        Err(error) => error,
                    }
                }
                Err(error) => error.error,
            };
            if let Some(suppressed) = self.log.admit(self.now()) {
                tracing::warn!(
                    output = self.lane.output,
                    %error,
                    suppressed,
                    queued = self.lane.queued(),
                    "not connected: queued messages are sent once there is a connection"
                );
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    /// Sends over a connection until it is lost; `Ok` when the output ended.
    async fn carry(&self, link: Link, sent: &mut acknowledged::Sent) -> io::Result<()> {
        self.connections.opened.fetch_add(1, Relaxed);
        self.connections.open.fetch_add(1, Relaxed);
        let _open = Open(&self.connections);
        match &self.wire {
            RelayWire::Plain => plain::carry(&self.lane, link, self.buffered).await,
            RelayWire::Acknowledged => acknowledged::carry(&self.lane, link, sent).await,
            RelayWire::WebSocket {
                target,
                authorization,
            } => socket::carry(&self.lane, link, target, authorization.as_ref()).await,
        }
    }

    /// Microseconds since the start.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

struct Open<'a>(&'a Connections);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}
