//! One direction of a connection as a sequence of messages: what requests and responses have in common.
//!
//! A message that lies whole in a chunk is read where it stands and copied once; anything else is gathered
//! in a buffer of its own, which is charged to the memory budget and given up with the message. Between
//! messages nothing is held.
//!
//! Every byte pushed is accounted for: it is part of a complete message or of a [`Skip`]. A message that
//! starts ends in exactly one `Complete` or `Rejected`; the bytes of a rejected one are skipped.
//!
//! # Starts that are proved
//!
//! A message starts behind a handshake, or where the message before it ended by its own framing. Nothing else is a proof:
//! whoever controls the body of an upload, and how it is cut into segments, can make any of its bytes look like a request
//! that a client sends once it has read an answer, because a server may answer at any moment of an upload: with `100
//! Continue`, with an early error, or with an answer that it streams meanwhile, which may even be what was uploaded. So
//! each head is read for its framing, also one that is refused or too large to keep ([`super::skimmer`]), and its body
//! passed over to its true end. Where the place is lost all the same (bytes of a head are missing, a head or a chunk is
//! not understood, the connection was open before), the connection is not read on: what looks like a start counts as
//! started and rejected.
//!
//! Where that is asked for ([`super::RequestStream::resuming`]), a message is taken to start behind lost bytes, and on a
//! connection that was open before, at the first byte of a segment, directly behind a segment that was seen, whose sender
//! has received something from the other side between the two, and which begins with a whole start line; not so where an
//! interim response to `Expect: 100-continue` was due. Never behind a message that was not understood: that is anybody's
//! to send.

use shadow_core::budget::MemoryBudget;
use shadow_tcp::{Chunk, Close, Start};

use super::body::BodyDecoder;
use super::buffered::{Buffered, Head, Phase, whole};
use super::fault::{ChunkedError, Oddity};
use super::framing::MessageFields;
use super::head::{HeadReader, spans, starts_with_line, with_fields};
use super::message::{Framing, Limits, Reject, Skip};
use super::message_kind::{Decision, Event, MessageKind, Next, ReadHead, refuse, skip};
use super::preface::{Opening, Preface};
use super::skimmer::Skimmer;

/// Length of a gap of which nobody knows how long it is.
pub const UNKNOWN_LENGTH: u64 = u64::MAX;

/// One direction of one connection.
#[derive(Debug)]
pub(super) struct MessageStream<S: MessageKind> {
    pub side: S,
    pub(super) limits: Limits,
    pub(super) state: State<S::Line>,
    /// Acknowledgment number of the last chunk, unless bytes were lost behind it.
    acknowledged: Option<u32>,
    /// Whether what the other side says next may be an interim response, which proves no start.
    doubt: bool,
    pub(super) preface: Preface,
}

#[derive(Debug)]
pub(super) enum State<L> {
    /// Between messages.
    Boundary,
    /// In a message (or something too short to tell), with its bytes so far.
    Buffered(Box<Buffered<L>>),
    /// In the body of a rejected message, whose end is known.
    Passing {
        body: BodyDecoder,
        next: Next,
        why: Skip,
    },
    /// In the head of a rejected message.
    Skimming(Box<Skimmer<L>>),
    /// Somewhere, behind lost bytes or in a connection that was open before.
    Lost(Skip),
    /// Nothing more is parsed.
    Rest(Skip),
    /// Another protocol begins, which is somebody else's to read.
    Left(Box<Http2Start>),
    /// Nothing more is delivered, but starts that can be seen are counted, as rejected for this reason.
    Refusing {
        reject: Reject,
        /// Whether what comes next is where a message would start.
        boundary: bool,
    },
}

/// Where the bytes of HTTP/2 begin in a direction.
#[derive(Debug)]
pub struct Http2Start {
    /// Bytes of it that came before those that were pushed last.
    pub before: Vec<u8>,
    /// Its place in what was pushed last; beyond its end where it begins with the next bytes.
    pub at: usize,
    /// Whether a request had offered it, and its answer may have taken it.
    pub behind_upgrade: bool,
}

impl<S: MessageKind> MessageStream<S> {
    pub fn new(side: S, limits: Limits, start: Start) -> Self {
        let (state, preface) = match start {
            Start::Syn => (State::Boundary, Preface::First),
            Start::MidStream | Start::Doubtful => (State::Lost(Skip::MidStream), Preface::No),
        };
        // Places in a head are kept in 32 bits.
        let max_head = limits.max_head.min(u32::MAX as usize);
        Self {
            side,
            limits: Limits { max_head, ..limits },
            state,
            acknowledged: None,
            // An upload may have been about to hear `100 Continue`.
            doubt: start == Start::Doubtful,
            preface,
        }
    }

