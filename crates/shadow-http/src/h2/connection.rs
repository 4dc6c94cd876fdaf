//! Both directions of a connection of HTTP/2.

use std::fmt;

use shadow_core::budget::MemoryBudget;
use shadow_tcp::{Chunk, Close, Direction, Stall};

use crate::framing::RequestKind;
use crate::message::{Limits, Reject, Request, Skip};
use crate::response_stream::Response;

/// A stream of a connection (RFC 9113 section 5.1.1): odd, since only clients' streams carry requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place in a connection from which it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// From the client's preface on.
    Preface,
    /// From the preface on, behind a request of HTTP/1.1 of this kind that became stream 1.
    Upgraded(RequestKind),
    /// From anywhere.
    MidStream,
}

/// An event of a connection, in the order of what it was read from.
#[derive(Debug)]
pub enum Event {
    /// A request starts. Exactly one `Complete`, `Incomplete` or `Rejected` of its stream follows.
    Started(StreamId),
    /// The request is whole.
    Complete(StreamId, Box<Request>),
    /// The request will never be whole, and only where that is asked for ([`Connection::with_incomplete`]): its whole
    /// head, and its body as far as it was seen (chunked coding without its end, where it is chunked).
    Incomplete(StreamId, Box<Request>, Reject),
    /// The request will never be whole.
    Rejected(StreamId, Reject),
    /// The answer to a complete request is whole.
    Answered(StreamId, Box<Response>),
    /// The answer to a complete request will never be whole. [`Reject::H2Reset`]: either side has reset the stream.
    AnswerLost(StreamId, Reject),
    /// The server has provably not processed a complete request: it refused its stream, or said goodbye to it (RFC 9113
    /// sections 6.8 and 8.7).
    Unprocessed(StreamId),
    /// The server announced this stream of its own (PUSH_PROMISE), which is passed over.
    Pushed(StreamId),
    /// So many bytes were passed over, because it is not known what they are.
    Skipped {
        /// How many.
        bytes: u64,
        /// Why.
        why: Skip,
    },
    /// What the connection carries from here on, once it is known: [`Skip::Http2`] when one that was open before is proved,
    /// [`Skip::NotHttp`] when it breaks the protocol and is not read on.
    Recognised(Skip),
}

/// Both directions of one connection.
#[derive(Debug)]
pub struct Connection {
    limits: Limits,
    answers: bool,
    incomplete: bool,
    proved: bool,
}

impl Connection {
    /// A connection that is read from there on; `answers` says whether answers are wanted.
    pub fn new(limits: Limits, answers: bool, join: Join) -> Self {
        Self {
            limits,
            answers,
            incomplete: false,
            proved: join != Join::MidStream,
        }
    }

    /// The same; what is there of a request whose body will never be whole because of a hole, a reset or a client that
    /// broke off is handed on.
    #[must_use]
    pub fn with_incomplete(mut self) -> Self {
        self.incomplete = true;
        self
    }

    /// Whether it is known to be HTTP/2.
    pub fn is_proved(&self) -> bool {
        self.proved
    }

    /// The next bytes of a direction. What has to be kept of them is charged to `budget`.
    pub fn push(
        &mut self,
        _direction: Direction,
        chunk: Chunk<'_>,
        _budget: &MemoryBudget,
        sink: &mut impl FnMut(Event),
    ) {
        let _ = (&self.limits, self.answers, self.incomplete);
        if self.proved {
            let bytes = chunk.bytes.len() as u64;
            let why = Skip::Http2;
            sink(Event::Skipped { bytes, why });
        }
    }

    /// So many bytes of a direction are lost, or [`UNKNOWN_LENGTH`](crate::UNKNOWN_LENGTH); its next chunk continues behind
    /// them.
    pub fn gap(&mut self, _direction: Direction, _bytes: u64, _sink: &mut impl FnMut(Event)) {}

    /// Whether bytes of a message that is not whole yet are kept.
    pub fn holds(&self) -> bool {
        false
    }

    /// Messages that are not whole yet are not waited for any longer: they are rejected and their bytes are freed. The
    /// connection is read on.
    pub fn stalled(&mut self, _why: Stall, _sink: &mut impl FnMut(Event)) {}

    /// A direction ended ([`Close::Finished`]: by FIN), or the connection did. Requests under way in it, and answers, are
    /// given up; nothing of it is parsed any more. Calling it again does nothing.
    pub fn end(&mut self, _direction: Direction, _close: Close, _sink: &mut impl FnMut(Event)) {}
}
