//! The upstream, which all shards of one HTTP output share: limits, breaker, counters. Atomics; no lock in normal running.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::breaker::{Breaker, Change, Pass};
use super::connect::Connector;
use super::copy::CopyTemplate;
use super::failure::Failure;
use super::h2::Http2Support;
use super::limits::{InFlight, QueueBounds};
use super::log_limit::LogLimit;
use super::settings::HttpOutputSettings;
use super::tls::Tls;
use crate::capture::OwnConnections;
use crate::latency::{LatencyCounts, LatencyHistogram};
use crate::output::OutputStatus;

/// For how long nothing is pipelined after a connection with pipelined requests was lost, in microseconds.
const PIPELINE_PAUSE_US: u64 = 10_000_000;

/// State that all shards of one HTTP output share.
pub(super) struct Upstream {
    pub settings: HttpOutputSettings,
    pub template: CopyTemplate,
    pub breaker: Breaker,
    pub in_flight: InFlight,
    pub queue: QueueBounds,
    /// Knowledge of its HTTP/2.
    pub http2: Http2Support,
    tls: Option<Tls>,
    own: OwnConnections,
    latency: LatencyHistogram,
    /// From production's request to the last byte of its copy.
    copy_delay: LatencyHistogram,
    connections_opened: AtomicU64,
    connections_open: AtomicUsize,
    failure_log: LogLimit,
    /// From when on requests may be pipelined again, on the breaker's time; 0 while nothing speaks against it.
    pipeline_from: AtomicU64,
    /// Whether the shadow has let a new connection be silent until it was asked.
    waits_to_be_asked: AtomicBool,
    /// Start of the breaker's time.
    epoch: Instant,
}

impl Upstream {
    pub(super) fn new(settings: HttpOutputSettings, own: OwnConnections) -> anyhow::Result<Self> {
        let template = CopyTemplate::new(&settings)
            .map_err(anyhow::Error::msg)
            .with_context(|| format!("--output-http {}", settings.name))?;
        let tls = settings
            .tls
            .then(|| Tls::new(&settings.host, settings.verify))
            .transpose()
            .with_context(|| format!("--output-http {}", settings.name))?;
        Ok(Self {
            template,
            breaker: Breaker::new(settings.breaker),
            in_flight: InFlight::default(),
            queue: QueueBounds::new(settings.queue_requests, settings.queue_bytes),
            http2: Http2Support::default(),
            tls,
            own,
            latency: LatencyHistogram::default(),
            copy_delay: LatencyHistogram::default(),
            connections_opened: AtomicU64::new(0),
            connections_open: AtomicUsize::new(0),
            failure_log: LogLimit::default(),
            pipeline_from: AtomicU64::new(0),
            waits_to_be_asked: AtomicBool::new(false),
            epoch: Instant::now(),
            settings,
        })
    }

    pub(super) fn connector(&self) -> Connector {
        Connector::new(&self.settings, self.tls.clone(), self.own.clone())
    }

    /// Opens connections for HTTP/2.
    pub(super) fn http2_connector(&self) -> Connector {
        let tls = self.tls.as_ref().map(Tls::for_http2);
        Connector::new(&self.settings, tls, self.own.clone())
    }

    /// The breaker's time: microseconds since the start.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Requests that may be under way now.
    pub(super) fn limit(&self) -> usize {
        self.breaker.limit(self.settings.workers.max(1), || self.now())
    }

    /// Whether requests may be sent ahead of the answers before them: not to a shadow that is being spared, nor
    /// for a while after one closed a connection with such requests on it.
    pub(super) fn may_pipeline(&self) -> bool {
        let from = self.pipeline_from.load(Relaxed);
        (from == 0 || self.now() >= from) && self.limit() >= self.settings.workers
    }

    /// Whether the shadow was seen to wait until it was asked.
    pub(super) fn waits_to_be_asked(&self) -> bool {
        self.waits_to_be_asked.load(Relaxed)
    }

    /// The shadow has waited until it was asked.
    pub(super) fn waited_to_be_asked(&self) {
        self.waits_to_be_asked.store(true, Relaxed);
    }

    /// A connection ended, unannounced, with requests pipelined on it.
    pub(super) fn stop_pipelining(&self) {
        let from = self.now().saturating_add(PIPELINE_PAUSE_US);
        if self.pipeline_from.swap(from, Relaxed) == 0 {
            tracing::info!(
                output = self.settings.name,
                "a connection ended with pipelined requests in flight; pipelining is off for a while"
            );
        }
    }

    /// A copy was written so long after production's request.
    pub(super) fn copied(&self, delay: Duration) {
        self.copy_delay.record(delay);
    }

    /// How late copies were written, of live requests whose exchange has ended.
    pub(super) fn copy_delay(&self) -> LatencyCounts {
        self.copy_delay.counts()
    }

    /// The whole answer came.
    pub(super) fn delivered(&self, pass: Pass, took: Duration) {
        self.latency.record(took);
        self.answered(pass);
    }

    /// The shadow is alive.
    pub(super) fn answered(&self, pass: Pass) {
        if let Some(change) = self.breaker.succeeded(pass, || self.now()) {
            self.log(change);
        }
    }

    /// The shadow failed.
    pub(super) fn failed(&self, pass: Pass, failure: &Failure) {
        self.log_failure("a request to the shadow failed", failure);
        if let Some(change) = self.breaker.failed(pass, || self.now()) {
            self.log(change);
        }
    }

    /// Logs that a request failed, once a second at most.
    pub(super) fn log_failure(&self, what: &str, failure: &Failure) {
        if let Some(suppressed) = self.failure_log.admit(self.now()) {
            tracing::warn!(
                output = self.settings.name,
                reason = ?failure.reason,
                error = failure.words,
                not_logged_before = suppressed,
                "{what}"
            );
        }
    }

    fn log(&self, change: Change) {
        let output = &self.settings.name;
        match change {
            Change::Opened(open_for) => {
                tracing::warn!(
                    output,
                    ?open_for,
                    "circuit breaker open: nothing is sent to the shadow for a while"
                );
            }
            Change::Recovering => tracing::info!(
                output,
                "circuit breaker closed: the shadow responds again, \
                ramping up the load"
            ),
            Change::Closed => tracing::info!(output, "the shadow is back at full load"),
        }
    }

    /// Counts a connection as open for as long as the answer lives.
    pub(super) fn count_open(self: &Arc<Self>) -> OpenConnection {
        self.connections_opened.fetch_add(1, Relaxed);
        self.connections_open.fetch_add(1, Relaxed);
        OpenConnection(self.clone())
    }

    /// Connections open now.
    pub(super) fn connections_open(&self) -> usize {
        self.connections_open.load(Relaxed)
    }

    pub(super) fn status(&self) -> OutputStatus {
        OutputStatus {
            queued: self.queue.count(),
            active: self.in_flight.count(),
            connections_opened: self.connections_opened.load(Relaxed),
            connections_open: self.connections_open(),
            breaker_open: self.breaker.is_open(),
            latency: Some(self.latency.counts()),
            copy_delay: Some(self.copy_delay()),
        }
    }
}

/// An open connection in the count.
pub(super) struct OpenConnection(Arc<Upstream>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections_open.fetch_sub(1, Relaxed);
    }
}
