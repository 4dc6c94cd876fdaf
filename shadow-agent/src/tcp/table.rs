//! The connections of one shard: finds each segment's connection, opens, ends and forgets them.
//!
//! Everything is bounded: connections by `max_connections` (evicted is the oldest that has never carried a
//! byte, so that a flood of SYNs evicts itself; without one of those the one quiet for longest), what
//! waits behind holes by `max_out_of_order` for each direction and the memory budget for all. A connection
//! opens with a SYN or with payload; nothing else of an unknown connection matters.

use std::hash::RandomState;
use std::time::Duration;

use hashlink::LinkedHashMap;

use super::counters::ConnectionCounters;
use super::flow::{Flow, Reuse, is_syn_ack};
use super::lingering::Lingering;
use super::reassembler::Shared;
use super::segment::{Direction, FlowKey, Segment, TcpFlags};
use super::stream::{Close, Stall, Start, StreamHandler};
use crate::budget::MemoryBudget;
use crate::settings::ConnectionSettings;
use crate::time::Timestamp;

/// How long a message under way may pause before it is given up: a slow upload or a phone out of reach pauses
/// for half of that and comes back, while `client_body_timeout` of nginx and others end it at the same time.
const STALL_TIMEOUT: Duration = Duration::from_mins(1);

/// How long one must have paused to be given up for others that need its memory.
const STALL_UNDER_PRESSURE: Duration = Duration::from_secs(1);

/// Most connections looked at for memory with each segment.
const MAX_RELIEVED: usize = 16;

/// Silent connections go first when they are more than this part of the table. Fewer are handshakes under way
/// and clients that connected ahead of need.
const SILENT_SHARE: usize = 8;

/// The connections of one shard and their handlers.
pub struct FlowTable<H: StreamHandler> {
    /// Quiet for longest first. The hasher is std's keyed one, as addresses are chosen by strangers.
    flows: LinkedHashMap<FlowKey, Flow<H>, RandomState>,
    /// Connections with a hole and when it will be given up, about in that order.
    holes: LinkedHashMap<FlowKey, Timestamp, RandomState>,
    /// Connections that have carried nothing so far, oldest first. Touched when one opens, when its first
    /// bytes come, and when it ends before.
    silent: LinkedHashMap<FlowKey, (), RandomState>,
    /// Connections that hold bytes of something that is not whole, and when it was last known to have grown,
    /// about in that order. Read again from the connection when its time seems over, so that growing is free.
    unfinished: LinkedHashMap<FlowKey, Timestamp, RandomState>,
    lingering: Lingering,
    /// This table's share.
    settings: ConnectionSettings,
    watch_responses: bool,
    budget: MemoryBudget,
    counters: ConnectionCounters,
}

impl<H: StreamHandler> FlowTable<H> {
    /// An empty table. `settings` is this table's share: the bound on connections is not divided here.
    /// Segments of [`Direction::Response`] count as unwatched unless `watch_responses`.
    pub fn new(settings: ConnectionSettings, watch_responses: bool, budget: MemoryBudget) -> Self {
        Self {
            flows: LinkedHashMap::default(),
            holes: LinkedHashMap::default(),
            silent: LinkedHashMap::default(),
            unfinished: LinkedHashMap::default(),
            lingering: Lingering::new(settings.max_connections),
            settings,
            watch_responses,
            budget,
            counters: ConnectionCounters::default(),
        }
    }

    /// Bytes of memory that one idle connection takes, its handler and the table's links included, what the
    /// handler itself allocates not. The hash index has 8 and a bit, at up to twice as many places.
    pub const fn connection_size() -> usize {
        size_of::<(FlowKey, Flow<H>)>() + 2 * size_of::<usize>() + 2 * 9
    }

    /// The counts at this moment.
    pub fn counters(&self) -> ConnectionCounters {
        ConnectionCounters {
            open: self.flows.len() as u64,
            lingering: self.lingering.len() as u64,
            ..self.counters
        }
    }

    /// Takes the next segment.
    pub fn push(&mut self, context: &mut H::Context, segment: &Segment<'_>) {
        self.counters.segments += 1;
        self.counters.bytes += segment.payload.len() as u64;
        let mut shared = Shared {
            max_out_of_order: self.settings.max_out_of_order,
            budget: &self.budget,
            counters: &mut self.counters,
        };
        if let Some(flow) = self.flows.to_back(&segment.flow) {
            match flow.reuse(segment, self.watch_responses) {
                Reuse::No => {
                    let before = Needs::of(flow);
                    let ended = flow.push(context, segment, self.watch_responses, &mut shared);
                    let after = Needs::of(flow);
                    self.after_push(context, &segment.flow, ended, before, after, segment.time);
                }
                Reuse::Unanswered => {
                    self.counters.out_of_window += 1;
                    self.counters.out_of_window_bytes += segment.payload.len() as u64;
                }
                Reuse::New(start) => {
                    self.close(context, &segment.flow, Close::Reused, segment.time);
                    self.open(context, segment, start);
                }
            }
            return;
        }
        self.push_unknown(context, segment);
    }

