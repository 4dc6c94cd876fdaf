//! Connections that ended a short while ago, so that their late segments do not look like new connections.
//!
//! A retransmitted request that arrives after its connection was closed would otherwise be mirrored twice.
//! Only connections ended by FIN or RST are remembered: after any other end, more data is real data.

use std::time::Duration;

use hashlink::LinkedHashMap;
use shadow_core::time::Timestamp;

use super::flow::is_syn_ack;
use super::flow_hash::FlowHash;
use super::reassembler::{MAX_BEHIND, NEAR};
use super::segment::{Direction, FlowKey, Segment, TcpFlags};
use super::seq::distance;

/// How long an ended connection is remembered: as long as a sender's TIME-WAIT on Linux (`TCP_TIMEWAIT_LEN`
/// in `include/net/tcp.h`).
const LINGER: Duration = Duration::from_mins(1);

/// Most ended connections remembered; about 8 MiB of them. Beyond, the oldest are forgotten. A table that is
/// one of several has a smaller bound of its own: no more than it has connections.
const MAX_LINGERING: usize = 65_536;

/// The ended connections, oldest first.
#[derive(Debug)]
pub(super) struct Lingering {
    ended: LinkedHashMap<FlowKey, Ended, FlowHash>,
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    /// The client's initial sequence number.
    initial_sequence: u32,
    /// The request byte that was expected next, if any was seen.
    next_request: Option<u32>,
    until: Timestamp,
}

impl Lingering {
    /// For a table of so many connections.
    pub fn new(max_connections: usize) -> Self {
        Self {
            ended: LinkedHashMap::default(),
            most: max_connections.clamp(1, MAX_LINGERING),
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.ended.len()
    }

    /// Remembers a connection that ended at `now`.
    pub fn insert(&mut self, key: FlowKey, initial_sequence: u32, next_request: Option<u32>, now: Timestamp) {
        if self.ended.len() >= self.most {
            self.ended.pop_front();
        }
        let ended = Ended {
            initial_sequence,
            next_request,
            until: now.after(LINGER),
        };
        self.ended.insert(key, ended);
    }

    /// Whether `segment` is a late one of an ended connection, and if so, how many of its last bytes were never seen. One
    /// that is not ends the memory of it.
    pub fn is_late(&mut self, segment: &Segment<'_>) -> Option<usize> {
        if self.ended.is_empty() {
            return None;
        }
        let ended = self.ended.get_mut(&segment.flow)?;
        if ended.until > segment.time && ended.covers(segment) {
            return Some(ended.unseen(segment));
        }
        self.ended.remove(&segment.flow);
        None
    }

    /// Forgets those whose time is over.
    pub fn expire(&mut self, now: Timestamp) {
        while self.ended.front().is_some_and(|(_, ended)| ended.until <= now) {
            self.ended.pop_front();
        }
    }
}

impl Ended {
    /// Whether the segment is of this connection: by its sequence number, where a request's can be told.
    fn covers(self, segment: &Segment<'_>) -> bool {
        if segment.direction == Direction::Response {
            // Another SYN was answered: that one was missed.
            return !is_syn_ack(segment) || segment.acknowledgment == self.initial_sequence.wrapping_add(1);
        }
        if segment.flags.contains(TcpFlags::SYN) {
            return segment.sequence == self.initial_sequence;
        }
        let reference = self.next_request.unwrap_or(self.initial_sequence);
        let ahead = i64::from(distance(reference, segment.sequence));
        // Linux begins a connection that reuses TIME-WAIT's addresses just beyond `NEAR`
        // (`tcp_twsk_unique` in net/ipv4/tcp_ipv4.c): never taken for a late one, even when its SYN is missed.
        (-MAX_BEHIND..=NEAR).contains(&ahead)
    }

    /// How many bytes at the end of a request's segment are beyond all that was seen, which they are from then on.
    fn unseen(&mut self, segment: &Segment<'_>) -> usize {
        let control = TcpFlags(TcpFlags::SYN.0 | TcpFlags::RST.0).0 & segment.flags.0;
        let Some(next) = self.next_request else { return 0 };
        if segment.direction == Direction::Response || control != 0 {
            return 0;
        }
        let end = segment.sequence.wrapping_add(segment.payload.len() as u32);
        let unseen = usize::try_from(distance(next, end))
            .unwrap_or(0)
            .min(segment.payload.len());
        if unseen > 0 {
            self.next_request = Some(end);
        }
        unseen
    }
}
