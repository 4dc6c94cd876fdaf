//! The connections of one shard: finds each segment's connection, opens, ends and forgets them.
//!
//! Everything is bounded: connections by `max_connections` (evicted is the oldest that has never carried a
//! byte, so that a flood of SYNs evicts itself; without one of those the one quiet for longest), what
//! waits behind holes by `max_out_of_order` for each direction and the memory budget for all. A connection
//! opens with a SYN or with payload; nothing else of an unknown connection matters.
//!
//! Where it is told whose answers to expect ([`FlowTable::with_servers`]), a connection that opens with a SYN is one
//! only once its server took it; its reader is told, and keeps back what it reads until then.

use std::time::Duration;

use hashlink::LinkedHashMap;
use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;

use super::counters::ConnectionCounters;
use super::flow::{Flow, Reuse, is_syn_ack};
use super::flow_hash::FlowHash;
use super::kept::Kept;
use super::lingering::Lingering;
use super::reassembler::Shared;
use super::segment::{Direction, Endpoint, FlowKey, Segment, TcpFlags};
use super::servers::Servers;
use super::settings::ConnectionSettings;
use super::stream::{Close, ServerSign, Stall, Start, StreamHandler};

/// How long a message under way may pause before it is given up: a slow upload or a phone out of reach pauses
/// for half of that and comes back, while `client_body_timeout` of nginx and others end it at the same time.
const STALL_TIMEOUT: Duration = Duration::from_mins(1);

/// How long one must have paused to be given up for others that need its memory.
const STALL_UNDER_PRESSURE: Duration = Duration::from_secs(1);

/// Most connections looked at for memory with each segment.
const MAX_RELIEVED: usize = 16;

/// How long what depends on the server is kept back for it to show. Its answer is captured before the client's data, but
/// copies of packets from several ports or machines may change places.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Silent connections go first when they are more than this part of the table. Fewer are handshakes under way
/// and clients that connected ahead of need.
const SILENT_SHARE: usize = 8;

