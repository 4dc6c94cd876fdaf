//! The requests of one connection, as its client sends them.
//!
//! # Leaving HTTP
//!
//! Without the responses it is not known whether the server followed an offer to change protocols, so the
//! client's next bytes decide where they can. The request that offers it is an HTTP request like any other, and delivered:
//! - `Upgrade` with only `h2c` or `TLS/1.x`, as `curl --http2` sends with every request to servers that
//!   ignore it: a client that was let in goes on with an HTTP/2 or TLS preface, which cannot be
//!   taken for a request; then the rest is not parsed.
//! - `Upgrade: websocket`: frames cannot be taken for a request either, so if the server refused, requests are parsed on.
//! - Any other protocol may carry anything, even requests meant for somebody else: the rest is not parsed.
//!
//! CONNECT asks for nothing but a tunnel: it is rejected ([`Reject::Upgrade`]), and the rest of the connection is not parsed.
//!
//! `Upgrade` in HTTP/1.0 or without `Connection: upgrade` means nothing (RFC 9110 section 7.8).
//!
//! # The last request
//!
//! A server must not process what comes behind a request that closes the connection (RFC 9112 section 9.6),
//! so nothing behind one is delivered; a start that can be seen there counts as started and rejected.

use shadow_core::budget::MemoryBudget;
use shadow_tcp::{Chunk, Close, Stall, Start};

use super::fault::Oddity;
use super::framing::{MessageFields, RequestKind, Upgrade};
use super::head::{RequestLine, starts_with_line};
use super::message::{Framing, Limits, Reject, Request, RequestEvent, Skip, Version};
use super::message_kind::{Decision, Event, MessageKind, Next, Whole};
use super::message_stream::{Http2Start, MessageStream, State};
use super::preface::{self, Opening};

/// Turns the bytes of the request direction of one connection into [`RequestEvent`]s.
#[derive(Debug)]
pub struct RequestStream(MessageStream<Requests>);

impl RequestStream {
    /// A connection that came into view so.
    pub fn new(limits: Limits, start: Start) -> Self {
        Self(MessageStream::new(Requests::default(), limits, start))
    }

    /// Requests that are no connection's bytes, but written somewhere: those of HTTP/2 too, in the text that stands for them
    /// ([`Version::Http2`]).
    pub fn of_text(limits: Limits) -> Self {
        let mut stream = Self::new(limits, Start::Syn);
        stream.0.side.http2 = Http2::Text;
        stream
    }

    /// The stream; what is there of a request whose body will never be whole because of a hole, a reset or a client
    /// that broke off is handed on.
    #[must_use]
    pub fn with_incomplete(mut self) -> Self {
        self.0.side.incomplete = true;
        self
    }

    /// The same; where its place is lost, or was never known, it goes on at the next start that the server seems to have
    /// made room for, although an upload could feign that (see `message_stream`).
    #[must_use]
    pub fn resuming(mut self) -> Self {
        self.0.side.resumes = true;
        self
    }

    /// A connection whose bytes are all passed over, for this reason.
    pub fn passed_over(limits: Limits, why: Skip) -> Self {
        let mut stream = MessageStream::new(Requests::default(), limits, Start::MidStream);
        stream.state = State::Rest(why);
        Self(stream)
    }

    /// The same; HTTP/2 is left where it begins ([`RequestStream::has_left`]), and not passed over.
    #[must_use]
    pub fn leaving_http2(mut self) -> Self {
        self.0.side.http2 = Http2::Left;
        self
    }

    /// Whether HTTP/2 begins in what was pushed last.
    #[inline]
    pub fn has_left(&self) -> bool {
        self.0.has_left()
    }

    /// Takes out where HTTP/2 begins in what was pushed last, if it does. What is pushed from then on is passed over.
    pub fn take_left(&mut self) -> Option<Box<Http2Start>> {
        self.0.take_left()
    }

    /// Passes over what it has left, in the bytes that were pushed last too.
    pub fn stay(&mut self, pushed: &[u8], sink: &mut impl FnMut(RequestEvent)) {
        self.0.stay(pushed, &mut |event| sink(event.into()));
    }

    /// The next bytes. What has to be kept of them is charged to `budget`.
    pub fn push(&mut self, chunk: Chunk<'_>, budget: &MemoryBudget, sink: &mut impl FnMut(RequestEvent)) {
        self.0.push(chunk, budget, &mut |event| sink(event.into()));
    }

    /// So many bytes are lost, or [`UNKNOWN_LENGTH`](super::UNKNOWN_LENGTH); the next chunk continues behind them.
    pub fn gap(&mut self, bytes: u64, sink: &mut impl FnMut(RequestEvent)) {
        self.0.gap(bytes, &mut |event| sink(event.into()));
    }

    /// Whether it is not known where the next request starts, because bytes are lost or were never seen.
    pub fn is_lost(&self) -> bool {
        matches!(self.0.state, State::Lost(_))
    }

    /// Whether bytes of a message that is not whole yet are kept.
    pub fn holds(&self) -> bool {
        self.0.holds()
    }

