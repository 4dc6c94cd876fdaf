//! The way of a captured request to the outputs, a function for each step, in this order:
//!
//! 1. [`Pipeline::started`]: whose it is, where several agents mirror on this node; which mirrors it is for (with
//!    `--split-output` its output's turn is taken here, when it starts); its place in the ledger.
//! 2. [`Pipeline::whole`]: kept back for as long as production may not have served it (`serving.rs`).
//! 3. [`Pipeline::identify`]: its name, its connection and its client's address make an [`Exchange`] of it.
//! 4. [`Pipeline::guard`]: not a copy already, not during a pause, within the CPU budget.
//! 5. [`Pipeline::admit`]: limits of inputs, which so count what production served, whatever a middleware makes of it.
//! 6. [`Dispatcher::intercept`]: through the middleware, if there is one.
//! 7. [`Dispatcher::enqueue`]: to each mirror by its route, rules and limit, and into its output's queue.
//!
//! Each step gives the request to the next or settles it: an [`Opened`] can only be given up by an outcome.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use shadow_core::latency::LatencyHistogram;
use shadow_hand_over::HandOver;
use shadow_http::{Reject, Request, RequestEvent};

use super::answers::AnswerEvent;
use super::counters::StreamCounters;
use super::gate::{Gate, Passage};
use super::ledger::{DropReason, Opened, Outcome, ShardLedger};
use super::live::Live;
use super::mirrors::{Targets, now};
use super::not_understood;
use super::open::{Open, RequestOrigin};
use super::plan::PodIdentity;
use super::share::Draws;
use super::{Dispatcher, Exchange, ExchangeResponse, Limiter, MessageId, MessageKind};

/// Where whole requests go, and where all of them are counted.
pub(super) struct Pipeline {
    pub(super) ledger: ShardLedger,
    pub(super) dispatcher: Rc<Dispatcher>,
    pub(super) marker: Option<Box<str>>,
    /// The header that is set to the client's address.
    pub(super) client_header: Option<Box<str>>,
    pub(super) counters: StreamCounters,
    pub(super) gate: Gate,
    pub(super) draws: Draws,
    /// The limit of the one input that this shard reads, if it has one of its own.
    pub(super) limit: Option<Limiter>,
    /// From a request's last byte to its answer's, where answers are captured.
    pub(super) production: Arc<LatencyHistogram>,
    /// Whether production's answers go to every output, and not only to those that compare.
    pub(super) forward_responses: bool,
    /// Which requests another agent of this node mirrors, where there may be one.
    pub(super) hand_over: Option<Arc<HandOver>>,
    /// Bytes of requests that are kept back.
    pub(super) kept_bytes: usize,
}

