//! One production connection's reader: stream bytes in, counted requests and exchanges out.
//!
//! Biased towards honesty of the account: a request is opened in the ledger when its start is seen and
//! settled when its outcome is known, whatever happens to the connection between the two.

use std::cell::{Ref, RefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::answers::{AnswerCounters, Answers, Told};
use super::counters::StreamCounters;
use super::front::{Front, Told as Before};
use super::gate::{Gate, Passage};
use super::held_back::{HeldBack, Next};
use super::ledger::{DropReason, Opened, Outcome, ShardLedger};
use super::mirrors::Concerned;
use super::not_understood;
use super::plan::PodIdentity;
use super::share::Draws;
use super::{Exchange, ExchangeResponse, FlowId, Limiter, MessageId, MessageKind, Mirrors, Onward};
use crate::budget::MemoryBudget;
use crate::capture::BpfFilter;
use crate::hand_over::{HandOver, RequestStart};
use crate::http::{Limits, Reject, Request, RequestEvent, RequestStream, Skip, begins_request};
use crate::latency::LatencyHistogram;
use crate::middleware::ShardMiddleware;
use crate::settings::CaptureSettings;
use crate::tcp::{
    Chunk, Close, Direction, Endpoint, FlowKey, GapCause, ServerSign, Stall, Start, StreamHandler,
};
use crate::time::{Timestamp, monotonic_now};

/// A shard's requests that are kept back may take this part of the memory budget: half of it for all of sixteen shards.
const KEPT_SHARE: usize = 32;

/// What the connections of one shard share.
pub struct Shard {
    pub(super) budget: MemoryBudget,
    pub(super) limits: Limits,
    /// Whether responses are captured: to be handed on, or to be compared.
    track_response: bool,
    /// Which connections are taken; all when `None`.
    filter: Option<Arc<BpfFilter>>,
    /// Whether what is there of a request is handed on whose rest was lost.
    allow_incomplete: bool,
    /// Whether connections whose place is not known are gone on with.
    resume: bool,
    flows: u64,
    pub(super) mirror: Mirror,
}

/// Where whole requests go, and where all of them are counted.
pub(super) struct Mirror {
    pub(super) ledger: ShardLedger,
    pub(super) onward: Rc<Onward>,
    marker: Option<Box<str>>,
    /// The header that is set to the client's address.
    client_header: Option<Box<str>>,
    pub(super) counters: StreamCounters,
    gate: Gate,
    draws: Draws,
    /// The limit of the one input that this shard reads, if it has one of its own.
    limit: Option<Limiter>,
    /// From a request's last byte to its answer's, where answers are captured.
    production: Arc<LatencyHistogram>,
    /// Whether production's answers go to every output, and not only to those that compare.
    hand_on_responses: bool,
    /// Which requests another agent of this node mirrors, where there may be one.
    hand_over: Option<Arc<HandOver>>,
    /// Bytes of requests that are kept back.
    pub(super) kept_bytes: usize,
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
        let onward = Onward::new(ledger.clone(), limits, budget.clone(), None);
        if track_response {
            onward.expect_responses();
        }
        let mirror = Mirror {
            ledger,
            onward,
            marker,
            client_header: None,
            counters: StreamCounters::default(),
            gate: Gate::default(),
            draws: Draws::seeded(0),
            limit: None,
            production: Arc::default(),
            hand_on_responses: track_response,
            hand_over: None,
            kept_bytes: 0,
        };
        Self {
            budget,
            limits,
            track_response,
            filter: None,
            allow_incomplete: false,
            resume: false,
            flows: 0,
            mirror,
        }
    }

    /// The same, which takes what these settings say, and as they say it.
    #[must_use]
    pub fn with_capture(mut self, settings: &CaptureSettings) -> Self {
        self.filter.clone_from(&settings.filter);
        self.allow_incomplete = settings.allow_incomplete;
        self.resume = settings.resume;
        self.mirror.hand_on_responses = settings.track_response;
        self.mirror.client_header = settings.client_header.as_deref().map(Into::into);
        self
    }

    /// The same, with whole requests going through `gate`, and the time production takes for an exchange recorded in
    /// `production` where responses are captured. `seed` is this shard's own.
    #[must_use]
    pub fn with_gate(mut self, gate: Gate, production: Arc<LatencyHistogram>, seed: u64) -> Self {
        self.mirror.gate = gate;
        self.mirror.draws = Draws::seeded(seed);
        self.mirror.production = production;
        self
    }

    /// The same, with a limit on all that it takes, if there is one.
    #[must_use]
    pub fn with_limit(mut self, limit: Option<Limiter>) -> Self {
        self.mirror.limit = limit;
        self
    }

    /// The same, which leaves to another agent of this node what that one mirrors, if there may be one.
    #[must_use]
    pub fn with_hand_over(mut self, hand_over: Option<Arc<HandOver>>) -> Self {
        self.mirror.hand_over = hand_over;
        self
    }

    /// The same, with every message passing through a middleware, if there is one. To be called before it is given
    /// mirrors.
    #[must_use]
    pub fn with_middleware(mut self, middleware: Option<ShardMiddleware>) -> Self {
        let ledger = self.mirror.ledger.clone();
        self.mirror.onward = Onward::new(ledger, self.limits, self.budget.clone(), middleware);
        if self.track_response {
            self.mirror.onward.expect_responses();
        }
        self
    }

    /// What the connections carried besides whole requests.
    pub fn counters(&self) -> StreamCounters {
        let mut counters = self.mirror.counters;
        counters.answers.withheld = self.mirrors().withheld();
        counters
    }

    /// The mirrors of this shard.
    pub fn mirrors(&self) -> Ref<'_, Mirrors> {
        self.mirror.onward.mirrors()
    }

    /// The same, to give it others.
    pub fn mirrors_mut(&mut self) -> RefMut<'_, Mirrors> {
        self.mirror.onward.mirrors_mut()
    }

    /// Starts what follows messages that come back from elsewhere. Inside a `LocalSet`.
    pub fn start(&self) {
        self.mirror.onward.start();
    }

    /// What comes behind whole messages.
    pub fn onward(&self) -> &Rc<Onward> {
        &self.mirror.onward
    }
}

