//! The responses of one connection, as its server sends them.
//!
//! A response's framing depends on the request it answers, so whoever reads the requests says what kind they
//! are, in order ([`ResponseStream::expect`]). A response that comes before its request was read (a server
//! may answer early, and the two directions are not captured in step) is taken for one to an ordinary
//! request.

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use shadow_core::budget::{Charge, MemoryBudget};
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Close, Stall, Start};

use super::fault::Oddity;
use super::framing::{MessageFields, RequestKind};
use super::head::StatusLine;
use super::known_heads::KnownHeads;
use super::message::{Framing, HeaderField, Limits, Reject, Skip, Version};
use super::message_kind::{Decision, Event, MessageKind, Next, ReadHead, Whole};
use super::message_stream::{Http2Start, MessageStream};
use super::preface::{self, Opening};

/// One whole response, byte for byte as production gave it.
#[derive(Debug)]
pub struct Response {
    /// Status line and header section, up to and including the empty line.
    pub head: Bytes,
    /// Body as it was on the wire: with chunk sizes, extensions and trailers when chunked.
    pub body: Bytes,
    /// Status code.
    pub status: u16,
    /// HTTP version of the response.
    pub version: Version,
    /// The header fields in their order, as places in `head`: of a change of protocol (101) alone.
    pub headers: Vec<HeaderField>,
    /// How the body was framed.
    pub framing: Framing,
    /// When its first byte was seen.
    pub first_byte: Timestamp,
    /// When its last byte was seen.
    pub last_byte: Timestamp,
    /// Sequence number of its first byte: where its server's bytes stood when the request was sent, unless
    /// requests were pipelined.
    pub sequence: u32,
    /// The bytes of `head` and `body` in the memory budget.
    pub charge: Charge,
}

/// An event that a response stream tells its reader, in stream order.
#[derive(Debug)]
pub enum ResponseEvent {
    /// A response starts. Exactly one `Interim`, `Complete` or `Rejected` follows before the next `Started`.
    Started,
    /// An interim response (1xx except 101) is whole; the final one is still to come.
    Interim(u16),
    /// The final response to the oldest request without one is whole.
    Complete(Box<Response>),
    /// The response will never be whole.
    Rejected(Reject),
    /// So many bytes were passed over.
    Skipped {
        /// How many.
        bytes: u64,
        /// Why.
        why: Skip,
    },
    /// The connection carries something else from here on: said once per connection.
    Recognised(Skip),
}

/// Requests that may wait for their responses on one connection; clients that pipeline at all send far fewer.
const MAX_EXPECTED: usize = 1024;

/// Turns the bytes of the response direction of one connection into [`ResponseEvent`]s.
#[derive(Debug)]
pub struct ResponseStream(MessageStream<Responses>);

impl ResponseStream {
    /// A connection that came into view so.
    pub fn new(limits: Limits, start: Start) -> Self {
        let side = Responses {
            expected: VecDeque::new(),
            early: 0,
            leaves_http2: false,
            heads: None,
        };
        Self(MessageStream::new(side, limits, start))
    }

    /// The same; HTTP/2 is left where it begins ([`ResponseStream::take_left`]), and not passed over, and so is what comes behind
    /// a 101, which may be that.
    #[must_use]
    pub fn leaving_http2(mut self) -> Self {
        self.0.side.leaves_http2 = true;
        self
    }

    /// The same, which knows the heads that others with `heads` have read under the same limits, and tells them those that it reads.
    #[must_use]
    pub fn knowing(mut self, heads: &Rc<KnownHeads>) -> Self {
        self.0.side.heads = Some(Rc::clone(heads));
        self
    }

    /// Whether HTTP/2, or what comes behind a 101, begins in what was pushed last, or with the next bytes.
    #[inline]
    pub fn has_left(&self) -> bool {
        self.0.has_left()
    }

    /// Takes out where that is in what was pushed last. What is pushed from then on is passed over.
    pub fn take_left(&mut self) -> Option<Box<Http2Start>> {
        self.0.take_left()
    }

    /// A request of this kind was read; call it for each, in their order. `false` when too many wait for
    /// their responses: then responses can no longer be told apart, and should not be read on.
    #[must_use]
    pub fn expect(&mut self, kind: RequestKind) -> bool {
        let side = &mut self.0.side;
        if side.early > 0 {
            side.early -= 1;
        } else if side.expected.len() < MAX_EXPECTED {
            side.expected.push_back(kind);
        } else {
            return false;
        }
        true
    }

    /// The requests between here and the next [`ResponseStream::expect`] are not known (bytes of the request
    /// direction were lost).
    pub fn forget_expected(&mut self) {
        self.0.side.expected = VecDeque::new();
        self.0.side.early = 0;
    }

    /// The next bytes. What has to be kept of them is charged to `budget`.
    pub fn push(&mut self, chunk: Chunk<'_>, budget: &MemoryBudget, sink: &mut impl FnMut(ResponseEvent)) {
        self.0.push(chunk, budget, &mut tell(sink));
    }

