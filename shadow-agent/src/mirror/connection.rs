//! One production connection's reader: stream bytes in, counted requests and exchanges out.
//!
//! Biased towards honesty of the account: a request is opened in the ledger when its start is seen and
//! settled when its outcome is known, whatever happens to the connection between the two.

use std::rc::Rc;

use super::counters::StreamCounters;
use super::ledger::{DropReason, Opened, Outcome, ShardLedger};
use super::{Exchange, FlowId};
use crate::budget::MemoryBudget;
use crate::http::{Limits, Reject, Request, RequestEvent, RequestStream};
use crate::output::ShardOutput;
use crate::tcp::{Chunk, Close, Direction, FlowKey, GapCause, Start, StreamHandler};
use crate::time::Timestamp;

/// What the connections of one shard share.
pub struct Shard {
    budget: MemoryBudget,
    limits: Limits,
    flows: u64,
    mirror: Mirror,
}

/// Where whole requests go, and where all of them are counted.
struct Mirror {
    ledger: ShardLedger,
    outputs: Vec<Box<dyn ShardOutput>>,
    marker: Option<Box<str>>,
    counters: StreamCounters,
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
        let marker = marker.map(Into::into);
        let mirror = Mirror {
            ledger,
            outputs,
            marker,
            counters: StreamCounters::default(),
        };
        Self {
            budget,
            limits,
            flows: 0,
            mirror,
        }
    }

    /// What the connections carried besides whole requests.
    pub fn counters(&self) -> StreamCounters {
        self.mirror.counters
    }

    /// The outputs of this shard.
    pub fn outputs(&self) -> &[Box<dyn ShardOutput>] {
        &self.mirror.outputs
    }
}

/// The stream handler of one connection.
pub struct Connection {
    requests: RequestStream,
    open: Open,
}

/// A connection's name, and its request that has started and is not whole yet.
struct Open {
    flow: FlowId,
    key: FlowKey,
    request: Option<Opened>,
}

impl Mirror {
    fn request(&mut self, open: &mut Open, event: RequestEvent) {
        match event {
            RequestEvent::Started => open.request = Some(self.ledger.open()),
            RequestEvent::Complete(request) => {
                if let Some(opened) = open.request.take() {
                    self.deliver(open, request, opened);
                }
            }
            RequestEvent::Rejected(reject) => {
                if let Some(opened) = open.request.take() {
                    opened.settle(Outcome::Dropped(reason(reject)));
                }
            }
            RequestEvent::Skipped { bytes, why } => self.counters.skip(bytes, why),
            RequestEvent::Recognised(what) => self.counters.recognise(what),
        }
    }

    fn deliver(&self, open: &Open, request: Box<Request>, opened: Opened) {
        if self
            .marker
            .as_deref()
            .is_some_and(|name| request.header(name).is_some())
        {
            opened.settle(Outcome::Dropped(DropReason::LoopGuard));
            return;
        }
        let exchange = Rc::new(Exchange {
            flow: open.flow,
            key: open.key,
            request,
        });
        for (output, ticket) in self.outputs.iter().zip(opened.split()) {
            output.offer(&exchange, ticket);
        }
    }
}

impl Connection {
    /// Lets the request stream read, and answers what it says.
    fn read(
        &mut self,
        shard: &mut Shard,
        read: impl FnOnce(&mut RequestStream, &MemoryBudget, &mut dyn FnMut(RequestEvent)),
    ) {
        let Self { requests, open } = self;
        let Shard { budget, mirror, .. } = shard;
        read(requests, budget, &mut |event| mirror.request(open, event));
    }
}

impl StreamHandler for Connection {
    type Context = Shard;

    fn open(shard: &mut Shard, flow: &FlowKey, start: Start, _time: Timestamp) -> Self {
        shard.flows += 1;
        Self {
            requests: RequestStream::new(shard.limits, start),
            open: Open {
                flow: FlowId(shard.flows),
                key: *flow,
                request: None,
            },
        }
    }

    fn data(&mut self, shard: &mut Shard, direction: Direction, chunk: Chunk<'_>) {
        if direction == Direction::Request {
            self.read(shard, |requests, budget, mut sink| {
                requests.push(chunk, budget, &mut sink)
            });
        }
    }

    fn gap(&mut self, shard: &mut Shard, direction: Direction, bytes: u64, _cause: GapCause) {
        if direction == Direction::Request {
            self.read(shard, |requests, _, mut sink| requests.gap(bytes, &mut sink));
        }
    }

    fn finished(&mut self, shard: &mut Shard, direction: Direction, _time: Timestamp) {
        if direction == Direction::Request {
            self.read(shard, |requests, _, mut sink| {
                requests.end(Close::Finished, &mut sink)
            });
        }
    }

    fn close(mut self, shard: &mut Shard, close: Close, _time: Timestamp) {
        self.read(shard, |requests, _, mut sink| requests.end(close, &mut sink));
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
