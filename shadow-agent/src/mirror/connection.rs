//! One production connection's reader: stream bytes in, counted requests and exchanges out.
//!
//! Biased towards honesty of the account: a request is opened in the ledger when its start is seen and
//! settled when its outcome is known, whatever happens to the connection between the two.

use std::rc::Rc;

use super::counters::StreamCounters;
use super::ledger::{DropReason, Opened, Outcome, ShardLedger};
use super::{Exchange, FlowId};
use crate::budget::MemoryBudget;
use crate::http::{Limits, Reject, Request, RequestEvent, RequestStream, StreamEnd};
use crate::output::ShardOutput;
use crate::tcp::{Chunk, Close, Direction, FlowKey, GapCause, Start, StreamHandler};
use crate::time::Timestamp;

/// What the connections of one shard share.
pub struct Shard {
    ledger: ShardLedger,
    outputs: Vec<Box<dyn ShardOutput>>,
    budget: MemoryBudget,
    limits: Limits,
    marker: Option<Box<str>>,
    counters: StreamCounters,
    flows: u64,
}

impl Shard {
    /// A shard that mirrors to `outputs`. A request with a header called `marker` is a copy already, and is
    /// not mirrored again.
    pub fn new(
        ledger: ShardLedger,
        outputs: Vec<Box<dyn ShardOutput>>,
        budget: MemoryBudget,
        limits: Limits,
        marker: Option<&str>,
    ) -> Self {
        Self {
            ledger,
            outputs,
            budget,
            limits,
            marker: marker.map(Into::into),
            counters: StreamCounters::default(),
            flows: 0,
        }
    }

    /// What the connections carried besides whole requests.
    pub fn counters(&self) -> StreamCounters {
        self.counters
    }

    /// The outputs of this shard.
    pub fn outputs(&self) -> &[Box<dyn ShardOutput>] {
        &self.outputs
    }

    fn deliver(&self, flow: FlowId, key: FlowKey, request: Box<Request>, opened: Opened) {
        if self.marker.as_deref().is_some_and(|name| request.header(name).is_some()) {
            opened.settle(Outcome::Dropped(DropReason::LoopGuard));
            return;
        }
        let exchange = Rc::new(Exchange { flow, key, request });
        for (output, ticket) in self.outputs.iter().zip(opened.split()) {
            output.offer(&exchange, ticket);
        }
    }
}

/// The stream handler of one connection.
pub struct Connection {
    flow: FlowId,
    key: FlowKey,
    requests: RequestStream,
    opened: Option<Opened>,
}

impl Connection {
    fn event(&mut self, shard: &mut Shard, event: RequestEvent) {
        match event {
            RequestEvent::Started => self.opened = Some(shard.ledger.open()),
            RequestEvent::Complete(request) => {
                if let Some(opened) = self.opened.take() {
                    shard.deliver(self.flow, self.key, request, opened);
                }
            }
            RequestEvent::Rejected(reject) => {
                if let Some(opened) = self.opened.take() {
                    opened.settle(Outcome::Dropped(reason(reject)));
                }
            }
            RequestEvent::Skipped { bytes, why } => shard.counters.skip(bytes, why),
            RequestEvent::Recognised(what) => shard.counters.recognise(what),
        }
    }
}

impl StreamHandler for Connection {
    type Context = Shard;

    fn open(shard: &mut Shard, flow: &FlowKey, start: Start, _time: Timestamp) -> Self {
        shard.flows += 1;
        Self {
            flow: FlowId(shard.flows),
            key: *flow,
            requests: RequestStream::new(shard.limits, start),
            opened: None,
        }
    }

    fn data(&mut self, shard: &mut Shard, direction: Direction, chunk: Chunk<'_>) {
        if direction == Direction::Request {
            let budget = shard.budget.clone();
            self.read(shard, |requests, sink| requests.push(chunk, &budget, sink));
        }
    }

    fn gap(&mut self, shard: &mut Shard, direction: Direction, bytes: u64, _cause: GapCause) {
        if direction == Direction::Request {
            self.read(shard, |requests, sink| requests.gap(bytes, sink));
        }
    }

    fn finished(&mut self, shard: &mut Shard, direction: Direction, _time: Timestamp) {
        if direction == Direction::Request {
            self.read(shard, |requests, sink| requests.end(StreamEnd::Finished, sink));
        }
    }

    fn close(mut self, shard: &mut Shard, close: Close, _time: Timestamp) {
        let end = match close {
            Close::Finished => StreamEnd::Finished,
            Close::Reset => StreamEnd::Reset,
            Close::Idle | Close::Evicted | Close::Reused => StreamEnd::Lost,
            Close::Shutdown => StreamEnd::Shutdown,
        };
        self.read(shard, |requests, sink| requests.end(end, sink));
    }
}

fn reason(reject: Reject) -> DropReason {
    match reject {
        Reject::Gap => DropReason::Gap,
        Reject::MidStream => DropReason::MidStream,
        Reject::Reset => DropReason::Reset,
        Reject::Truncated => DropReason::Truncated,
        Reject::HeadTooLarge => DropReason::HeadTooLarge,
        Reject::BodyTooLarge => DropReason::BodyTooLarge,
        Reject::Malformed => DropReason::Malformed,
        Reject::AmbiguousFraming => DropReason::AmbiguousFraming,
        Reject::Memory => DropReason::Memory,
        Reject::Upgrade => DropReason::Upgrade,
        Reject::Shutdown => DropReason::Shutdown,
    }
}