impl Pipeline {
    /// Takes an event of the request stream of a connection.
    pub(super) fn request(&mut self, open: &mut Open, id: Option<MessageId>, event: RequestEvent) {
        match event {
            RequestEvent::Started => self.started(open),
            RequestEvent::Complete(request) => {
                match (open.request.take(), id) {
                    (Some(opened), Some(id)) => self.whole(open, id, request, opened),
                    // Another agent's: its answer is for nobody here.
                    (None, Some(id)) => self.dispatcher.not_taken(&id),
                    (_, None) => {}
                }
                open.held.ended();
            }
            RequestEvent::Incomplete(request, why) => {
                if let (Some(opened), Some(id)) = (open.request.take(), id) {
                    match request.cut_short(why) {
                        Ok(request) => self.whole(open, id, Box::new(request), opened.incomplete()),
                        Err(reject) => opened.settle(Outcome::Dropped(self.reason_on(open, reject))),
                    }
                }
                open.held.ended();
            }
            RequestEvent::Rejected(reject) => {
                if reject == Reject::MidStream {
                    not_understood::say_that_connections_were_open();
                }
                if let Some(opened) = open.request.take() {
                    opened.settle(Outcome::Dropped(self.reason_on(open, reject)));
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

    /// A request starts, one at a time on its connection.
    fn started(&mut self, open: &mut Open) {
        if let Some((opened, pod)) = self.begin(open) {
            open.request = Some(opened);
            open.pod = pod;
        }
    }

    /// A request starts: the mirrors it is for, unless it is another agent's, and its place in the ledger.
    pub(super) fn begin(&mut self, open: &mut Open) -> Option<(Opened, Option<Arc<PodIdentity>>)> {
        if !self.is_ours(open) {
            self.counters.requests_of_another_agent += 1;
            return None;
        }
        open.held.started();
        let Targets { slots, pod } = self.dispatcher.mirrors_mut().targets_in_turn(&open.key);
        if let Some(pod) = &pod {
            pod.seen.fetch_add(1, Relaxed);
        }
        Some((self.ledger.open_for(&slots), pod))
    }

    /// Whether a request that starts now is this agent's, and not that of another one of this node.
    fn is_ours(&self, open: &mut Open) -> bool {
        let start = open.next_start();
        self.hand_over
            .as_ref()
            .is_none_or(|hand_over| hand_over.takes(&open.wire_key(), start))
    }

    /// Sends a request that was captured on a connection down the rest of the way. `live`: production is still serving it.
    pub(super) fn forward_captured(
        &mut self,
        place: RequestOrigin<'_>,
        id: MessageId,
        request: Box<Request>,
        opened: Opened,
        live: Option<Rc<Live>>,
    ) {
        match self.identify(place, id, request) {
            Ok(exchange) => self.forward(Exchange { live, ..exchange }, opened),
            Err((id, reject)) => {
                self.dispatcher.not_taken(&id);
                opened.settle(Outcome::Dropped(self.reason(reject)));
            }
        }
    }

    /// Sends a request that production has served, or that was sent to this agent, down the rest of the way.
    pub(super) fn forward(&mut self, exchange: Exchange, opened: Opened) {
        let opened = self.guard(&exchange, opened);
        let Some(opened) = opened.and_then(|opened| self.admit(&exchange, opened)) else {
            // No mirror gets its response.
            return self.dispatcher.not_taken(&exchange.id);
        };
        self.dispatcher.intercept(exchange, opened);
    }

    /// Gives a request its name, and its client's address where that is asked for and there is room for it.
    fn identify(
        &self,
        place: RequestOrigin<'_>,
        id: MessageId,
        request: Box<Request>,
    ) -> Result<Exchange, (MessageId, Reject)> {
        let request = match &self.client_header {
            None => request,
            Some(name) => {
                let address = place.key.client.socket_addr().ip().to_string();
                let head = request.head_with(&[(name, Some(address.as_bytes()))]);
                match request.rewritten(head, request.body.clone()) {
                    Ok(request) => Box::new(request),
                    Err(error) => return Err((id, error.into())),
                }
            }
        };
        Ok(Exchange {
            id,
            flow: place.flow,
            key: *place.key,
            pod: place.pod.cloned(),
            copy: 1,
            request: request.into(),
            live: None,
        })
    }

    /// Ends a request that is a copy already, that comes during a pause, or that is beyond the CPU budget.
    fn guard(&mut self, exchange: &Exchange, opened: Opened) -> Option<Opened> {
        let marker = self.marker.as_deref();
        if marker.is_some_and(|name| exchange.request.header(name).is_some()) {
            opened.settle(Outcome::Dropped(DropReason::LoopGuard));
            return None;
        }
        let draws = &mut self.draws;
        match self.gate.passage(|| draws.draw()) {
            Passage::Free => return Some(opened),
            Passage::Paused => opened.settle(Outcome::Dropped(DropReason::Paused)),
            Passage::LeftOut => opened.settle(Outcome::Limited),
        }
        None
    }

    /// Takes a request out of the mirrors whose inputs' limits have no room for it.
    fn admit(&mut self, exchange: &Exchange, mut opened: Opened) -> Option<Opened> {
        let limit = self.limit.as_ref();
        let admitted = limit.map(|limit| limit.next(&mut self.draws, now()));
        if let Some(Err(outcome)) = admitted {
            opened.settle(outcome);
            return None;
        }
        let left_out = self
            .dispatcher
            .mirrors_mut()
            .left_out(&exchange.key, opened.slots());
        if !left_out.is_empty() {
            opened.settle_some(&left_out);
            if opened.slots().is_empty() {
                return None;
            }
        }
        Some(opened)
    }

    /// Production's answer to a whole request, or that there will be none.
    pub(super) fn answer(&mut self, open: &mut Open, event: AnswerEvent) {
        if !self.settle_answered(open, &event) {
            return;
        }
        match event {
            AnswerEvent::Answered(answer) => {
                self.production.record(answer.took);
                let response = ExchangeResponse {
                    id: &answer.id,
                    kind: MessageKind::Response,
                    head: &answer.response.head,
                    body: &answer.response.body,
                    began: answer.began,
                    first_byte: answer.response.first_byte,
                    last_byte: answer.response.last_byte,
                };
                self.dispatcher.production_answered(&response);
                if self.forward_responses {
                    self.dispatcher.response(&open.key, &response);
                }
            }
            AnswerEvent::Lost(id, why) => self.dispatcher.production_lost(&id, why),
            AnswerEvent::Left(id, response) => self.dispatcher.production_left(&ExchangeResponse {
                id: &id,
                kind: MessageKind::Response,
                head: &response.head,
                body: &response.body,
                began: response.first_byte,
                first_byte: response.first_byte,
                last_byte: response.last_byte,
            }),
        }
    }

    /// Holes in a TLS connection's plaintext are records, whatever they were lost by.
    pub(super) fn reason_on(&self, open: &Open, reject: Reject) -> DropReason {
        match reject {
            Reject::Gap | Reject::H2Gap if open.tls => DropReason::TlsRecordLost,
            other => self.reason(other),
        }
    }

    /// A pause ends the connections as the agent's end does.
    pub(super) fn reason(&self, reject: Reject) -> DropReason {
        match reject {
            Reject::Shutdown if self.gate.is_paused() => DropReason::Paused,
            other => other.into(),
        }
    }
}
