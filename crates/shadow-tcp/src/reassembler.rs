//! One direction of a connection: segments in any order in, bytes in stream order out.
//!
//! An in-order segment with nothing waiting is handed on as it is: borrowed, nothing copied or allocated.
//! What comes ahead of a hole is copied and waits (see [`super::waiting`]). The first copy of a byte wins.
//! A hole is given up when what waits behind it passes a bound, has waited too long, or the connection ends.

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;

use super::counters::ConnectionCounters;
use super::seq::{distance, first_position, nearest_position};
use super::stream::{Chunk, GapCause};
use super::waiting::{Piece, Waiting};

/// Furthest that data may be ahead of what is expected: no receive window is larger (RFC 7323 section 2.3).
pub(super) const MAX_AHEAD: i64 = 1 << 30;

/// Furthest that retransmitted data may be behind what is expected. Senders keep far less than this in
/// flight (Linux' largest default buffer is 32 MiB); data further back belongs to some other connection.
pub(super) const MAX_BEHIND: i64 = 1 << 26;

/// How far a control segment may be from what is expected: the largest window without scaling.
pub(super) const NEAR: i64 = 65_535;

/// Where a direction's bytes go.
pub(super) trait Sink {
    /// The next bytes.
    fn data(&mut self, chunk: Chunk<'_>);
    /// Bytes that will never come.
    fn gap(&mut self, bytes: u64, cause: GapCause);
    /// FIN, behind all bytes.
    fn finished(&mut self, time: Timestamp);
}

/// Data of one segment, without its SYN.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming<'a> {
    /// Sequence number of the first payload byte.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// Whether FIN follows the payload.
    pub fin: bool,
    /// Whether the first payload byte is where the sender's segment began.
    pub segment_start: bool,
    /// Payload bytes.
    pub payload: &'a [u8],
    /// When it was seen.
    pub time: Timestamp,
}

/// Everything the directions of all connections share.
pub(super) struct Shared<'a> {
    /// Bytes that may wait in one direction.
    pub max_out_of_order: usize,
    /// The budget that waiting bytes are charged to.
    pub budget: &'a MemoryBudget,
    /// Counts.
    pub counters: &'a mut ConnectionCounters,
}

/// One direction of one connection.
#[derive(Debug, Default)]
pub(super) struct Reassembler {
    /// Position of the next byte to hand on; 0 before the first sequence number is known.
    next: u64,
    /// The segments that wait behind the hole that starts at `next`; `None` when there is no hole.
    waiting: Option<Box<Waiting>>,
    /// Where the last data outside the window ended.
    outside: Option<u32>,
    /// FIN was reached.
    finished: bool,
}

impl Reassembler {
    /// Whether the first sequence number is known.
    pub fn started(&self) -> bool {
        self.next != 0
    }

    /// Expects `sequence` first, unless it is known already what to expect.
    pub fn start_at(&mut self, sequence: u32) {
        if !self.started() {
            self.next = first_position(sequence);
        }
    }

    /// Whether FIN was reached with all bytes before it.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Sequence number of the next byte expected.
    pub fn next_sequence(&self) -> u32 {
        self.next as u32
    }

    /// Since when bytes, or a FIN, wait right behind the first hole; `None` without a hole.
    pub fn waiting_since(&self) -> Option<Timestamp> {
        self.waiting.as_ref().and_then(|waiting| waiting.since())
    }

    /// Whether a RST with this sequence number is one the receiver may have obeyed: from the next byte
    /// expected to a little beyond what is known. RFC 5961 section 3.2 wants the exact number, which a
    /// watcher that may have missed segments cannot know.
    pub fn accepts_reset(&self, sequence: u32) -> bool {
        let known = self.waiting.as_ref().map_or(self.next, |waiting| waiting.end());
        let position = nearest_position(self.next, sequence);
        self.started() && position >= self.next && position <= known.saturating_add(NEAR.unsigned_abs())
    }

    /// Takes one segment's data.
    #[inline]
    pub fn push(&mut self, segment: &Incoming<'_>, shared: &mut Shared<'_>, sink: &mut impl Sink) {
        if segment.payload.is_empty() && !segment.fin {
            return;
        }
        self.start_at(segment.sequence);
        if segment.sequence == self.next as u32 && self.waiting.is_none() && !self.finished {
            if !segment.payload.is_empty() {
                self.deliver(segment.payload, segment, segment.segment_start, shared, sink);
            }
            if segment.fin {
                self.finished = true;
                sink.finished(segment.time);
            }
            return;
        }
        self.push_elsewhere(segment, shared, sink);
    }