/// The stream handler of one connection.
pub struct Connection {
    /// What may stand in front of the requests.
    front: Front,
    requests: RequestStream,
    /// Production's answers, where they are captured.
    answers: Option<Box<Answers>>,
    open: Open,
}

/// A connection's name, and its requests that were not handed on so far.
pub(super) struct Open {
    flow: FlowId,
    /// Where it was seen; the client is the one that a header in front names.
    key: FlowKey,
    /// The client whose packets they are.
    peer: Endpoint,
    /// Acknowledgment number of the latest request, and how many had it before.
    pipelined: (u32, u32),
    /// The one that has started and is not whole yet.
    request: Option<Opened>,
    /// The pod that serves it.
    pod: Option<Arc<PodIdentity>>,
    /// Where the next request starts that starts in what is being read.
    start: RequestStart,
    /// Requests that production may not have served.
    pub(super) held: HeldBack,
}

impl Open {
    /// The addresses on the packets, which all agents of a node see alike.
    fn wire_key(&self) -> FlowKey {
        FlowKey {
            client: self.peer,
            ..self.key
        }
    }

    /// A piece of the stream is going to be read.
    fn reads(&mut self, chunk: &Chunk<'_>) {
        self.start = RequestStart {
            sequence: chunk.sequence,
            before: 0,
            time: chunk.time,
        };
    }

    /// The name of a request on this connection. Pipelined requests may have one acknowledgment number; their names
    /// differ all the same.
    fn name(&mut self, request: &Request) -> MessageId {
        let before = match self.pipelined {
            (acknowledgment, before) if acknowledgment == request.acknowledgment => before.wrapping_add(1),
            _ => 0,
        };
        self.pipelined = (request.acknowledgment, before);
        MessageId::captured(&self.key, request.acknowledgment.wrapping_add(before))
    }
}

