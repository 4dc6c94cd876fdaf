//! One connection in the table: its two directions and the handler that reads them.

use shadow_core::time::Timestamp;

use super::handshake::Handshake;
use super::reassembler::{Incoming, MAX_AHEAD, MAX_BEHIND, NEAR, Reassembler, Shared, Sink};
use super::segment::{Direction, Segment, TcpFlags};
use super::seq::distance;
use super::stream::{Chunk, Close, GapCause, ServerSign, Stall, Start, StreamHandler};

/// One connection.
#[derive(Debug)]
pub(super) struct Flow<H> {
    handler: H,
    request: Reassembler,
    /// Stays unused when responses are not watched.
    response: Reassembler,
    /// The client's initial sequence number; for a connection whose SYN was not seen, the one before the
    /// first byte seen.
    initial_sequence: u32,
    /// When the latest segment was seen.
    last_seen: Timestamp,
    /// When the bytes that were handed on last were seen; `None` before the first.
    last_data: Option<Timestamp>,
    /// Whether it stands in its table's list of those that hold bytes: from when it first does until it is looked at there.
    listed: bool,
    /// Whether the server took it.
    handshake: Handshake,
    /// The furthest of the server's bytes that the client has acknowledged.
    acknowledged: Option<u32>,
}

impl<H: StreamHandler> Flow<H> {
    /// A connection that comes into view with `segment`.
    pub fn new(handler: H, segment: &Segment<'_>) -> Self {
        let mut flow = Self {
            handler,
            request: Reassembler::default(),
            response: Reassembler::default(),
            initial_sequence: match segment.direction {
                Direction::Request if segment.flags.contains(TcpFlags::SYN) => segment.sequence,
                Direction::Request => segment.sequence.wrapping_sub(1),
                Direction::Response => segment.acknowledgment.wrapping_sub(1),
            },
            last_seen: segment.time,
            last_data: None,
            listed: false,
            handshake: Handshake::over(),
            acknowledged: None,
        };
        if is_syn_ack(segment) && segment.direction == Direction::Response {
            flow.request.start_at(segment.acknowledgment);
        }
        flow
    }

    /// When the latest segment was seen.
    pub fn last_seen(&self) -> Timestamp {
        self.last_seen
    }

    /// Whether nothing was handed on so far, or nothing of a connection that the server is known to have taken: anybody can
    /// send a SYN, and data, with another's address on them.
    #[inline]
    pub fn is_silent(&self) -> bool {
        self.last_data.is_none() || !self.handshake.is_over()
    }

    /// When the bytes that were handed on last were seen.
    pub fn last_data(&self) -> Option<Timestamp> {
        self.last_data
    }

    /// Whether its handler keeps bytes of something that is not whole yet.
    #[inline]
    pub fn holds(&self) -> bool {
        self.handler.holds()
    }

    /// Whether it stands in the list of those that hold bytes.
    #[inline]
    pub fn is_listed(&self) -> bool {
        self.listed
    }

    /// It stands in that list now, or not any more.
    #[inline]
    pub fn set_listed(&mut self, listed: bool) {
        self.listed = listed;
    }

    /// Has its handler free what it keeps.
    pub fn stalled(&mut self, context: &mut H::Context, why: Stall) {
        self.handler.stalled(context, why);
    }

    /// The client's initial sequence number.
    pub fn initial_sequence(&self) -> u32 {
        self.initial_sequence
    }

    /// Sequence number of the next request byte expected; `None` when nothing of that direction was seen.
    pub fn next_request_sequence(&self) -> Option<u32> {
        self.request.started().then(|| self.request.next_sequence())
    }

    /// Its SYN was seen: whether the server takes it is to be told.
    pub fn ask(&mut self, context: &mut H::Context) {
        self.handshake = Handshake::asked();
        self.handler.server(context, ServerSign::Awaited);
    }

    /// The server's answers are seen, on a connection that was there before.
    pub fn accept(&mut self, context: &mut H::Context) {
        self.handler.server(context, ServerSign::Accepted);
    }

