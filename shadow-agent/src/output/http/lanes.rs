//! Lanes: the order of each production connection, kept.
//!
//! Requests of one production connection go to the shadow in their order: one at a time, or, when several
//! wait, one behind the other on one connection (pipelined). Different connections go in parallel. A lane
//! exists while it has a request under way or waiting.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::time::Instant;

use super::breaker::Pass;
use super::redirect::Hop;
use crate::compare::Part;
use crate::http::{HeaderField, Request, Version};
use crate::mirror::ledger::Ticket;
use crate::mirror::{Exchange, FlowId, LiveReader};

/// Largest request that is sent behind another, in bytes.
const MAX_FOLLOWER: usize = 4096;

/// Bytes that are kept with a request, beside those of its fields: a queue of small requests is mostly these.
const KEPT_WITH_IT: usize = size_of::<Exchange>() + size_of::<Request>() + size_of::<Job>();

/// Bytes that a request holds while it waits or is under way.
pub(super) fn held_bytes(request: &Request) -> usize {
    let fields = request.headers.len() * size_of::<HeaderField>();
    request.head.len() + request.body.len() + fields + KEPT_WITH_IT
}

/// One request on its way to the shadow.
#[derive(Debug)]
pub(super) struct Job {
    pub exchange: Rc<Exchange>,
    pub ticket: Ticket,
    /// Its part of a pair, if it is compared.
    pub part: Option<Part>,
    pub pass: Pass,
    /// When its last byte was written first.
    pub written: Option<Instant>,
    /// Whether it goes to a fresh connection because a reused one died under it: this happens once.
    pub retried: bool,
    /// How often the shadow ended an HTTP/2 connection without having looked at it, but at others there.
    pub turned_away: u8,
    /// Redirects that may still be followed.
    pub redirects: u8,
    /// The redirect that is being followed.
    pub hop: Option<Box<Hop>>,
    /// Production's further dealings with it, of a call that it is serving.
    pub live: Option<Rc<LiveReader>>,
}

impl Job {
    pub(super) fn flow(&self) -> FlowId {
        self.exchange.flow
    }

    /// Whether its messages come while it is sent.
    pub(super) fn is_coming(&self) -> bool {
        self.exchange.is_coming()
    }

    /// Whether it can be sent once more, from its first byte on.
    pub(super) fn begins_again(&self) -> bool {
        !self.is_coming() || self.live.as_ref().is_some_and(|reader| reader.rewind())
    }

    /// Goes on where a redirect leads.
    pub(super) fn follow(&mut self, hop: Hop) {
        self.hop = Some(Box::new(hop));
        self.redirects = self.redirects.saturating_sub(1);
    }

    /// Bytes it holds until it is settled: those of the request, and of what is kept with it.
    pub(super) fn bytes(&self) -> usize {
        held_bytes(&self.exchange.request)
    }

    /// Whether another request may be sent behind it before its answer is there. A probe goes alone, and so
    /// does what was tried before.
    pub(super) fn may_lead(&self) -> bool {
        self.may_follow()
    }

    /// Whether it may be sent behind another request of its lane: it is small, and changes nothing, because it
    /// may have to be sent again, and then the shadow may have seen it twice. PUT and DELETE do no harm twice in
    /// themselves, but they do when the one behind was done before the one ahead is done again.
    pub(super) fn may_follow(&self) -> bool {
        let request = &self.exchange.request;
        matches!(request.method(), b"GET" | b"HEAD" | b"OPTIONS")
            && request.version == Version::Http11
            && request.body.is_empty()
            && request.head.len() <= MAX_FOLLOWER
            && !self.retried
            && !self.pass.probe
            && self.hop.is_none()
            && self.redirects == 0
            // Behind the shadow's 101 nothing else would be answered.
            && !request.is_handshake()
    }

    /// Whether doing it twice is doing it once (RFC 9110 section 9.2.2).
    pub(super) fn is_idempotent(&self) -> bool {
        matches!(
            self.exchange.request.method(),
            b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE"
        )
    }
}

/// The lanes of one shard.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// Requests queued behind the one in flight, by lane.
    lanes: HashMap<FlowId, VecDeque<Job>, BuildHasherDefault<FlowIdHasher>>,
    /// Lanes with something waiting and nothing under way, the longest waiting first.
    ready: VecDeque<FlowId>,
}

impl Lanes {
    /// Whether this request may go at once: nothing of its lane is before it, and no other lane waits.
    pub(super) fn is_free(&self, flow: FlowId) -> bool {
        self.ready.is_empty() && !self.lanes.contains_key(&flow)
    }

    /// Whether a lane waits for a connection.
    pub(super) fn any_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// A request of a free lane goes under way without waiting.
    pub(super) fn begin(&mut self, flow: FlowId) {
        self.lanes.insert(flow, VecDeque::new());
    }

    /// A request waits.
    pub(super) fn push(&mut self, job: Job) {
        let flow = job.flow();
        let lane = self.lanes.entry(flow).or_insert_with(|| {
            self.ready.push_back(flow);
            VecDeque::new()
        });
        lane.push_back(job);
    }

    /// The next request of the lane that waits longest; it is under way from now on.
    pub(super) fn next(&mut self) -> Option<Job> {
        while let Some(flow) = self.ready.pop_front() {
            if let Some(job) = self.lanes.get_mut(&flow).and_then(VecDeque::pop_front) {
                return Some(job);
            }
            self.lanes.remove(&flow);
        }
        None
    }

    /// The request that waits first in this lane, which has one under way, if it is `wanted`: it goes under way
    /// behind that one.
    pub(super) fn next_behind(&mut self, flow: FlowId, wanted: impl FnOnce(&Job) -> bool) -> Option<Job> {
        self.lanes.get_mut(&flow)?.pop_front_if(|job| wanted(job))
    }

    /// A request that was under way behind another one of its lane waits again, as the first.
    pub(super) fn put_back(&mut self, job: Job) {
        self.lanes.entry(job.flow()).or_default().push_front(job);
    }

    /// The request of this lane that was under way has ended: the lane goes to the end of the line.
    pub(super) fn finished(&mut self, flow: FlowId) {
        match self.lanes.get(&flow) {
            Some(lane) if !lane.is_empty() => self.ready.push_back(flow),
            _ => {
                self.lanes.remove(&flow);
            }
        }
    }

    /// Takes out all that waits and is not `kept`; what is under way stays.
    pub(super) fn take_waiting(&mut self, kept: impl Fn(&Job) -> bool) -> Vec<Job> {
        let mut taken = Vec::new();
        for lane in self.lanes.values_mut() {
            for job in std::mem::take(lane) {
                if kept(&job) {
                    lane.push_back(job);
                } else {
                    taken.push(job);
                }
            }
        }
        let lanes = &mut self.lanes;
        self.ready.retain(|flow| {
            let keep = lanes.get(flow).is_some_and(|lane| !lane.is_empty());
            if !keep {
                lanes.remove(flow);
            }
            keep
        });
        taken
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }
}

/// Flow ids are counted by this program, not chosen by clients: one multiplication spreads them well enough.
#[derive(Default)]
struct FlowIdHasher(u64);

impl Hasher for FlowIdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        // 2^64 divided by the golden ratio (Knuth's multiplicative hashing); the high bits go low, where the
        // table looks first.
        self.0 = value.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
