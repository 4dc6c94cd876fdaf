//! An open production connection while its stream is read: its name, the request under way, and those kept back.

use std::sync::Arc;

use shadow_hand_over::RequestStart;
use shadow_http::Request;
use shadow_tcp::{Chunk, Endpoint, FlowKey};

use super::held_back::HeldBack;
use super::ledger::Opened;
use super::message::MessageId;
use super::plan::PodIdentity;
use super::seen::FlowId;

/// Where a request came from, as its exchange has it.
#[derive(Clone, Copy)]
pub(super) struct RequestOrigin<'a> {
    pub(super) flow: FlowId,
    pub(super) key: &'a FlowKey,
    pub(super) pod: Option<&'a Arc<PodIdentity>>,
}

/// A connection's name, and its requests that were not forwarded so far.
pub(super) struct Open {
    pub(super) flow: FlowId,
    /// Where it was seen; the client is the one that a header in front names.
    pub(super) key: FlowKey,
    /// The client whose packets they are.
    pub(super) peer: Endpoint,
    /// Whether its bytes came out of TLS.
    pub(super) tls: bool,
    /// Acknowledgment number of the latest request, and how many had it before.
    pub(super) pipelined: (u32, u32),
    /// The one that has started and is not whole yet.
    pub(super) request: Option<Opened>,
    /// The pod that serves it.
    pub(super) pod: Option<Arc<PodIdentity>>,
    /// Where the next request starts that starts in what is being read.
    pub(super) start: RequestStart,
    /// Requests that production may not have served.
    pub(super) held: HeldBack,
}

impl Open {
    /// The addresses on the packets, which all agents of a node see alike.
    pub(super) fn wire_key(&self) -> FlowKey {
        FlowKey {
            client: self.peer,
            ..self.key
        }
    }

    /// Where a request of the connection itself came from.
    pub(super) fn place(&self) -> RequestOrigin<'_> {
        RequestOrigin {
            flow: self.flow,
            key: &self.key,
            pod: self.pod.as_ref(),
        }
    }

    /// A piece of the stream is going to be read. Records of TLS that came in one segment are one piece.
    #[inline]
    pub(super) fn reads(&mut self, chunk: &Chunk<'_>) {
        if self.start.sequence == chunk.sequence && self.start.time == chunk.time {
            return;
        }
        self.start = RequestStart {
            sequence: chunk.sequence,
            before: 0,
            time: chunk.time,
        };
    }

    /// Where the request starts that starts now.
    pub(super) fn next_start(&mut self) -> RequestStart {
        let start = self.start;
        self.start.before += 1;
        start
    }

    /// The name of a request on this connection. Pipelined requests may have one acknowledgment number; their names
    /// differ all the same.
    pub(super) fn name(&mut self, request: &Request) -> MessageId {
        let before = match self.pipelined {
            (acknowledgment, before) if acknowledgment == request.acknowledgment => before.wrapping_add(1),
            _ => 0,
        };
        self.pipelined = (request.acknowledgment, before);
        MessageId::captured(&self.key, request.acknowledgment.wrapping_add(before))
    }
}