    /// Whether the client sends data on a connection that the server may not have taken.
    #[inline]
    pub fn is_pending(&self) -> bool {
        self.handshake.is_pending()
    }

    /// Whether something waits for more to show of the server.
    #[inline]
    pub fn waits(&self) -> bool {
        self.handshake.is_pending() || self.handler.waits()
    }

    /// The server did not take it in time, which means so much.
    pub fn unanswered(&mut self, context: &mut H::Context, sign: ServerSign) {
        if sign == ServerSign::Unseen {
            self.handshake.end();
        } else {
            self.handshake.give_up();
        }
        self.handler.server(context, sign);
    }

    /// Gives up holes once what waits behind them has waited for long. Returns how the connection ended, if it did.
    pub fn overdue(
        &mut self,
        context: &mut H::Context,
        now: Timestamp,
        watch_responses: bool,
    ) -> Option<Close> {
        self.handler.overdue(context, now);
        self.ended(watch_responses)
    }

    /// Lets its handler go on with what did not wait for segments. Returns how the connection ended, if it did.
    pub fn revisit(
        &mut self,
        context: &mut H::Context,
        now: Timestamp,
        watch_responses: bool,
    ) -> Option<Close> {
        self.handler.revisited(context, now);
        self.ended(watch_responses)
    }

    /// Whether `segment` opens another connection between the same endpoints: a SYN with another initial
    /// sequence number, or an answer to such a SYN.
    ///
    /// A server that has seen no end of this connection answers such a SYN with a challenge and goes on (RFC
    /// 5961 section 4.2), so a client could have the stream begin anew wherever it likes in a body. Only the
    /// server's SYN+ACK, or the end of the requests, shows that a new connection begins with the SYN.
    #[inline]
    pub fn reuse(&self, segment: &Segment<'_>, answers_are_seen: bool) -> Reuse {
        if !segment.flags.contains(TcpFlags::SYN) {
            return Reuse::No;
        }
        let other = match segment.direction {
            Direction::Request => {
                !segment.flags.contains(TcpFlags::ACK) && segment.sequence != self.initial_sequence
            }
            Direction::Response => is_syn_ack(segment) && self.acknowledged_by(segment).is_none(),
        };
        match segment.direction {
            _ if !other => Reuse::No,
            Direction::Response => Reuse::New(Start::Syn),
            Direction::Request if self.request.is_finished() => Reuse::New(Start::Syn),
            Direction::Request if answers_are_seen => Reuse::Unanswered,
            Direction::Request => Reuse::New(Start::Doubtful),
        }
    }

    /// How much of what came with the SYN a SYN+ACK takes (RFC 7413 section 3); `None` when it answers another SYN.
    fn acknowledged_by(&self, segment: &Segment<'_>) -> Option<u32> {
        let first = self.initial_sequence.wrapping_add(1);
        let known = if self.request.started() {
            self.request.next_sequence().wrapping_sub(first)
        } else {
            0
        };
        let taken = segment.acknowledgment.wrapping_sub(first);
        (taken <= known.min(NEAR as u32)).then_some(taken)
    }