    /// Gives up the first hole and hands on what waited right behind it.
    pub fn give_up_hole(&mut self, cause: GapCause, shared: &mut Shared<'_>, sink: &mut impl Sink) {
        if let Some(to) = self.waiting.as_ref().and_then(|waiting| waiting.start()) {
            self.skip(to, cause, shared, sink);
            self.release(u64::MAX, shared, sink);
            self.settle(sink);
        }
    }

    /// Gives up every hole.
    pub fn flush(&mut self, cause: GapCause, shared: &mut Shared<'_>, sink: &mut impl Sink) {
        while self.waiting_since().is_some() {
            self.give_up_hole(cause, shared, sink);
        }
    }

    /// Anything but the next bytes in order with nothing waiting.
    #[inline(never)]
    fn push_elsewhere(&mut self, segment: &Incoming<'_>, shared: &mut Shared<'_>, sink: &mut impl Sink) {
        let ahead = i64::from(distance(self.next as u32, segment.sequence));
        if !(-MAX_BEHIND..=MAX_AHEAD).contains(&ahead) && !self.resynchronise(segment, shared, sink) {
            return;
        }
        let start = nearest_position(self.next, segment.sequence);
        let end = start + segment.payload.len() as u64;
        if segment.fin {
            self.note_fin(end, segment.time, shared);
        }
        let payload = self.cut_after_fin(start, segment.payload, shared);
        self.insert(start, payload, segment, shared, sink);
        self.release(u64::MAX, shared, sink);
        self.settle(sink);
    }

    /// Decides about a segment outside the window. One alone is ignored: hostile, or of another connection.
    /// A second one that continues it shows where the sender is now: the rest was lost, and is a gap.
    /// Returns whether the segment is in order now.
    fn resynchronise(
        &mut self,
        segment: &Incoming<'_>,
        shared: &mut Shared<'_>,
        sink: &mut impl Sink,
    ) -> bool {
        if self.outside == Some(segment.sequence) && self.fin().is_none() {
            self.outside = None;
            self.flush(GapCause::Window, shared, sink);
            let missing = segment.sequence.wrapping_sub(self.next as u32);
            self.skip(self.next + u64::from(missing), GapCause::Window, shared, sink);
            return true;
        }
        if !segment.payload.is_empty() {
            self.outside = Some(segment.sequence.wrapping_add(segment.payload.len() as u32));
        }
        shared.counters.out_of_window += 1;
        shared.counters.out_of_window_bytes += segment.payload.len() as u64;
        false
    }

    /// Position of the FIN, if it was seen.
    fn fin(&self) -> Option<u64> {
        if self.finished {
            return Some(self.next);
        }
        self.waiting.as_ref().and_then(|waiting| waiting.fin())
    }

    /// Remembers the first FIN. What waits beyond it is dropped, as Linux does when a FIN becomes due
    /// (`tcp_fin` in `net/ipv4/tcp_input.c`). One before bytes that were handed on already is ignored.
    fn note_fin(&mut self, position: u64, time: Timestamp, shared: &mut Shared<'_>) {
        if self.fin().is_none() && position >= self.next {
            let dropped = self.waiting_mut(shared).set_fin(position, time);
            shared.counters.after_fin_bytes += dropped;
            shared.counters.waiting_bytes -= dropped;
        }
    }

    /// The part of `payload` at `start` that is not beyond the FIN.
    fn cut_after_fin<'a>(&self, start: u64, payload: &'a [u8], shared: &mut Shared<'_>) -> &'a [u8] {
        let Some(fin) = self.fin() else { return payload };
        let keep = payload
            .len()
            .min(usize::try_from(fin.saturating_sub(start)).unwrap_or(usize::MAX));
        shared.counters.after_fin_bytes += (payload.len() - keep) as u64;
        &payload[..keep]
    }