    /// Whether the head of a request is whole, nothing of its body came yet, and its client waits for `100 Continue`.
    pub fn awaits_continue(&self) -> bool {
        self.0.awaits_continue()
    }

    /// A message that is not whole yet is not waited for any longer: it is rejected and its bytes are freed.
    /// Where the next one starts is not forgotten.
    pub fn stalled(&mut self, why: Stall, sink: &mut impl FnMut(RequestEvent)) {
        self.0.stalled(why, &mut |event| sink(event.into()));
    }

    /// The direction ended ([`Close::Finished`]: by FIN), or the connection did. A request under way is
    /// rejected; nothing is parsed any more. Calling it again does nothing.
    pub fn end(&mut self, close: Close, sink: &mut impl FnMut(RequestEvent)) {
        self.0.end(close, &mut |event| sink(event.into()));
    }
}

/// Whether a request begins with these bytes, as far as its whole first line tells.
pub fn begins_request(bytes: &[u8]) -> bool {
    starts_with_line::<RequestLine>(bytes)
}

impl Request {
    /// Whether the client wants the connection to outlive the response (RFC 9112 section 9.3).
    pub fn keep_alive(&self) -> bool {
        MessageFields::of_pairs(self.fields()).persistent(self.version)
    }

    /// Whether it offers to change to a protocol that is no HTTP, as a WebSocket's handshake does: what it asks for it can
    /// only be given with its `Upgrade` field.
    pub fn is_handshake(&self) -> bool {
        let offered = MessageFields::of_pairs(self.fields()).offered_upgrade(self.version);
        matches!(offered, Upgrade::WebSocket | Upgrade::Unknown)
    }
}

#[derive(Debug, Default)]
struct Requests {
    /// Those that will never be whole are handed on.
    incomplete: bool,
    /// The place of the next one is looked for where it is not known.
    resumes: bool,
    http2: Http2,
}

/// The way of HTTP/2 among requests.
#[derive(Debug, Default, PartialEq, Eq)]
enum Http2 {
    /// Recognised and passed over.
    #[default]
    PassedOver,
    /// Somebody else's to read, from where it begins.
    Left,
    /// They are texts and not a connection's bytes: some stand for requests of HTTP/2.
    Text,
}

impl MessageKind for Requests {
    type Line = RequestLine;
    type Message = Request;

    const COUNTS_ON: bool = true;

    fn keeps_fields(_: &RequestLine) -> bool {
        true
    }

    fn opening(bytes: &[u8], preface: bool) -> Opening {
        preface::from_client(bytes, preface)
    }

    fn hands_on(&self, reject: Reject) -> bool {
        self.incomplete && matches!(reject, Reject::Gap | Reject::Reset | Reject::Truncated)
    }

    fn hands_over(&self, why: Skip) -> bool {
        self.http2 == Http2::Left && why == Skip::Http2
    }

    fn resumes(&self) -> bool {
        self.resumes
    }

    fn decide(
        &mut self,
        line: RequestLine,
        start: &[u8],
        fields: &MessageFields,
    ) -> Result<Decision, Oddity> {
        if line.version == Version::Http2 && self.http2 != Http2::Text {
            return Err(Oddity::StartLine);
        }
        if RequestKind::of(&start[..line.method_end as usize]) == RequestKind::Connect {
            return Ok(Decision {
                framing: Framing::None,
                reject: Some(Reject::Upgrade),
                next: Next::Protocol,
            });
        }
        let framing = fields.request_framing(line.version)?;
        let next = match fields.offered_upgrade(line.version) {
            Upgrade::Absent => Next::Message,
            Upgrade::Recognisable | Upgrade::WebSocket => Next::MessageOrProtocol,
            Upgrade::Unknown => Next::Protocol,
        };
        let next = if next == Next::Protocol || fields.persistent(line.version) {
            next
        } else {
            Next::Nothing
        };
        Ok(Decision {
            framing,
            reject: None,
            next,
        })
    }
}

impl From<Event<Request>> for RequestEvent {
    fn from(event: Event<Request>) -> Self {
        match event {
            Event::Started => Self::Started,
            Event::Complete(request) => Self::Complete(request),
            Event::Incomplete(request, reject) => Self::Incomplete(request, reject),
            Event::Faulty(fault, start) => Self::Faulty { fault, start },
            Event::Rejected(reject) => Self::Rejected(reject),
            Event::Skipped { bytes, why } => Self::Skipped { bytes, why },
            Event::Recognised(why) => Self::Recognised(why),
        }
    }
}

impl From<Whole<RequestLine>> for Request {
    fn from(whole: Whole<RequestLine>) -> Self {
        Self {
            head: whole.head,
            body: whole.body,
            method: whole.line.method(),
            target: whole.line.target(),
            version: whole.line.version,
            headers: whole.headers,
            framing: whole.framing,
            first_byte: whole.first_byte,
            last_byte: whole.last_byte,
            acknowledgment: whole.acknowledgment,
            incomplete: None,
            pieces: None,
            charge: whole.charge,
        }
    }
}
