//! Requests of one connection that production may not have served, kept back until that shows.
//!
//! There are two kinds. Those of a connection that no server took so far: anybody can send a SYN and a request with
//! another's address on them. And those that came before the client had heard anything in answer to the request before,
//! which is over for the server only once it has answered: a server that refuses that one and closes never reads them,
//! whatever they ask for. A request that neither holds for is handed on at once, and so is everything where nothing
//! shows of the server.
//!
//! The second kind is told by the answer itself where answers are captured. Where they are not, it is enough that the
//! client has heard something since, or that the server has not closed for a second: how many answers that was is not
//! known, so what a server leaves unread when it closes in the middle of a pipeline later on is mirrored.

use std::collections::VecDeque;

use shadow_core::time::Timestamp;
use shadow_http::Request;
use shadow_tcp::{ANSWER_TIMEOUT, ServerSign};

use super::MessageId;
use super::ledger::{DropReason, Opened};

/// Most requests of one connection that are kept back; more than any client pipelines.
const MAX_KEPT: usize = 1024;

/// The state of the server, as far as it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// Not asked for, or out of sight.
    Unknown,
    Awaited,
    Accepted,
    Silent,
}

/// A request, whole or as much of it as will come, that was not handed on so far.
#[derive(Debug)]
pub(super) struct Kept {
    pub id: MessageId,
    pub request: Box<Request>,
    pub opened: Opened,
    pipelined: bool,
}

/// The decision about a request, or about the first that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Forward,
    Keep,
    Drop(DropReason),
}

/// Requests of one connection, kept back until production is seen to serve them.
#[derive(Debug)]
pub(super) struct HeldBack {
    server: Server,
    /// Where answers are captured, each tells when its request was served.
    answers_tell: bool,
    /// The server reads nothing from this sequence number on.
    closed: Option<u32>,
    /// Acknowledgment number of the segment that ended the request before.
    asked: Option<u32>,
    /// Sequence and acknowledgment number of the segment that is being read.
    segment: (u32, u32),
    /// The request that is being read began behind the server's close.
    behind_close: bool,
    kept: VecDeque<Kept>,
}

impl HeldBack {
    pub fn new(answers_tell: bool) -> Self {
        Self {
            server: Server::Unknown,
            answers_tell,
            closed: None,
            asked: None,
            segment: (0, 0),
            behind_close: false,
            kept: VecDeque::new(),
        }
    }

    /// A segment of requests is read from here on.
    #[inline]
    pub fn reads(&mut self, sequence: u32, acknowledgment: u32) {
        self.segment = (sequence, acknowledgment);
    }

    /// A request starts in it.
    pub fn started(&mut self) {
        self.behind_close = self
            .closed
            .is_some_and(|closed| self.segment.0.wrapping_sub(closed).cast_signed() >= 0);
    }

    /// Whether the request that started last did so behind what the server reads.
    pub fn is_behind_close(&self) -> bool {
        self.behind_close
    }

    /// The state of the server, as far as it shows.
    pub fn server_is(&self) -> Server {
        self.server
    }

    /// Whether the server has closed.
    pub fn has_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// A request ended, with its segment.
    pub fn ended(&mut self) {
        self.asked = Some(self.segment.1);
    }

    /// Whether a request has ended.
    pub fn has_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Decides about a request that is read, before [`HeldBack::ended`] is told of it.
    pub fn judge(&self, request: &Request) -> Next {
        if self.behind_close {
            return Next::Drop(DropReason::AfterClose);
        }
        match self.server {
            Server::Silent => Next::Drop(DropReason::Unanswered),
            Server::Awaited if self.is_full() => Next::Drop(DropReason::Unanswered),
            Server::Awaited => Next::Keep,
            Server::Accepted if !self.kept.is_empty() || self.is_pipelined(request) => Next::Keep,
            Server::Accepted | Server::Unknown => Next::Forward,
        }
    }

    /// Whether no more can be kept: the first is to be handed on for another.
    pub fn is_full(&self) -> bool {
        self.kept.len() >= MAX_KEPT
    }

    /// Keeps a request.
    pub fn keep(&mut self, id: MessageId, request: Box<Request>, opened: Opened) {
        let pipelined = self.is_pipelined(&request);
        self.kept.push_back(Kept {
            id,
            request,
            opened,
            pipelined,
        });
    }

    /// Whether the client had heard nothing in answer to the request before when it sent this one.
    fn is_pipelined(&self, request: &Request) -> bool {
        self.asked
            .is_some_and(|asked| !newer(request.acknowledgment, asked))
    }

    /// Whether anything is kept.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Something shows of the server.
    pub fn server(&mut self, sign: ServerSign) {
        match sign {
            ServerSign::Awaited => self.server = Server::Awaited,
            ServerSign::Accepted => self.server = Server::Accepted,
            ServerSign::Silent => self.server = Server::Silent,
            ServerSign::Unseen => self.server = Server::Unknown,
            ServerSign::Closed(received) => {
                self.closed.get_or_insert(received);
            }
        }
    }

    /// Decides about the first that is kept, as far as the server tells.
    pub fn first(&self) -> Next {
        let Some(first) = self.kept.front() else {
            return Next::Keep;
        };
        match self.server {
            Server::Silent => Next::Drop(DropReason::Unanswered),
            Server::Unknown => Next::Forward,
            Server::Accepted if !first.pipelined => Next::Forward,
            Server::Accepted if self.closed.is_some() && !self.answers_tell => {
                Next::Drop(DropReason::AfterClose)
            }
            Server::Awaited | Server::Accepted => Next::Keep,
        }
    }

    /// Whether the client, which has received the server's bytes before this number, has heard something since it sent
    /// the first that is kept: the server has gone on.
    pub fn is_heard(&self, sequence: u32) -> bool {
        let tells = !self.answers_tell && self.closed.is_none() && self.server == Server::Accepted;
        tells
            && self
                .kept
                .front()
                .is_some_and(|first| newer(sequence, first.request.acknowledgment))
    }

    /// Whether the first that is kept was kept for long enough: the server has it, and has not closed. With `crowded` it
    /// has to make room for others.
    pub fn is_overdue(&self, now: Timestamp, crowded: bool) -> bool {
        let Some(first) = self.kept.front() else {
            return false;
        };
        let long = !self.answers_tell && first.request.last_byte.after(ANSWER_TIMEOUT) <= now;
        self.server == Server::Accepted && (long || crowded)
    }

    /// Whether a request of this name is kept.
    pub fn has(&self, id: &MessageId) -> bool {
        self.kept.iter().any(|kept| kept.id == *id)
    }

    /// The name of the first that is kept.
    pub fn first_id(&self) -> Option<&MessageId> {
        self.kept.front().map(|first| &first.id)
    }

    /// Takes out the first that is kept.
    pub fn take(&mut self) -> Option<Kept> {
        self.kept.pop_front()
    }

    /// Decides about those that are kept when the connection ends: `reset` by either side, or otherwise.
    pub fn at_end(&self, reset: bool) -> Next {
        match self.first() {
            Next::Keep if reset => Next::Drop(DropReason::Reset),
            Next::Keep if self.closed.is_some() => Next::Drop(DropReason::AfterClose),
            Next::Keep => Next::Forward,
            next => next,
        }
    }
}

/// Whether acknowledgment number `this` is newer than `before` (RFC 9293 section 3.4).
fn newer(this: u32, before: u32) -> bool {
    matches!(this.wrapping_sub(before), 1..=0x7fff_ffff)
}
