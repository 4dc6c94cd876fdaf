//! The difference between requests and responses, and the words a [`super::message_stream`] shares with both.

use bytes::Bytes;
use shadow_core::budget::Charge;
use shadow_core::time::Timestamp;

use super::fault::{Fault, Oddity};
use super::framing::MessageFields;
use super::head::StartLine;
use super::message::{Framing, HeaderField, Reject, Skip};
use super::preface::Opening;

/// Everything that tells requests and responses apart.
pub(super) trait MessageKind {
    /// Their start line.
    type Line: StartLine;
    /// The message that a whole one becomes.
    type Message: From<Whole<Self::Line>>;

    /// Whether somebody asks where the fields of a message with this start line stand.
    fn keeps_fields(line: &Self::Line) -> bool;

    /// Whether messages that can be seen behind one whose end is not known are counted.
    const COUNTS_ON: bool;

    /// Says what bytes at a message boundary are; `preface` when another protocol may begin there.
    fn opening(bytes: &[u8], preface: bool) -> Opening;

    /// Decides about a message by its head. Called once for each whole, valid head, in order.
    /// `start` begins with its start line, of which a part may be missing that frames nothing.
    fn decide(&mut self, line: Self::Line, start: &[u8], fields: &MessageFields) -> Result<Decision, Oddity>;

    /// The head that `bytes` begin with, if it was read before and [remembered](Self::remember).
    fn known(&self, _bytes: &[u8]) -> Option<ReadHead<Self::Line>> {
        None
    }

    /// A whole, plain head with these fields was read, of which nobody asks where the fields stand.
    fn remember(&self, _head: &[u8], _fields: &[httparse::Header<'_>], _read: ReadHead<Self::Line>) {}

    /// Whether what is there of a message that ends so is handed on.
    fn hands_on(&self, _reject: Reject) -> bool {
        false
    }

    /// Whether the place of the next message is looked for where it is not known.
    fn resumes(&self) -> bool;

    /// Whether what begins, and is passed over for this reason by others, is left to somebody else.
    fn hands_over(&self, _why: Skip) -> bool {
        false
    }

    /// An unknown number of messages was passed over; the next one is taken to start here.
    fn found_again(&mut self) {}
}

/// A whole, plain head, as far as it frames a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadHead<L> {
    pub line: L,
    /// Bytes of it, the empty line included.
    pub length: usize,
    pub fields: MessageFields,
}

/// Everything a head says about its message.
pub(super) struct Decision {
    pub framing: Framing,
    /// The message is not wanted, for this reason; its body is passed over.
    pub reject: Option<Reject>,
    pub next: Next,
}

/// The state of the stream behind a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another message.
    Message,
    /// Another message, or a protocol that begins with what cannot be one.
    MessageOrProtocol,
    /// Another protocol.
    Protocol,
    /// Nothing that may be processed (RFC 9112 section 9.6).
    Nothing,
}

/// An event that a stream tells, in stream order; see [`super::RequestEvent`].
pub(super) enum Event<M> {
    Started,
    Complete(Box<M>),
    /// The head of a message that will never be whole, and what is there of its body.
    Incomplete(Box<M>, Reject),
    /// An oddity of the message under way, and the first bytes of its start line.
    Faulty(Fault, Vec<u8>),
    Rejected(Reject),
    Skipped {
        bytes: u64,
        why: Skip,
    },
    Recognised(Skip),
}

/// A whole message.
pub(super) struct Whole<L> {
    pub line: L,
    pub head: Bytes,
    pub body: Bytes,
    pub headers: Vec<HeaderField>,
    pub framing: Framing,
    pub first_byte: Timestamp,
    pub last_byte: Timestamp,
    pub sequence: u32,
    pub acknowledgment: u32,
    pub charge: Charge,
}

/// Says what is odd about the message that `bytes` begin, and gives what it is rejected for.
pub(super) fn tell_fault<M>(fault: Fault, bytes: &[u8], sink: &mut impl FnMut(Event<M>)) -> Reject {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next();
    let line = line.unwrap_or_default();
    sink(Event::Faulty(fault, line[..line.len().min(TOLD)].to_vec()));
    match fault.what {
        Oddity::Framing(_) | Oddity::Chunk(_) => Reject::AmbiguousFraming,
        _ => Reject::Malformed,
    }
}

/// Bytes of a faulty message's start line that are told.
const TOLD: usize = 200;

pub(super) fn refuse<M>(reject: Reject, bytes: usize, sink: &mut impl FnMut(Event<M>)) -> usize {
    sink(Event::Rejected(reject));
    skip(bytes, Skip::AfterReject, sink)
}

pub(super) fn skip<M>(bytes: usize, why: Skip, sink: &mut impl FnMut(Event<M>)) -> usize {
    if bytes > 0 {
        sink(Event::Skipped {
            bytes: bytes as u64,
            why,
        });
    }
    bytes
}