impl Mirror {
    fn request(&mut self, open: &mut Open, id: Option<MessageId>, event: RequestEvent) {
        match event {
            RequestEvent::Started => {
                if !self.has(open) {
                    self.counters.requests_of_another_agent += 1;
                    return;
                }
                open.held.started();
                let Concerned { slots, pod } = self.onward.mirrors_mut().concerned_in_turn(&open.key);
                open.request = Some(self.ledger.open_for(&slots));
                if let Some(pod) = &pod {
                    pod.seen.fetch_add(1, Relaxed);
                }
                open.pod = pod;
            }
            RequestEvent::Complete(request) => {
                match (open.request.take(), id) {
                    (Some(opened), Some(id)) => self.offer(open, id, request, opened),
                    // Another agent's: its answer is for nobody here.
                    (None, Some(id)) => self.onward.not_taken(&id),
                    (_, None) => {}
                }
                open.held.ended();
            }
            RequestEvent::Incomplete(request, why) => {
                if let (Some(opened), Some(id)) = (open.request.take(), id) {
                    match request.cut_short(why) {
                        Ok(request) => self.offer(open, id, Box::new(request), opened.incomplete()),
                        Err(reject) => opened.settle(Outcome::Dropped(self.reason(reject))),
                    }
                }
                open.held.ended();
            }
            RequestEvent::Rejected(reject) => {
                if reject == Reject::MidStream {
                    not_understood::say_that_connections_were_open();
                }
                if let Some(opened) = open.request.take() {
                    opened.settle(Outcome::Dropped(self.reason(reject)));
                }
                open.held.ended();
            }
            RequestEvent::Faulty { fault, start } => {
                self.counters.not_understood.tell(&fault, &start, &open.key);
            }
            RequestEvent::Skipped { bytes, why } => self.counters.skip(bytes, why),
            RequestEvent::Recognised(what) => self.counters.recognise(what),
        }
    }

    /// Whether a request that starts now is this agent's, and not that of another one of this node.
    fn has(&self, open: &mut Open) -> bool {
        let start = open.start;
        open.start.before += 1;
        self.hand_over
            .as_ref()
            .is_none_or(|hand_over| hand_over.takes(&open.wire_key(), start))
    }

    /// Hands on a request that was captured on a connection, with its client's address where that is asked for.
    pub(super) fn hand_on(&mut self, open: &Open, id: MessageId, request: Box<Request>, opened: Opened) {
        let addressed = match &self.client_header {
            None => Ok(request),
            Some(name) => {
                let address = open.key.client.socket_addr().ip().to_string();
                let head = request.head_with(&[(name, Some(address.as_bytes()))]);
                let body = request.body.clone();
                request.rewritten(head, body).map(Box::new).map_err(Reject::from)
            }
        };
        let request = match addressed {
            Ok(request) => request,
            Err(reject) => return opened.settle(Outcome::Dropped(self.reason(reject))),
        };
        let exchange = Exchange {
            id,
            flow: open.flow,
            key: open.key,
            pod: open.pod.clone(),
            copy: 1,
            request: request.into(),
        };
        self.deliver(exchange, opened);
    }

    /// Hands on production's answer to a whole request, or that there will be none.
    fn answer(&mut self, open: &mut Open, told: Told) {
        if !self.settle_told(open, &told) {
            return;
        }
        match told {
            Told::Answered(answer) => {
                self.production.record(answer.took);
                let response = ExchangeResponse {
                    id: &answer.id,
                    kind: MessageKind::Response,
                    head: &answer.response.head,
                    body: &answer.response.body,
                    first_byte: answer.response.first_byte,
                    last_byte: answer.response.last_byte,
                };
                self.onward.production_answered(&response);
                if self.hand_on_responses {
                    self.onward.response(&open.key, &response);
                }
            }
            Told::Lost(id, why) => self.onward.production_lost(&id, why),
        }
    }