    /// The next bytes of the direction.
    pub fn push(
        &mut self,
        chunk: Chunk<'_>,
        budget: &MemoryBudget,
        sink: &mut impl FnMut(Event<S::Message>),
    ) {
        let heard = self
            .acknowledged
            .is_some_and(|before| newer(chunk.acknowledgment, before));
        let answered = self.side.resumes() && heard && !self.doubt && chunk.segment_start;
        self.doubt &= !heard;
        self.acknowledged = Some(chunk.acknowledgment);
        if let State::Lost(why) = self.state
            && chunk.segment_start
            && starts_with_line::<S::Line>(chunk.bytes)
        {
            self.candidate(chunk.bytes, answered, why, sink);
        }
        if let State::Refusing { boundary, .. } = &mut self.state {
            *boundary |= chunk.segment_start;
        }
        let mut rest = chunk;
        // Each turn takes bytes or leaves a state that does.
        while !rest.bytes.is_empty() {
            let taken = match std::mem::replace(&mut self.state, State::Boundary) {
                State::Boundary => self.at_boundary(rest, budget, sink),
                State::Buffered(held) => match held.phase {
                    Phase::Body { .. } => self.in_body(held, rest, sink),
                    _ => self.in_head(held, rest, sink),
                },
                State::Passing { body, next, why } => self.pass(body, next, why, rest.bytes, sink),
                State::Skimming(skimmer) => self.skim(skimmer, rest.bytes, sink),
                State::Lost(why) => {
                    self.state = State::Lost(why);
                    skip(rest.bytes.len(), why, sink)
                }
                State::Rest(why) => {
                    self.state = State::Rest(why);
                    skip(rest.bytes.len(), why, sink)
                }
                State::Left(mut start) => {
                    start.at = chunk.bytes.len() - rest.bytes.len();
                    self.state = State::Left(start);
                    return;
                }
                State::Refusing { reject, boundary } => self.refuse_all(reject, boundary, rest.bytes, sink),
            };
            rest.bytes = &rest.bytes[taken..];
            rest.sequence = rest.sequence.wrapping_add(taken as u32);
        }
    }

    /// Whether a head is whole that expects `100 Continue`, and nothing of its body came yet.
    pub fn awaits_continue(&self) -> bool {
        let State::Buffered(held) = &self.state else {
            return false;
        };
        let Phase::Body { head, .. } = &held.phase else {
            return false;
        };
        // HTTP/1.0 does not know it.
        let line_end = held.bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let is_1_1 = held.bytes[..line_end].trim_ascii_end().ends_with(b"HTTP/1.1");
        let text = |span: &std::ops::Range<u32>| &held.bytes[span.start as usize..span.end as usize];
        is_1_1
            && held.bytes.len() == head.length
            && head.headers.iter().any(|field| {
                text(&field.name).eq_ignore_ascii_case(b"expect")
                    && text(&field.value).eq_ignore_ascii_case(b"100-continue")
            })
    }

    /// `bytes` bytes of the direction are lost; the next chunk continues behind them. Lost inside a counted
    /// part of a body, they cost that message alone; anywhere else, and where nobody knows how many there are
    /// ([`UNKNOWN_LENGTH`]), the place is lost.
    pub fn gap(&mut self, bytes: u64, sink: &mut impl FnMut(Event<S::Message>)) {
        self.acknowledged = None;
        self.preface = Preface::No;
        let (mut body, next, why) = match std::mem::replace(&mut self.state, State::Lost(Skip::AfterGap)) {
            state @ (State::Rest(_) | State::Left(_) | State::Refusing { .. }) => return self.state = state,
            State::Passing { body, next, why } => (body, next, why),
            State::Buffered(held) => {
                let behind = held.place_behind();
                match held.phase {
                    Phase::Opening => {
                        skip(held.bytes.len(), Skip::AfterGap, sink);
                    }
                    _ => self.break_off(*held, Reject::Gap, Skip::AfterGap, sink),
                }
                let Some((decoder, next)) = behind else { return };
                (decoder, next, Skip::AfterGap)
            }
            State::Boundary | State::Skimming(_) | State::Lost(_) => return,
        };
        if bytes != UNKNOWN_LENGTH && body.skip(bytes) {
            self.state = State::Passing { body, next, why };
        }
    }