    /// Takes a segment of this connection. Returns how the connection ended, if it did.
    #[inline]
    pub fn push(
        &mut self,
        context: &mut H::Context,
        segment: &Segment<'_>,
        watch_responses: bool,
        shared: &mut Shared<'_>,
    ) -> Option<Close> {
        self.last_seen = self.last_seen.max(segment.time);
        if segment.direction == Direction::Request && segment.flags.contains(TcpFlags::ACK) {
            self.hear(context, segment.acknowledgment);
        }
        if segment.flags.contains(TcpFlags::RST) {
            let ended = self.reset(segment, watch_responses, shared);
            if ended.is_some() && segment.direction == Direction::Response {
                let received = self.request.next_sequence();
                self.handler.server(context, ServerSign::Closed(received));
            }
            return ended;
        }
        let syn = segment.flags.contains(TcpFlags::SYN);
        if !self.handshake.is_over() && self.proves(segment) {
            self.handler.server(context, ServerSign::Accepted);
        }
        let incoming = Incoming {
            sequence: segment.sequence.wrapping_add(u32::from(syn)),
            acknowledgment: segment.acknowledgment,
            fin: segment.flags.contains(TcpFlags::FIN),
            segment_start: !segment.continuation,
            payload: segment.payload,
            time: segment.time,
        };
        let mut delivery = Delivery {
            handler: &mut self.handler,
            last_data: &mut self.last_data,
            context,
            direction: segment.direction,
        };
        match segment.direction {
            Direction::Request => {
                if syn {
                    self.request.start_at(incoming.sequence);
                }
                // What the client has received is what it expects next, even when the SYN+ACK was missed.
                if watch_responses && segment.flags.contains(TcpFlags::ACK) && !segment.payload.is_empty() {
                    self.response.start_at(segment.acknowledgment);
                }
                self.request.push(&incoming, shared, &mut delivery);
            }
            Direction::Response if watch_responses => {
                if syn {
                    self.response.start_at(incoming.sequence);
                }
                self.response.push(&incoming, shared, &mut delivery);
            }
            Direction::Response => shared.counters.unwatched_bytes += segment.payload.len() as u64,
        }
        // Behind the answers that the same segment ends.
        if segment.direction == Direction::Response && incoming.fin && self.has_sent(segment.acknowledgment) {
            let sign = ServerSign::Closed(segment.acknowledgment);
            self.handler.server(context, sign);
        }
        self.ended(watch_responses)
    }

    /// The client has received the server's bytes before this sequence number.
    #[inline]
    fn hear(&mut self, context: &mut H::Context, acknowledgment: u32) {
        if self
            .acknowledged
            .is_none_or(|before| distance(before, acknowledgment) > 0)
        {
            self.acknowledged = Some(acknowledgment);
        }
        if self.handler.waits() {
            self.handler.heard(context, acknowledgment);
        }
    }

    /// Whether the segment shows that the server took the connection.
    #[inline(never)]
    fn proves(&mut self, segment: &Segment<'_>) -> bool {
        let acknowledges = segment.flags.contains(TcpFlags::ACK);
        match segment.direction {
            Direction::Request if segment.payload.is_empty() => false,
            Direction::Request => {
                let acknowledgment = acknowledges.then_some(segment.acknowledgment);
                self.handshake.data(acknowledgment)
            }
            Direction::Response if is_syn_ack(segment) => {
                let first = segment.sequence.wrapping_add(1);
                let taken = self.acknowledged_by(segment).unwrap_or(0);
                self.handshake.answered(first, taken > 0)
            }
            Direction::Response => {
                let speaks = !segment.payload.is_empty() || segment.flags.contains(TcpFlags::FIN);
                speaks && acknowledges && self.has_sent(segment.acknowledgment) && self.handshake.spoke()
            }
        }
    }

    /// Whether the client may have sent what the server acknowledges so.
    fn has_sent(&self, acknowledgment: u32) -> bool {
        let ahead = i64::from(distance(self.request.next_sequence(), acknowledgment));
        self.request.started() && (-MAX_BEHIND..=NEAR).contains(&ahead)
    }

    /// The earliest time since which something waits behind a hole.
    pub fn waiting_since(&self) -> Option<Timestamp> {
        match (self.request.waiting_since(), self.response.waiting_since()) {
            (Some(request), Some(response)) => Some(request.min(response)),
            (request, response) => request.or(response),
        }
    }

    /// Gives up each first hole behind which something has waited since a time that is `overdue`. Returns
    /// how the connection ended, if it did.
    pub fn give_up_holes(
        &mut self,
        context: &mut H::Context,
        overdue: impl Fn(Timestamp) -> bool,
        watch_responses: bool,
        shared: &mut Shared<'_>,
    ) -> Option<Close> {
        for direction in [Direction::Request, Direction::Response] {
            let (reassembler, mut delivery) = self.direction(context, direction);
            while reassembler.waiting_since().is_some_and(&overdue) {
                reassembler.give_up_hole(GapCause::Timeout, shared, &mut delivery);
            }
        }
        self.ended(watch_responses)
    }