    /// A pause ends the connections as the agent's end does.
    pub(super) fn reason(&self, reject: Reject) -> DropReason {
        match reject {
            Reject::Shutdown if self.gate.is_paused() => DropReason::Paused,
            other => other.into(),
        }
    }

    /// Hands on a request, to the mirrors whose inputs' limits have room for it.
    fn admit(&mut self, exchange: Exchange, mut opened: Opened) {
        let limited = match self
            .limit
            .as_ref()
            .map(|limit| limit.next(&mut self.draws, monotonic_now()))
        {
            Some(Err(outcome)) => Some(outcome),
            _ => None,
        };
        if let Some(outcome) = limited {
            self.onward.not_taken(&exchange.id);
            return opened.settle(outcome);
        }
        let left_out = self.onward.mirrors_mut().left_out(&exchange.key, opened.slots());
        if !left_out.is_empty() {
            opened.settle_some(&left_out);
            if opened.slots().is_empty() {
                self.onward.not_taken(&exchange.id);
                return;
            }
        }
        self.onward.request(exchange, opened);
    }

    /// Hands a whole request to the outputs, unless it is a copy already or mirroring is paused.
    pub(super) fn deliver(&mut self, exchange: Exchange, opened: Opened) {
        if self
            .marker
            .as_deref()
            .is_some_and(|name| exchange.request.header(name).is_some())
        {
            self.onward.not_taken(&exchange.id);
            opened.settle(Outcome::Dropped(DropReason::LoopGuard));
            return;
        }
        let draws = &mut self.draws;
        let ends = match self.gate.passage(|| draws.draw()) {
            Passage::Free => return self.admit(exchange, opened),
            Passage::Paused => Outcome::Dropped(DropReason::Paused),
            Passage::LeftOut => Outcome::Limited,
        };
        self.onward.not_taken(&exchange.id);
        opened.settle(ends);
    }
}

impl Connection {
    /// Takes bytes as [`StreamHandler::data`] takes those of a client, and says what they come to: for whoever has to
    /// answer the client.
    pub fn serve(&mut self, shard: &mut Shard, chunk: Chunk<'_>, told: &mut dyn FnMut(&RequestEvent)) {
        self.read_and_tell(shard, told, |requests, budget, mut sink| {
            requests.push(chunk, budget, &mut sink);
        });
    }

    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
    pub fn awaits_continue(&self) -> bool {
        self.requests.awaits_continue()
    }