    /// The direction ends. [`Close::Finished`] says that all its bytes were pushed.
    pub fn end(&mut self, close: Close, sink: &mut impl FnMut(Event<S::Message>)) {
        let held = match std::mem::replace(&mut self.state, State::Rest(Skip::AfterReject)) {
            State::Buffered(held) => held,
            state @ (State::Rest(_) | State::Left(_) | State::Refusing { .. }) => return self.state = state,
            _ => return,
        };
        match held.phase {
            Phase::Opening if S::opening(&held.bytes, false) != Opening::Message => {
                skip(held.bytes.len(), Skip::NotHttp, sink);
                return;
            }
            Phase::Opening => sink(Event::Started),
            Phase::Body {
                decoder: BodyDecoder::Close,
                ..
            } if close == Close::Finished => {
                if let Some(message) = (*held).complete() {
                    sink(Event::Complete(Box::new(message.into())));
                }
                return;
            }
            _ => {}
        }
        let reject = match close {
            Close::Reset => Reject::Reset,
            Close::Shutdown => Reject::Shutdown,
            Close::Finished | Close::Idle | Close::Evicted | Close::Reused => Reject::Truncated,
        };
        self.break_off(*held, reject, Skip::AfterReject, sink);
    }

    /// A message that has started will never be whole: what is there of it is handed on where that is asked for and
    /// its head is whole; else it is rejected and its bytes were passed over.
    pub(super) fn break_off(
        &self,
        held: Buffered<S::Line>,
        reject: Reject,
        why: Skip,
        sink: &mut impl FnMut(Event<S::Message>),
    ) {
        let length = held.came();
        let part = if self.side.hands_on(reject) {
            held.complete()
        } else {
            None
        };
        if let Some(part) = part {
            sink(Event::Incomplete(Box::new(part.into()), reject));
        } else {
            sink(Event::Rejected(reject));
            skip(length, why, sink);
        }
    }

    /// A start line at the start of a segment, where a message begins if `answered` is to be believed.
    fn candidate(
        &mut self,
        bytes: &[u8],
        answered: bool,
        why: Skip,
        sink: &mut impl FnMut(Event<S::Message>),
    ) {
        if answered {
            self.side.found_again();
            self.state = State::Boundary;
            return;
        }
        sink(Event::Started);
        sink(Event::Rejected(match why {
            Skip::MidStream => Reject::MidStream,
            _ => Reject::Gap,
        }));
        // What follows an Expect is answered without being a request (RFC 9110 section 10.1.1).
        if let Ok(Some(found)) = HeadReader::<S::Line>::new().read(bytes, &self.limits)
            && with_fields(&bytes[..found.length], &self.limits, |fields| {
                MessageFields::of(fields).expect
            }) == Ok(true)
        {
            self.doubt = true;
        }
    }

    fn at_boundary(
        &mut self,
        chunk: Chunk<'_>,
        budget: &MemoryBudget,
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        // Empty lines before a start line are passed over, as servers do (RFC 9112 section 2.2).
        let empty = chunk
            .bytes
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        if empty > 0 {
            return skip(empty, Skip::EmptyLine, sink);
        }
        match S::opening(chunk.bytes, self.preface != Preface::No) {
            Opening::More => {
                let partial = Box::new(Buffered::new(&chunk, Phase::Opening, budget));
                self.hold(partial, chunk.bytes, chunk.time, sink)
            }
            Opening::Other(why) => {
                self.leave(why, &[], sink);
                0
            }
            Opening::Message => {
                self.begin(sink);
                self.at_head(chunk, budget, sink)
            }
        }
    }

    pub(super) fn begin(&mut self, sink: &mut impl FnMut(Event<S::Message>)) {
        self.preface = Preface::No;
        sink(Event::Started);
    }