/// The connections of one shard and their handlers.
pub struct FlowTable<H: StreamHandler> {
    /// Quiet for longest first.
    flows: LinkedHashMap<FlowKey, Flow<H>, FlowHash>,
    /// Connections with a hole and when it will be given up, about in that order.
    holes: LinkedHashMap<FlowKey, Timestamp, FlowHash>,
    /// Connections that have carried nothing so far, or may never have been, oldest first. Touched when one opens, when
    /// its first bytes come, and when it ends before.
    silent: LinkedHashMap<FlowKey, (), FlowHash>,
    /// Connections that hold bytes of something that is not whole, or did lately, and when it was last known to have grown,
    /// about in that order. Read again from the connection when its time seems over, so that growing is free, and so is what
    /// is whole with the next segment.
    unfinished: LinkedHashMap<FlowKey, Timestamp, FlowHash>,
    /// Connections that wait for more to show of their server, and until when, in that order.
    awaiting: LinkedHashMap<FlowKey, Timestamp, FlowHash>,
    lingering: Lingering,
    /// Handlers of connections that have ended.
    kept: Kept<H>,
    /// Whose answers are seen; `None` where it is not asked whether a server took a connection.
    servers: Option<Servers>,
    /// The server that was taken to be out of sight last.
    out_of_sight: Option<Endpoint>,
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
            awaiting: LinkedHashMap::default(),
            servers: None,
            out_of_sight: None,
            lingering: Lingering::new(settings.max_connections),
            kept: Kept::default(),
            settings,
            watch_responses,
            budget,
            counters: ConnectionCounters::default(),
        }
    }

    /// The same, which tells whether servers took their connections.
    #[must_use]
    pub fn with_servers(mut self, servers: Servers) -> Self {
        self.servers = Some(servers);
        self
    }

    /// The server that was taken to be out of sight last, if one was: its connections are read as if it had taken them.
    pub fn out_of_sight(&self) -> Option<Endpoint> {
        self.out_of_sight
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
        if let Some(servers) = &mut self.servers
            && segment.direction == Direction::Response
            && (is_syn_ack(segment) || segment.flags.contains(TcpFlags::RST))
        {
            servers.answered(segment);
        }
        let answers_are_seen = match &self.servers {
            Some(servers) if segment.flags.contains(TcpFlags::SYN) => servers.are_seen(&segment.flow),
            _ => self.watch_responses,
        };
        let mut shared = Shared {
            max_out_of_order: self.settings.max_out_of_order,
            budget: &self.budget,
            counters: &mut self.counters,
        };
        if let Some(flow) = self.flows.to_back(&segment.flow) {
            match flow.reuse(segment, answers_are_seen) {
                Reuse::No => {
                    let before = Needs::of(flow);
                    let ended = flow.push(context, segment, self.watch_responses, &mut shared);
                    let after = Needs::after(flow);
                    self.after_push(context, &segment.flow, ended, before, after, segment.time);
                    if after.waits {
                        self.make_room(context, segment.time);
                    }
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
            let after = Needs::after(flow);
            self.after_push(context, &key, ended, before, after, now);
        }
        while self.give_up_waiting(context, now, now) {}
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

    /// Lets the handler of one connection go on with what did not wait for segments, if it is in the table still.
    pub fn revisit(&mut self, context: &mut H::Context, key: &FlowKey, now: Timestamp) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let before = Needs::of(flow);
        let ended = flow.revisit(context, now, self.watch_responses);
        let after = Needs::after(flow);
        self.after_push(context, key, ended, before, after, now);
    }

    /// The same for those that [outlast](StreamHandler::outlasts) their connections.
    pub fn revisit_kept(&mut self, context: &mut H::Context, now: Timestamp) {
        self.kept.revisit(context, now);
    }

    /// How many those are.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Looks at the connection that has waited longest for its server, when its time is over at `due`: tells it what
    /// the silence means. `false` when there is none.
    fn give_up_waiting(&mut self, context: &mut H::Context, due: Timestamp, now: Timestamp) -> bool {
        let Some((key, _)) = self.awaiting.front().filter(|(_, until)| **until <= due) else {
            return false;
        };
        let key = *key;
        self.awaiting.pop_front();
        if let Some(flow) = self.flows.get_mut(&key) {
            let before = Needs {
                waits: false,
                ..Needs::of(flow)
            };
            if flow.is_pending() {
                let sign = silence(
                    &mut self.servers,
                    &mut self.counters,
                    &mut self.out_of_sight,
                    &key,
                    now,
                );
                flow.unanswered(context, sign);
            }
            let ended = flow.overdue(context, now, self.watch_responses);
            let after = Needs::after(flow);
            self.after_push(context, &key, ended, before, after, now);
        }
        true
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
                _ if !flow.holds() => flow.set_listed(false),
                Some(last) if last.after(pause) > now => {
                    self.unfinished.insert(key, last);
                }
                _ => {
                    flow.stalled(context, why);
                    flow.set_listed(false);
                }
            }
        }
        true
    }

    /// Ends every connection with [`Close::Shutdown`], and those that outlast theirs; what waits is handed on behind its gap.
    pub fn shutdown(&mut self, context: &mut H::Context, now: Timestamp) {
        while let Some((key, _)) = self.flows.front() {
            let key = *key;
            self.close(context, &key, Close::Shutdown, now);
        }
        self.kept.end(context);
    }

    /// A segment of a connection that is not in the table.
    fn push_unknown(&mut self, context: &mut H::Context, segment: &Segment<'_>) {
        let len = segment.payload.len() as u64;
        let Some(start) = self.opens(segment) else {
            self.counters.unwatched_bytes += len;
            return;
        };
        if let Some(unseen) = self.lingering.is_late(segment) {
            self.counters.after_close_bytes += len;
            if unseen > 0 {
                let seen = segment.payload.len() - unseen;
                H::late(context, &segment.flow, &segment.payload[seen..]);
            }
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
        match &self.servers {
            Some(servers) if start == Start::Syn && servers.is_out_of_sight(&segment.flow) => {
                self.counters.one_way += 1;
            }
            Some(_) if start == Start::Syn => flow.ask(context),
            Some(servers) if servers.are_seen(&segment.flow) => flow.accept(context),
            _ => {}
        }
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
        let after = Needs::after(&mut flow);
        self.flows.insert(segment.flow, flow);
        self.after_push(
            context,
            &segment.flow,
            ended,
            Needs::default(),
            after,
            segment.time,
        );
        if after.waits {
            self.make_room(context, segment.time);
        }
    }

    /// Whether a segment of an unknown connection opens one, and how.
    fn opens(&self, segment: &Segment<'_>) -> Option<Start> {
        let syn = match segment.direction {
            Direction::Request => {
                segment.flags.contains(TcpFlags::SYN) && !segment.flags.contains(TcpFlags::ACK)
            }
            Direction::Response => is_syn_ack(segment),
        };
        let watched = segment.direction == Direction::Request || self.watch_responses;
        if segment.flags.contains(TcpFlags::RST) {
            None
        } else if syn {
            Some(Start::Syn)
        } else {
            (watched && !segment.payload.is_empty()).then_some(Start::MidStream)
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
        if !before.listed && after.listed {
            self.unfinished.insert(*key, now);
        }
        if before.waits != after.waits {
            if after.waits {
                self.awaiting.insert(*key, now.after(ANSWER_TIMEOUT));
            } else {
                self.awaiting.remove(key);
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

    /// While what is kept back takes too much room, the oldest of it is decided about before its time.
    fn make_room(&mut self, context: &mut H::Context, now: Timestamp) {
        for _ in 0..MAX_RELIEVED {
            if !H::is_crowded(context) || !self.give_up_waiting(context, Timestamp(u64::MAX), now) {
                break;
            }
        }
    }

    fn close(&mut self, context: &mut H::Context, key: &FlowKey, close: Close, now: Timestamp) {
        let Some(mut flow) = self.flows.remove(key) else {
            return;
        };
        if flow.waits() {
            self.awaiting.remove(key);
        }
        if flow.waiting_since().is_some() {
            self.holes.remove(key);
        }
        if flow.is_silent() {
            self.silent.remove(key);
        }
        if flow.is_listed() {
            self.unfinished.remove(key);
        }
        if flow.is_pending() {
            let sign = silence(
                &mut self.servers,
                &mut self.counters,
                &mut self.out_of_sight,
                key,
                now,
            );
            flow.unanswered(context, sign);
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
        let handler = flow.end(context, &mut shared);
        let may_outlast = matches!(close, Close::Finished | Close::Reset | Close::Reused);
        if may_outlast && handler.outlasts() {
            self.kept.keep(context, handler, close, now);
        } else {
            handler.close(context, close, now);
        }
    }
}

/// Says what it means that a connection had no answer.
fn silence(
    servers: &mut Option<Servers>,
    counters: &mut ConnectionCounters,
    out_of_sight: &mut Option<Endpoint>,
    key: &FlowKey,
    now: Timestamp,
) -> ServerSign {
    let sign = servers
        .as_mut()
        .map_or(ServerSign::Unseen, |servers| servers.silent(key, now));
    if sign == ServerSign::Unseen {
        counters.one_way += 1;
        *out_of_sight = Some(key.server);
    } else {
        counters.unanswered += 1;
    }
    sign
}

/// Everything a connection needs from its table besides its segments: in which of the lists it stands.
#[derive(Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, not states of one thing"
)]
struct Needs {
    /// The earliest time since which something waits behind a hole.
    hole: Option<Timestamp>,
    /// It has carried nothing so far, or may never have been.
    silent: bool,
    /// Its handler holds bytes of something that is not whole.
    holds: bool,
    /// It does, or did lately.
    listed: bool,
    /// Something waits for more to show of its server.
    waits: bool,
}

impl Needs {
    #[inline]
    fn of<H: StreamHandler>(flow: &Flow<H>) -> Self {
        Self {
            hole: flow.waiting_since(),
            silent: flow.is_silent(),
            holds: flow.holds(),
            listed: flow.is_listed(),
            waits: flow.waits(),
        }
    }

    /// The same behind what may have changed it: it is listed from now on if it holds anything.
    #[inline]
    fn after<H: StreamHandler>(flow: &mut Flow<H>) -> Self {
        let mut needs = Self::of(flow);
        needs.listed |= needs.holds;
        flow.set_listed(needs.listed);
        needs
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