    /// Reads what stands in front of the requests; what is left of the chunk is theirs.
    fn read_front<'a>(&mut self, shard: &mut Shard, chunk: Chunk<'a>) -> Option<Chunk<'a>> {
        if self.front.is_over() {
            return Some(chunk);
        }
        let before = self.front.read(chunk);
        match self.pass_front(shard, before) {
            Before::More => None,
            Before::Requests(_) => Some(chunk),
            Before::Header(_, _, rest) => (!rest.bytes.is_empty()).then_some(rest),
        }
    }

    /// The direction ends, or bytes of it are lost, where something may have stood in front of the requests.
    fn end_front(&mut self, shard: &mut Shard) {
        if !self.front.is_over() {
            let before = self.front.end();
            self.pass_front(shard, before);
        }
    }

    fn pass_front<'a>(&mut self, shard: &mut Shard, before: Before<'a>) -> Before<'a> {
        match &before {
            Before::Header(length, client, _) => {
                shard.mirror.counters.recognise(Skip::ProxyHeader);
                shard.mirror.counters.skip(*length as u64, Skip::ProxyHeader);
                if let Some(client) = client {
                    self.open.key.client = (*client).into();
                }
            }
            Before::Requests(Some(kept)) => self.read(shard, |requests, budget, mut sink| {
                requests.push(kept.chunk(), budget, &mut sink);
            }),
            Before::Requests(None) | Before::More => {}
        }
        before
    }

    /// Lets the request stream read, and answers what it says.
    fn read(
        &mut self,
        shard: &mut Shard,
        read: impl FnOnce(&mut RequestStream, &MemoryBudget, &mut dyn FnMut(RequestEvent)),
    ) {
        self.read_and_tell(shard, &mut |_| {}, read);
    }

    fn read_and_tell(
        &mut self,
        shard: &mut Shard,
        told: &mut dyn FnMut(&RequestEvent),
        read: impl FnOnce(&mut RequestStream, &MemoryBudget, &mut dyn FnMut(RequestEvent)),
    ) {
        let Self {
            requests,
            answers,
            open,
            ..
        } = self;
        let Shard { budget, mirror, .. } = shard;
        read(requests, budget, &mut |event| {
            told(&event);
            let id = match &event {
                RequestEvent::Complete(request) | RequestEvent::Incomplete(request, _) => {
                    Some(open.name(request))
                }
                _ => None,
            };
            let mut early = None;
            if let Some(answers) = answers.as_deref_mut() {
                let counters = &mut mirror.counters.answers;
                let mut lost = Vec::new();
                match (&event, &id) {
                    (RequestEvent::Started, _) => answers.request_started(),
                    (RequestEvent::Complete(request), Some(id)) => {
                        answers.request(request, id.clone(), counters, &mut |told| match told {
                            Told::Answered(_) => early = Some(told),
                            Told::Lost(..) => lost.push(told),
                        });
                    }
                    (RequestEvent::Incomplete(..) | RequestEvent::Rejected(_), _) => {
                        answers.rejected_request(counters, &mut |told| lost.push(told));
                    }
                    _ => {}
                }
                for told in lost {
                    mirror.answer(open, told);
                }
            }
            mirror.request(open, id, event);
            // Behind its request.
            if let Some(told) = early {
                mirror.answer(open, told);
            }
        });
    }

    /// Lets the response stream read, where responses are captured, and hands on what it finds.
    fn read_answers(
        &mut self,
        shard: &mut Shard,
        read: impl FnOnce(&mut Answers, &MemoryBudget, &mut AnswerCounters, &mut dyn FnMut(Told)),
    ) {
        let Some(answers) = self.answers.as_deref_mut() else {
            return;
        };
        let open = &mut self.open;
        let Shard { budget, mirror, .. } = shard;
        let mut counters = mirror.counters.answers;
        read(answers, budget, &mut counters, &mut |told| {
            mirror.answer(open, told);
        });
        mirror.counters.answers = counters;
    }
}

impl StreamHandler for Connection {
    type Context = Shard;

    fn open(shard: &mut Shard, flow: &FlowKey, start: Start, _time: Timestamp) -> Self {
        shard.flows += 1;
        let taken = shard.filter.as_ref().is_none_or(|filter| filter.takes(flow));
        let mut requests = if taken {
            RequestStream::new(shard.limits, start)
        } else {
            shard.mirror.counters.recognise(Skip::LeftOut);
            RequestStream::passed_over(shard.limits, Skip::LeftOut)
        };
        if shard.allow_incomplete {
            requests = requests.with_incomplete();
        }
        if shard.resume {
            requests = requests.resuming();
        }
        let answers = (taken && shard.track_response).then(|| Box::new(Answers::new(shard.limits, start)));
        let held = HeldBack::new(answers.is_some());
        Self {
            front: if taken { Front::new(start) } else { Front::Over },
            requests,
            answers,
            open: Open {
                flow: FlowId(shard.flows),
                key: *flow,
                peer: flow.client,
                pipelined: (0, u32::MAX),
                request: None,
                pod: None,
                start: RequestStart::default(),
                held,
            },
        }
    }