    /// So many bytes are lost; the next chunk continues behind them.
    pub fn gap(&mut self, bytes: u64, sink: &mut impl FnMut(ResponseEvent)) {
        self.0.gap(bytes, &mut tell(sink));
    }

    /// Whether bytes of a message that is not whole yet are kept.
    pub fn holds(&self) -> bool {
        self.0.holds()
    }

    /// A message that is not whole yet is not waited for any longer: it is rejected and its bytes are freed.
    /// Where the next one starts is not forgotten.
    pub fn stalled(&mut self, why: Stall, sink: &mut impl FnMut(ResponseEvent)) {
        self.0.stalled(why, &mut tell(sink));
    }

    /// The direction ended ([`Close::Finished`]: by FIN, which completes a response that lasts until the
    /// close), or the connection did. Calling it again does nothing.
    pub fn end(&mut self, close: Close, sink: &mut impl FnMut(ResponseEvent)) {
        self.0.end(close, &mut tell(sink));
    }
}

#[derive(Debug)]
struct Responses {
    /// Kinds of the requests without a final response, oldest first.
    expected: VecDeque<RequestKind>,
    /// Final responses that came before their requests were read.
    early: u32,
    /// HTTP/2 is somebody else's to read.
    leaves_http2: bool,
    heads: Option<Rc<KnownHeads>>,
}

impl MessageKind for Responses {
    type Line = StatusLine;
    type Message = Response;

    /// Which requests the later ones answer could not be told.
    const COUNTS_ON: bool = false;

    /// Which protocol a connection goes on with is all that is asked.
    fn keeps_fields(line: &StatusLine) -> bool {
        line.status == 101
    }

    fn opening(bytes: &[u8], preface: bool) -> Opening {
        preface::from_server(bytes, preface)
    }

    fn hands_over(&self, why: Skip) -> bool {
        self.leaves_http2 && matches!(why, Skip::Http2 | Skip::Upgraded)
    }

    fn known(&self, bytes: &[u8]) -> Option<ReadHead<StatusLine>> {
        self.heads.as_ref()?.find(bytes)
    }

    fn remember(&self, head: &[u8], fields: &[httparse::Header<'_>], read: ReadHead<StatusLine>) {
        if let Some(heads) = &self.heads {
            heads.add(head, fields, read);
        }
    }

    /// Nothing of it is sent to anybody who could act on it: a wrong pair is the worst that comes of a wrong place.
    fn resumes(&self) -> bool {
        true
    }

    fn decide(&mut self, line: StatusLine, _: &[u8], fields: &MessageFields) -> Result<Decision, Oddity> {
        let StatusLine { version, status } = line;
        if version == Version::Http2 {
            return Err(Oddity::StartLine);
        }
        let to = if is_interim(status) {
            RequestKind::Other
        } else if let Some(kind) = self.expected.pop_front() {
            if self.expected.is_empty() {
                self.expected = VecDeque::new();
            }
            kind
        } else {
            self.early = self.early.saturating_add(1);
            RequestKind::Other
        };
        let tunnel = to == RequestKind::Connect && (200..300).contains(&status);
        let framing = fields.response_framing(version, status, to)?;
        Ok(Decision {
            framing,
            reject: None,
            next: if tunnel || status == 101 {
                Next::Protocol
            } else {
                Next::Message
            },
        })
    }

    /// The server has read something new before this response, so (unless the client pipelines) it answers
    /// the newest request.
    fn found_again(&mut self) {
        let newest = self.expected.pop_back();
        self.expected.clear();
        self.expected.extend(newest);
        self.early = 0;
    }
}

/// Whether another response to the same request follows (RFC 9110 section 15.2); behind 101 none does.
fn is_interim(status: u16) -> bool {
    matches!(status, 100..200) && status != 101
}

fn tell(sink: &mut impl FnMut(ResponseEvent)) -> impl FnMut(Event<Response>) {
    |event| {
        if let Some(event) = ResponseEvent::of(event) {
            sink(event);
        }
    }
}

impl ResponseEvent {
    /// `None` for what nobody asks about answers.
    fn of(event: Event<Response>) -> Option<Self> {
        Some(match event {
            Event::Started => Self::Started,
            Event::Faulty(..) => return None,
            Event::Complete(response) if is_interim(response.status) => Self::Interim(response.status),
            Event::Complete(response) => Self::Complete(response),
            // Responses that are not whole are not handed on (`MessageKind::hands_on`).
            Event::Incomplete(_, reject) | Event::Rejected(reject) => Self::Rejected(reject),
            Event::Skipped { bytes, why } => Self::Skipped { bytes, why },
            Event::Recognised(why) => Self::Recognised(why),
        })
    }
}

impl From<Whole<StatusLine>> for Response {
    fn from(whole: Whole<StatusLine>) -> Self {
        Self {
            head: whole.head,
            body: whole.body,
            status: whole.line.status,
            version: whole.line.version,
            headers: whole.headers,
            framing: whole.framing,
            first_byte: whole.first_byte,
            last_byte: whole.last_byte,
            sequence: whole.sequence,
            charge: whole.charge,
        }
    }
}