    /// Puts the bytes that are new where they belong: those that are next are handed on, the others wait.
    fn insert(
        &mut self,
        start: u64,
        payload: &[u8],
        segment: &Incoming<'_>,
        shared: &mut Shared<'_>,
        sink: &mut impl Sink,
    ) {
        let old = payload
            .len()
            .min(usize::try_from(self.next.saturating_sub(start)).unwrap_or(usize::MAX));
        shared.counters.duplicate_bytes += old as u64;
        let mut rest = &payload[old..];
        let mut cursor = start + old as u64;
        if cursor > self.next && !rest.is_empty() {
            shared.counters.out_of_order += 1;
        }
        while !rest.is_empty() {
            self.release(cursor, shared, sink);
            let held = self
                .waiting
                .as_ref()
                .and_then(|waiting| waiting.at_or_after(cursor));
            let (len, overlap) = match held {
                Some(piece) if piece.start <= cursor => {
                    let piece = &piece.bytes[(cursor - piece.start) as usize..];
                    (piece.len().min(rest.len()), Some(piece))
                }
                Some(piece) => {
                    let room = usize::try_from(piece.start - cursor).unwrap_or(usize::MAX);
                    (room.min(rest.len()), None)
                }
                None => (rest.len(), None),
            };
            let (bytes, behind) = rest.split_at(len);
            if let Some(held) = overlap {
                shared.counters.duplicate_bytes += len as u64;
                shared.counters.conflicting_overlaps += u64::from(held[..len] != *bytes);
            } else {
                self.deliver_or_hold(cursor, bytes, start == cursor, segment, shared, sink);
            }
            cursor += len as u64;
            rest = behind;
        }
    }

    /// Takes bytes that were never seen: hands them on when they are next, else keeps them. When they may
    /// not be kept, holes are given up, from the first, until they may or are next.
    fn deliver_or_hold(
        &mut self,
        start: u64,
        bytes: &[u8],
        at_start: bool,
        segment: &Incoming<'_>,
        shared: &mut Shared<'_>,
        sink: &mut impl Sink,
    ) {
        let segment_start = at_start && segment.segment_start;
        while start != self.next {
            let max_bytes = shared.max_out_of_order;
            let waiting = self.waiting_mut(shared);
            let cause = match waiting.reserve(bytes.len(), max_bytes) {
                Ok(()) => {
                    waiting.insert(Piece {
                        start,
                        bytes: bytes.into(),
                        acknowledgment: segment.acknowledgment,
                        segment_start,
                        time: segment.time,
                    });
                    shared.counters.waiting_bytes += bytes.len() as u64;
                    return;
                }
                Err(cause) => cause,
            };
            let to = waiting.start().map_or(start, |waiting| waiting.min(start));
            self.skip(to, cause, shared, sink);
            self.release(start, shared, sink);
        }
        self.deliver(bytes, segment, segment_start, shared, sink);
    }

    /// Hands on the pieces that are next in line and end at `limit` or before.
    fn release(&mut self, limit: u64, shared: &mut Shared<'_>, sink: &mut impl Sink) {
        while let Some(piece) = self
            .waiting
            .as_mut()
            .and_then(|waiting| waiting.take_next(self.next, limit))
        {
            let sequence = self.next as u32;
            self.next = piece.end();
            shared.counters.waiting_bytes -= piece.bytes.len() as u64;
            shared.counters.delivered_bytes += piece.bytes.len() as u64;
            sink.data(Chunk {
                bytes: &piece.bytes,
                sequence,
                acknowledgment: piece.acknowledgment,
                segment_start: piece.segment_start,
                time: piece.time,
            });
        }
    }

    /// Ends the direction when its FIN is next, and frees what waiting needed when nothing waits any more.
    fn settle(&mut self, sink: &mut impl Sink) {
        let Some(waiting) = &self.waiting else { return };
        if waiting.fin() == Some(self.next) {
            let time = waiting.since().unwrap_or_default();
            self.waiting = None;
            self.finished = true;
            sink.finished(time);
        } else if waiting.is_empty() {
            self.waiting = None;
        }
    }

    #[inline]
    fn deliver(
        &mut self,
        bytes: &[u8],
        segment: &Incoming<'_>,
        segment_start: bool,
        shared: &mut Shared<'_>,
        sink: &mut impl Sink,
    ) {
        let sequence = self.next as u32;
        self.next += bytes.len() as u64;
        shared.counters.delivered_bytes += bytes.len() as u64;
        sink.data(Chunk {
            bytes,
            sequence,
            acknowledgment: segment.acknowledgment,
            segment_start,
            time: segment.time,
        });
    }

    /// Moves on to the position `to`, reporting what lies between as lost.
    fn skip(&mut self, to: u64, cause: GapCause, shared: &mut Shared<'_>, sink: &mut impl Sink) {
        let bytes = to.saturating_sub(self.next);
        if bytes > 0 {
            self.next = to;
            shared.counters.gaps += 1;
            shared.counters.gap_bytes += bytes;
            sink.gap(bytes, cause);
        }
    }

    fn waiting_mut(&mut self, shared: &Shared<'_>) -> &mut Waiting {
        self.waiting
            .get_or_insert_with(|| Box::new(Waiting::new(shared.budget.held().charge())))
    }
}

#[cfg(test)]
#[path = "reassembler_tests.rs"]
mod tests;