    /// Gives up holes whose time is over and forgets idle connections. `now` is on the segments' clock; to
    /// be called several times in a gap timeout. Costs nothing for connections that need nothing. A hole
    /// that follows another in the same connection may stay open for up to two gap timeouts.
    pub fn tick(&mut self, context: &mut H::Context, now: Timestamp) {
        while let Some((key, _)) = self.holes.front().filter(|(_, due)| **due <= now) {
            let key = *key;
            self.holes.pop_front();
            let Some(flow) = self.flows.get_mut(&key) else {
                continue;
            };
            let before = Needs {
                hole: None,
                ..Needs::of(flow)
            };
            let mut shared = Shared {
                max_out_of_order: self.settings.max_out_of_order,
                budget: &self.budget,
                counters: &mut self.counters,
            };
            let ended = flow.give_up_holes(
                context,
                |since| since.after(self.settings.gap_timeout) <= now,
                self.watch_responses,
                &mut shared,
            );
            let after = Needs::of(flow);
            self.after_push(context, &key, ended, before, after, now);
        }
        while self.give_up_stalled(context, STALL_TIMEOUT, Stall::Timeout, now) {}
        self.relieve(context, now);
        while let Some((key, _)) = self
            .flows
            .front()
            .filter(|(_, flow)| flow.last_seen().after(self.settings.idle_timeout) <= now)
        {
            let key = *key;
            self.close(context, &key, Close::Idle, now);
        }
        self.lingering.expire(now);
    }

    /// While what is held is about to take all it may, gives up what has paused longest.
    fn relieve(&mut self, context: &mut H::Context, now: Timestamp) {
        for _ in 0..MAX_RELIEVED {
            if !self.budget.held_is_scarce()
                || !self.give_up_stalled(context, STALL_UNDER_PRESSURE, Stall::Memory, now)
            {
                break;
            }
        }
    }

    /// Looks at the first connection whose time may be over: gives up what it holds when nothing came for
    /// `pause`, else puts it back in line. `false` when there is none.
    fn give_up_stalled(
        &mut self,
        context: &mut H::Context,
        pause: Duration,
        why: Stall,
        now: Timestamp,
    ) -> bool {
        let Some((key, _)) = self
            .unfinished
            .front()
            .filter(|(_, known)| known.after(pause) <= now)
        else {
            return false;
        };
        let key = *key;
        self.unfinished.pop_front();
        if let Some(flow) = self.flows.get_mut(&key) {
            match flow.last_data() {
                Some(last) if last.after(pause) > now => {
                    self.unfinished.insert(key, last);
                }
                _ => flow.stalled(context, why),
            }
        }
        true
    }

    /// Ends every connection with [`Close::Shutdown`]; what waits is handed on behind its gap.
    pub fn shutdown(&mut self, context: &mut H::Context, now: Timestamp) {
        while let Some((key, _)) = self.flows.front() {
            let key = *key;
            self.close(context, &key, Close::Shutdown, now);
        }
    }

    /// A segment of a connection that is not in the table.
    fn push_unknown(&mut self, context: &mut H::Context, segment: &Segment<'_>) {
        let len = segment.payload.len() as u64;
        let Some(start) = self.opens(segment) else {
            self.counters.unwatched_bytes += len;
            return;
        };
        if self.lingering.is_late(segment) {
            self.counters.after_close_bytes += len;
            return;
        }
        if self.flows.len() >= self.settings.max_connections.max(1)
            && let Some(key) = self.least_useful()
        {
            self.close(context, &key, Close::Evicted, segment.time);
        }
        self.open(context, segment, start);
    }

    /// The connection to forget for another: the one quiet for longest, unless silent ones take more of the
    /// table than handshakes under way ever do.
    fn least_useful(&self) -> Option<FlowKey> {
        let silent = if self.silent.len() > self.settings.max_connections / SILENT_SHARE {
            self.silent.front()
        } else {
            None
        };
        silent
            .map(|(key, ())| *key)
            .or_else(|| self.flows.front().map(|(key, _)| *key))
    }