    /// Gives up every hole: the handler, which is to be closed.
    pub fn end(mut self, context: &mut H::Context, shared: &mut Shared<'_>) -> H {
        for direction in [Direction::Request, Direction::Response] {
            let (reassembler, mut delivery) = self.direction(context, direction);
            reassembler.flush(GapCause::Closing, shared, &mut delivery);
        }
        self.handler
    }

    fn direction<'a>(
        &'a mut self,
        context: &'a mut H::Context,
        direction: Direction,
    ) -> (&'a mut Reassembler, Delivery<'a, H>) {
        let reassembler = match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        };
        let delivery = Delivery {
            handler: &mut self.handler,
            last_data: &mut self.last_data,
            context,
            direction,
        };
        (reassembler, delivery)
    }

    fn ended(&self, watch_responses: bool) -> Option<Close> {
        let finished = self.request.is_finished() && (!watch_responses || self.response.is_finished());
        (finished && !self.waits()).then_some(Close::Finished)
    }

    /// A RST ends the connection only when its receiver may have obeyed it; others are counted.
    fn reset(&self, segment: &Segment<'_>, watch_responses: bool, shared: &mut Shared<'_>) -> Option<Close> {
        let (own, other) = match segment.direction {
            Direction::Request => (&self.request, &self.response),
            Direction::Response => (&self.response, &self.request),
        };
        let unwatched = segment.direction == Direction::Response && !watch_responses;
        let accepted = if unwatched {
            self.accepts_reset_unwatched(segment)
        } else if own.started() {
            own.accepts_reset(segment.sequence)
        } else {
            // Nothing of its direction was seen (a refused connection, or responses are not watched): it
            // must acknowledge about what the other side has sent.
            segment.flags.contains(TcpFlags::ACK)
                && other.started()
                && i64::from(distance(other.next_sequence(), segment.acknowledgment)).abs() <= NEAR
        };
        if accepted {
            shared.counters.unwatched_bytes += segment.payload.len() as u64;
            return Some(Close::Reset);
        }
        shared.counters.out_of_window += 1;
        shared.counters.out_of_window_bytes += segment.payload.len() as u64;
        None
    }

    /// The same for a RST of a server of whose bytes nothing is seen: by what it acknowledges; one that acknowledges
    /// nothing stands where the client waits for bytes (RFC 9293 section 3.10.7.1), or behind those under way.
    fn accepts_reset_unwatched(&self, segment: &Segment<'_>) -> bool {
        if segment.flags.contains(TcpFlags::ACK) {
            return self.has_sent(segment.acknowledgment);
        }
        self.acknowledged.is_some_and(|acknowledged| {
            let ahead = i64::from(distance(acknowledged, segment.sequence));
            (-NEAR..=MAX_AHEAD).contains(&ahead)
        })
    }
}

/// Whether a segment opens another connection between the same endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// It does not.
    No,
    /// It would, if the server answered: that will be seen.
    Unanswered,
    /// It does, and so the stream begins.
    New(Start),
}

/// Whether the segment answers a SYN.
pub(super) fn is_syn_ack(segment: &Segment<'_>) -> bool {
    segment.flags.contains(TcpFlags::SYN | TcpFlags::ACK)
}

/// Hands one direction's bytes to the handler.
struct Delivery<'a, H: StreamHandler> {
    handler: &'a mut H,
    last_data: &'a mut Option<Timestamp>,
    context: &'a mut H::Context,
    direction: Direction,
}

impl<H: StreamHandler> Sink for Delivery<'_, H> {
    #[inline]
    fn data(&mut self, chunk: Chunk<'_>) {
        *self.last_data = Some(chunk.time);
        self.handler.data(self.context, self.direction, chunk);
    }

    fn gap(&mut self, bytes: u64, cause: GapCause) {
        self.handler.gap(self.context, self.direction, bytes, cause);
    }

    fn finished(&mut self, time: Timestamp) {
        self.handler.finished(self.context, self.direction, time);
    }
}
