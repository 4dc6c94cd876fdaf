//! One shard's half of mirroring: the options that its connections share, and the pipeline that their requests go through.

use std::cell::{Ref, RefMut};
use std::rc::Rc;
use std::sync::Arc;

use shadow_core::budget::MemoryBudget;
use shadow_core::latency::LatencyHistogram;
use shadow_hand_over::HandOver;
use shadow_http::{KnownHeads, Limits};
use shadow_tcp::BpfFilter;

use super::counters::StreamCounters;
use super::gate::Gate;
use super::ledger::ShardLedger;
use super::pipeline::Pipeline;
use super::share::Draws;
use super::tls_reading::TlsReading;
use super::{Dispatcher, Interceptor, Limiter, MaxStream, Mirrors, ReadSettings};

/// Everything the connections of one shard share.
pub struct Shard {
    pub(super) budget: MemoryBudget,
    pub(super) limits: Limits,
    /// Heads of production's answers that were read lately, where they are.
    pub(super) heads: Rc<KnownHeads>,
    /// Whether responses are captured: to be handed on, or to be compared.
    pub(super) track_response: bool,
    /// Which connections are taken; all when `None`.
    pub(super) filter: Option<Arc<BpfFilter>>,
    /// Whether what is there of a request is handed on whose rest was lost.
    pub(super) allow_incomplete: bool,
    /// Whether connections whose place is not known are gone on with.
    pub(super) resume: bool,
    /// Bounds of a call of gRPC that is handed on while production serves it, if any is.
    pub(super) live_calls: Option<MaxStream>,
    pub(super) flows: u64,
    /// The parts that TLS is read with, where it is.
    pub(super) tls: Option<TlsReading>,
    pub(super) pipeline: Pipeline,
}

impl Shard {
    /// A shard that mirrors nothing until it is given mirrors. A request with a header called `marker` is a copy already, and is
    /// not mirrored again.
    pub fn new(
        ledger: ShardLedger,
        budget: MemoryBudget,
        limits: Limits,
        marker: Option<&str>,
        track_response: bool,
    ) -> Self {
        let marker = marker.map(Into::into);
        let dispatcher = Dispatcher::new(ledger.clone(), limits, budget.clone(), None);
        if track_response {
            dispatcher.expect_responses();
        }
        let pipeline = Pipeline {
            ledger,
            dispatcher,
            marker,
            client_header: None,
            counters: StreamCounters::default(),
            gate: Gate::default(),
            draws: Draws::seeded(0),
            limit: None,
            production: Arc::default(),
            forward_responses: track_response,
            hand_over: None,
            kept_bytes: 0,
        };
        Self {
            budget,
            limits,
            heads: Rc::default(),
            track_response,
            filter: None,
            allow_incomplete: false,
            resume: false,
            live_calls: None,
            flows: 0,
            tls: None,
            pipeline,
        }
    }

    /// The same, which takes what these settings say, and as they say it.
    #[must_use]
    pub fn with_settings(mut self, settings: &ReadSettings) -> Self {
        self.filter.clone_from(&settings.filter);
        self.allow_incomplete = settings.allow_incomplete;
        self.resume = settings.resume;
        self.live_calls = settings.live_calls;
        self.pipeline.forward_responses = settings.track_response;
        self.pipeline.client_header = settings.client_header.as_deref().map(Into::into);
        self
    }

    /// The same, which reads TLS with these secrets, if there are any.
    #[must_use]
    pub fn with_tls(mut self, tls: Option<TlsReading>) -> Self {
        self.tls = tls;
        self
    }

    /// The same, with whole requests going through `gate`, and the time production takes for an exchange recorded in
    /// `production` where responses are captured. `seed` is this shard's own.
    #[must_use]
    pub fn with_gate(mut self, gate: Gate, production: Arc<LatencyHistogram>, seed: u64) -> Self {
        self.pipeline.gate = gate;
        self.pipeline.draws = Draws::seeded(seed);
        self.pipeline.production = production;
        self
    }

    /// The same, with a limit on all that it takes, if there is one.
    #[must_use]
    pub fn with_limit(mut self, limit: Option<Limiter>) -> Self {
        self.pipeline.limit = limit;
        self
    }

    /// The same, which leaves to another agent of this node what that one mirrors, if there may be one.
    #[must_use]
    pub fn with_hand_over(mut self, hand_over: Option<Arc<HandOver>>) -> Self {
        self.pipeline.hand_over = hand_over;
        self
    }

    /// The same, with every message passing through a middleware, if there is one. To be called before it is given
    /// mirrors.
    #[must_use]
    pub fn with_middleware(mut self, middleware: Option<Box<dyn Interceptor>>) -> Self {
        let ledger = self.pipeline.ledger.clone();
        self.pipeline.dispatcher = Dispatcher::new(ledger, self.limits, self.budget.clone(), middleware);
        if self.track_response {
            self.pipeline.dispatcher.expect_responses();
        }
        self
    }

    /// The parts that TLS is read with, where it is.
    pub fn tls_mut(&mut self) -> Option<&mut TlsReading> {
        self.tls.as_mut()
    }

    /// Counts of everything that connections carried besides whole requests.
    pub fn counters(&self) -> StreamCounters {
        let mut counters = self.pipeline.counters;
        counters.answers.withheld = self.mirrors().withheld();
        counters
    }

    /// The mirrors of this shard.
    pub fn mirrors(&self) -> Ref<'_, Mirrors> {
        self.pipeline.dispatcher.mirrors()
    }

    /// The same, to give it others.
    pub fn mirrors_mut(&mut self) -> RefMut<'_, Mirrors> {
        self.pipeline.dispatcher.mirrors_mut()
    }

    /// Starts what follows messages that come back from elsewhere. Where local tasks may be spawned.
    pub fn start(&self) {
        self.pipeline.dispatcher.start();
    }

    /// The dispatcher, which takes whole messages.
    pub fn dispatcher(&self) -> &Rc<Dispatcher> {
        &self.pipeline.dispatcher
    }
}