    fn data(&mut self, shard: &mut Shard, direction: Direction, chunk: Chunk<'_>) {
        match direction {
            Direction::Request => {
                self.open.reads(&chunk);
                self.open.held.reads(chunk.sequence, chunk.acknowledgment);
                if let Some(chunk) = self.read_front(shard, chunk) {
                    self.read(shard, |requests, budget, mut sink| {
                        requests.push(chunk, budget, &mut sink);
                    });
                }
            }
            Direction::Response => self.read_answers(shard, |answers, budget, counters, mut sink| {
                answers.push(chunk, budget, counters, &mut sink);
            }),
        }
    }

    fn gap(&mut self, shard: &mut Shard, direction: Direction, bytes: u64, _cause: GapCause) {
        match direction {
            Direction::Request => {
                self.end_front(shard);
                self.read(shard, |requests, _, mut sink| requests.gap(bytes, &mut sink));
                self.read_answers(shard, |answers, _, _, mut sink| answers.forget(&mut sink));
            }
            Direction::Response => {
                self.read_answers(shard, |answers, _, counters, mut sink| {
                    answers.gap(bytes, counters, &mut sink);
                });
            }
        }
    }

    fn finished(&mut self, shard: &mut Shard, direction: Direction, _time: Timestamp) {
        match direction {
            Direction::Request => {
                self.end_front(shard);
                self.read(shard, |requests, _, mut sink| {
                    requests.end(Close::Finished, &mut sink);
                });
            }
            Direction::Response => self.read_answers(shard, |answers, _, counters, mut sink| {
                answers.end(Close::Finished, counters, &mut sink);
            }),
        }
    }

    fn server(&mut self, shard: &mut Shard, sign: ServerSign) {
        self.open.held.server(sign);
        shard.mirror.settle_kept(&mut self.open);
    }

    fn heard(&mut self, shard: &mut Shard, sequence: u32) {
        while self.open.held.is_heard(sequence) {
            shard.mirror.settle_first(&mut self.open, Next::HandOn);
        }
        shard.mirror.settle_kept(&mut self.open);
    }

    #[inline]
    fn waits(&self) -> bool {
        !self.open.held.is_empty()
    }

    fn overdue(&mut self, shard: &mut Shard, now: Timestamp) {
        while self.open.held.is_overdue(now, Self::is_crowded(shard)) {
            shard.mirror.settle_first(&mut self.open, Next::HandOn);
        }
        shard.mirror.settle_kept(&mut self.open);
    }

    #[inline]
    fn is_crowded(shard: &Shard) -> bool {
        shard.mirror.kept_bytes > shard.budget.limit() / KEPT_SHARE
    }

    fn late(shard: &mut Shard, flow: &FlowKey, bytes: &[u8]) {
        let taken = shard.filter.as_ref().is_none_or(|filter| filter.takes(flow));
        if taken && begins_request(bytes) {
            let Concerned { slots, .. } = shard.mirrors_mut().concerned_in_turn(flow);
            let opened = shard.mirror.ledger.open_for(&slots);
            opened.settle(Outcome::Dropped(DropReason::AfterClose));
        }
    }

    #[inline]
    fn holds(&self) -> bool {
        self.requests.holds() || self.answers.as_deref().is_some_and(Answers::holds)
    }

    fn stalled(&mut self, shard: &mut Shard, why: Stall) {
        self.read(shard, |requests, _, mut sink| requests.stalled(why, &mut sink));
        self.read_answers(shard, |answers, _, counters, mut sink| {
            answers.stalled(why, counters, &mut sink);
        });
    }

    fn close(mut self, shard: &mut Shard, close: Close, _time: Timestamp) {
        self.end_front(shard);
        self.read(shard, |requests, _, mut sink| requests.end(close, &mut sink));
        self.read_answers(shard, |answers, _, counters, mut sink| {
            answers.end(close, counters, &mut sink);
        });
        while !self.open.held.is_empty() {
            let next = self.open.held.at_end(close == Close::Reset);
            shard.mirror.settle_first(&mut self.open, next);
        }
    }
}