    /// A message starts with the first byte of `chunk`, and nothing is held.
    fn at_head(
        &mut self,
        chunk: Chunk<'_>,
        budget: &MemoryBudget,
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        let parsed = if let Some(known) = self.side.known(chunk.bytes) {
            Ok(self.decide(&chunk.bytes[..known.length], &known))
        } else {
            let mut reader = HeadReader::new();
            match reader.read(chunk.bytes, &self.limits) {
                Ok(Some(found)) if found.plain => self.parse(found.line, &chunk.bytes[..found.length]),
                Ok(None) => {
                    let partial = Box::new(Buffered::new(&chunk, Phase::Head(reader), budget));
                    return self.hold(partial, chunk.bytes, chunk.time, sink);
                }
                Ok(Some(_)) => Err(Reject::Malformed),
                Err(reject) => Err(reject),
            }
        };
        let (head, reject) = match parsed {
            Ok(Ok(parsed)) => parsed,
            Ok(Err(error)) => return self.give_up(error.into(), chunk.bytes, 0, sink),
            Err(_) => {
                let partial = Box::new(Buffered::new(&chunk, Phase::Head(HeadReader::new()), budget));
                return self.in_head(partial, chunk, sink);
            }
        };
        let (next, mut decoder) = (head.next, BodyDecoder::new(head.framing));
        if let Some(reject) = reject {
            let taken = refuse(reject, head.length, sink);
            self.pass_on(decoder, next, sink);
            return taken;
        }
        match self.read_body(&mut decoder, 0, &chunk.bytes[head.length..]) {
            Ok(Body::Done(length)) => {
                let length = head.length + length;
                match whole(&chunk.bytes[..length], head, &chunk, budget) {
                    Some(message) => sink(Event::Complete(Box::new(message.into()))),
                    None => {
                        refuse(Reject::Memory, length, sink);
                    }
                }
                self.follow(next, sink);
                length
            }
            Ok(Body::More(_)) => {
                let partial = Box::new(Buffered::new(&chunk, Phase::Body { head, decoder }, budget));
                self.hold(partial, chunk.bytes, chunk.time, sink)
            }
            Ok(Body::TooLarge(length)) => {
                let taken = refuse(Reject::BodyTooLarge, head.length + length, sink);
                self.pass_on(decoder, next, sink);
                taken
            }
            Err(error) => self.give_up(error.into(), chunk.bytes, 0, sink),
        }
    }

    /// Reads a whole, plain head. The outer error says that its fields are none, the inner one that they do not say one
    /// length.
    pub(super) fn parse(&mut self, line: S::Line, bytes: &[u8]) -> Result<Parsed<S::Line>, Reject> {
        let limits = self.limits;
        with_fields(bytes, &limits, |fields| {
            let read = ReadHead {
                line,
                length: bytes.len(),
                fields: MessageFields::of(fields),
            };
            let keeps_fields = S::keeps_fields(&line);
            if !keeps_fields {
                self.side.remember(bytes, fields, read);
            }
            let (mut head, reject) = self.decide(bytes, &read)?;
            if reject.is_none() && keeps_fields {
                head.headers = spans(bytes, fields);
            }
            Ok((head, reject))
        })
    }

    /// Decides about the message of the head that `bytes` are, without the places of its fields.
    fn decide(
        &mut self,
        bytes: &[u8],
        read: &ReadHead<S::Line>,
    ) -> Result<(Head<S::Line>, Option<Reject>), Oddity> {
        let Decision {
            framing,
            reject,
            next,
        } = self.side.decide(read.line, bytes, &read.fields)?;
        let max_body = self.limits.max_body as u64;
        let too_large = matches!(framing, Framing::Length(length) if length > max_body);
        let head = Head {
            line: read.line,
            length: read.length,
            headers: Vec::new(),
            framing,
            next,
        };
        Ok((head, reject.or(too_large.then_some(Reject::BodyTooLarge))))
    }

    /// Reads on in a body of which `so_far` bytes came before, no further than the limit.
    pub(super) fn read_body(
        &self,
        decoder: &mut BodyDecoder,
        so_far: usize,
        bytes: &[u8],
    ) -> Result<Body, ChunkedError> {
        let room = self.limits.max_body.saturating_sub(so_far).min(bytes.len());
        Ok(match decoder.advance(&bytes[..room])? {
            (length, true) => Body::Done(length),
            (length, false) if length < bytes.len() => Body::TooLarge(length),
            (length, false) => Body::More(length),
        })
    }

    /// A message has ended.
    pub(super) fn follow(&mut self, next: Next, sink: &mut impl FnMut(Event<S::Message>)) {
        self.state = State::Boundary;
        match next {
            Next::Message => {}
            Next::MessageOrProtocol => self.preface = Preface::Upgrade,
            Next::Protocol => {
                self.preface = Preface::Upgrade;
                self.leave(Skip::Upgraded, &[], sink);
            }
            Next::Nothing => {
                self.state = State::Refusing {
                    reject: Reject::AfterClose,
                    boundary: true,
                }
            }
        }
    }
}

/// A head, and why its message is not wanted all the same; or that it does not say one length.
pub(super) type Parsed<L> = Result<(Head<L>, Option<Reject>), Oddity>;

/// How far a body goes in some bytes, and how many of them are its.
pub(super) enum Body {
    Done(usize),
    /// All of them, and more to come.
    More(usize),
    /// More than the limit.
    TooLarge(usize),
}

/// Whether acknowledgment number `this` is newer than `before` (RFC 9293 section 3.4).
fn newer(this: u32, before: u32) -> bool {
    matches!(this.wrapping_sub(before), 1..=0x7fff_ffff)
}