    /// Opens a connection with its first segment; there is room for it.
    fn open(&mut self, context: &mut H::Context, segment: &Segment<'_>, start: Start) {
        self.counters.opened += 1;
        self.counters.mid_stream += u64::from(start != Start::Syn);
        let handler = H::open(context, &segment.flow, start, segment.time);
        let mut flow = Flow::new(handler, segment);
        let mut shared = Shared {
            max_out_of_order: self.settings.max_out_of_order,
            budget: &self.budget,
            counters: &mut self.counters,
        };
        let mut first = *segment;
        if start == Start::Doubtful {
            // A SYN that is not trusted: the first data says where the stream is.
            first.flags = TcpFlags(segment.flags.0 & !TcpFlags::SYN.0);
            first.sequence = segment.sequence.wrapping_add(1);
        }
        let ended = flow.push(context, &first, self.watch_responses, &mut shared);
        let after = Needs::of(&flow);
        self.flows.insert(segment.flow, flow);
        self.after_push(
            context,
            &segment.flow,
            ended,
            Needs::default(),
            after,
            segment.time,
        );
    }

    /// Whether a segment of an unknown connection opens one, and how.
    fn opens(&self, segment: &Segment<'_>) -> Option<Start> {
        let syn = match segment.direction {
            Direction::Request => {
                segment.flags.contains(TcpFlags::SYN) && !segment.flags.contains(TcpFlags::ACK)
            }
            Direction::Response if self.watch_responses => is_syn_ack(segment),
            Direction::Response => return None,
        };
        if segment.flags.contains(TcpFlags::RST) {
            None
        } else if syn {
            Some(Start::Syn)
        } else {
            (!segment.payload.is_empty()).then_some(Start::MidStream)
        }
    }

    /// Keeps the lists of those that need something, and ends the connection if it did.
    #[inline]
    fn after_push(
        &mut self,
        context: &mut H::Context,
        key: &FlowKey,
        ended: Option<Close>,
        before: Needs,
        after: Needs,
        now: Timestamp,
    ) {
        match (before.hole, after.hole) {
            (None, Some(since)) => {
                self.holes.insert(*key, since.after(self.settings.gap_timeout));
            }
            (Some(_), None) => {
                self.holes.remove(key);
            }
            _ => {}
        }
        if before.holds != after.holds {
            if after.holds {
                self.unfinished.insert(*key, now);
            } else {
                self.unfinished.remove(key);
            }
        }
        if (after.holds || after.hole.is_some()) && self.budget.held_is_scarce() {
            self.relieve(context, now);
        }
        if before.silent != after.silent {
            if after.silent {
                self.silent.insert(*key, ());
            } else {
                self.silent.remove(key);
            }
        }
        if let Some(close) = ended {
            self.close(context, key, close, now);
        }
    }

    fn close(&mut self, context: &mut H::Context, key: &FlowKey, close: Close, now: Timestamp) {
        let Some(flow) = self.flows.remove(key) else {
            return;
        };
        if flow.waiting_since().is_some() {
            self.holes.remove(key);
        }
        if flow.is_silent() {
            self.silent.remove(key);
        }
        if flow.holds() {
            self.unfinished.remove(key);
        }
        let counter = match close {
            Close::Finished => &mut self.counters.finished,
            Close::Reset => &mut self.counters.reset,
            Close::Idle => &mut self.counters.idle,
            Close::Evicted => &mut self.counters.evicted,
            Close::Reused => &mut self.counters.reused,
            Close::Shutdown => &mut self.counters.shutdown,
        };
        *counter += 1;
        if matches!(close, Close::Finished | Close::Reset) {
            let next_request = flow.next_request_sequence();
            self.lingering
                .insert(*key, flow.initial_sequence(), next_request, now);
        }
        let mut shared = Shared {
            max_out_of_order: self.settings.max_out_of_order,
            budget: &self.budget,
            counters: &mut self.counters,
        };
        flow.close(context, close, now, &mut shared);
    }
}

/// What a connection needs from its table besides its segments: in which of the lists it stands.
#[derive(Clone, Copy, Default)]
struct Needs {
    /// The earliest time since which something waits behind a hole.
    hole: Option<Timestamp>,
    /// It has carried nothing so far.
    silent: bool,
    /// Its handler holds bytes of something that is not whole.
    holds: bool,
}

impl Needs {
    #[inline]
    fn of<H: StreamHandler>(flow: &Flow<H>) -> Self {
        Self {
            hole: flow.waiting_since(),
            silent: flow.is_silent(),
            holds: flow.holds(),
        }
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
