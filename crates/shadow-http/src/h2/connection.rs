//! Both directions of a connection of HTTP/2: what their frames say, told stream by stream.

use std::fmt;

use shadow_core::budget::MemoryBudget;
use shadow_tcp::{Chunk, Close, Direction, Stall};

use super::block::Fate;
use super::flood::Resets;
use super::frame::{FrameHeader, is_known};
use super::hpack::FieldList;
use super::join::Joining;
use super::lane::{FramePosition, Lane, Loss, Step};
use super::limits::{KEPT_LIST, MAX_FALSE_PLACES};
use super::messages::{CallEnd, Messages};
use super::streams::{AnswerSide, RequestSide, Stream, Streams};
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
    /// Messages of a call that [went live](Connection::go_live) are whole.
    Messages(StreamId, Messages),
    /// The request of such a call is at its end, and comes in place of `Complete`.
    Ended(StreamId, CallEnd),
    /// The answer to a complete request is whole.
    Answered(StreamId, Box<Response>),
    /// The answer to a complete request will never be whole. [`Reject::H2Reset`]: either side has reset the stream.
    AnswerLost(StreamId, Reject),
    /// All that came of the answer to a call of gRPC, of which `AnswerLost` or `Rejected` comes next: its body is not whole.
    AnswerBegun(StreamId, Box<Response>),
    /// The server has provably not processed a complete request: it refused its stream, or said goodbye to it (RFC 9113
    /// sections 6.8 and 8.7).
    Unprocessed(StreamId),
    /// The server announced this stream of its own (`PUSH_PROMISE`), which is passed over.
    Pushed(StreamId),
    /// So many bytes were passed over, because it is not known what they are.
    Skipped {
        /// How many.
        bytes: u64,
        /// Why.
        why: Skip,
    },
    /// Protocol of the connection from here on, once it is known: [`Skip::Http2`] when one that was open before is proved,
    /// [`Skip::NotHttp`] when a direction breaks the protocol and is not read on.
    Recognised(Skip),
}

/// Both directions of one connection.
#[derive(Debug)]
pub struct Connection {
    pub(super) limits: Limits,
    pub(super) answers: bool,
    pub(super) incomplete: bool,
    pub(super) request: Lane,
    pub(super) response: Lane,
    /// It is not known yet to be HTTP/2.
    pub(super) joining: Option<Box<Joining>>,
    pub(super) streams: Streams,
    /// The last stream that the client opened.
    pub(super) highest: u32,
    /// The last stream that the server will process.
    pub(super) goodbye: u32,
    pub(super) resets: Resets,
    /// Whether anything of the server was seen.
    pub(super) hears: bool,
    /// Why no more answers come.
    pub(super) ended: Option<Reject>,
    /// Used again from block to block.
    pub(super) list: FieldList,
}

impl Connection {
    /// A connection that is read from there on; `answers` says whether answers are wanted.
    pub fn new(limits: Limits, answers: bool, join: Join) -> Self {
        let places = match join {
            Join::Preface | Join::Upgraded(_) => (FramePosition::Preface(0), FramePosition::first_frame()),
            Join::MidStream => (
                FramePosition::Lost(Box::default()),
                FramePosition::Lost(Box::default()),
            ),
        };
        // Places in a head are kept in 32 bits.
        let max_head = limits.max_head.min(u32::MAX as usize);
        let mut connection = Self {
            limits: Limits { max_head, ..limits },
            answers,
            incomplete: false,
            request: Lane::new(places.0, max_head),
            response: Lane::new(places.1, max_head),
            joining: (join == Join::MidStream).then(Box::default),
            streams: Streams::default(),
            highest: 0,
            goodbye: u32::MAX,
            resets: Resets::new(),
            hears: false,
            ended: None,
            list: FieldList::new(),
        };
        connection.request.signs.acknowledges = join != Join::Preface;
        if let Join::Upgraded(kind) = join {
            connection.highest = 1;
            let stream = Stream {
                request: RequestSide::Complete,
                answer: AnswerSide::None,
                kind,
            };
            connection.streams.insert(1, stream);
        }
        connection
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
        self.joining.is_none()
    }

    /// Whether the client's frames were read one behind the other from the first. Otherwise the place of one was found
    /// again, or first, by how bytes look, which whoever chooses the bytes of an upload can feign.
    pub fn is_certain(&self) -> bool {
        !self.request.has_holes
    }

    /// Whether the server is known to speak HTTP/2: by its own frames, by the client's acknowledgment of its SETTINGS (RFC 9113
    /// section 6.5.3), or because the connection was joined behind its beginning.
    pub fn server_speaks(&self) -> bool {
        self.response.signs.speaks || self.request.signs.acknowledges
    }

    /// Whether the client said that it will open no more streams.
    pub fn client_leaves(&self) -> bool {
        self.request.signs.leaves
    }

    /// The next bytes of a direction. What has to be kept of them is charged to `budget`.
    pub fn push(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        budget: &MemoryBudget,
        sink: &mut impl FnMut(Event),
    ) {
        let mut rest = chunk;
        if self.joining.is_some() {
            let Some(taken) = self.join(direction, &rest, sink) else {
                return;
            };
            rest = behind(rest, taken);
        }
        self.hears |= direction == Direction::Response;
        while !rest.bytes.is_empty() {
            let highest = self.highest;
            let knows = |header: &FrameHeader| is_known(header, direction, highest);
            let lane = self.lane(direction);
            let (taken, step) = lane.step(&rest, budget, &knows);
            let ends = lane.pending_end();
            self.act(direction, step, taken, &rest, budget, sink);
            if let Some(step) = ends {
                self.act(direction, step, 0, &rest, budget, sink);
            }
            rest = behind(rest, taken);
        }
    }

    /// So many bytes of a direction are lost, or [`UNKNOWN_LENGTH`](crate::UNKNOWN_LENGTH); its next chunk continues behind
    /// them.
    pub fn gap(&mut self, direction: Direction, bytes: u64, sink: &mut impl FnMut(Event)) {
        if let Some(joining) = &mut self.joining {
            joining.gap(direction);
            return;
        }
        match self.lane(direction).gap(bytes) {
            Loss::Nothing => {}
            Loss::Stream(stream) if direction == Direction::Request => {
                self.break_off(stream, Reject::H2Gap, sink);
            }
            Loss::Stream(stream) => self.lose_answer(stream, Reject::H2Gap, sink),
            Loss::Place => self.lose_place(direction, sink),
        }
        // The frame may have ended with the hole; its end needs no bytes.
        if let Some(step) = self.lane(direction).pending_end() {
            self.act_on_end(direction, step, sink);
        }
    }

    /// Whether bytes of a message that is not whole yet are kept.
    pub fn holds(&self) -> bool {
        self.streams.hold() || self.request.block.is_some() || self.response.block.is_some()
    }

    /// Messages that are not whole yet are not waited for any longer: they are rejected and their bytes are freed. The
    /// connection is read on.
    pub fn stalled(&mut self, why: Stall, sink: &mut impl FnMut(Event)) {
        let reject = match why {
            Stall::Timeout => Reject::Truncated,
            Stall::Memory => Reject::Memory,
        };
        self.break_off_block(reject, sink);
        if let Some(block) = &mut self.response.block {
            let stream = block.stream;
            block.give_up(Fate::Told);
            self.lose_answer(stream, reject, sink);
        }
        self.break_off_kept(reject, sink);
        let under_way = |_: u32, stream: &Stream| matches!(stream.answer, AnswerSide::Open(_));
        for stream in self.streams.which(under_way) {
            self.lose_answer(stream, reject, sink);
        }
    }

    /// A direction ended ([`Close::Finished`]: by FIN), or the connection did. Requests under way in it, or answers, are
    /// given up; nothing of it is parsed any more. Calling it again does nothing.
    pub fn end(&mut self, direction: Direction, close: Close, sink: &mut impl FnMut(Event)) {
        let reject = match close {
            Close::Reset => Reject::Reset,
            Close::Shutdown => Reject::Shutdown,
            Close::Finished | Close::Idle | Close::Evicted | Close::Reused => Reject::Truncated,
        };
        if self.joining.is_some() {
            return; // Nothing is kept of it.
        }
        match direction {
            Direction::Request => {
                self.break_off_block(reject, sink);
                self.break_off_all(reject, sink);
                self.forget_unseen(u32::MAX);
            }
            Direction::Response => {
                self.ended.get_or_insert(reject);
                self.lose_answers(reject, sink);
            }
        }
        let lane = self.lane(direction);
        if let FramePosition::Rest(_) = lane.place {
            lane.block = None;
        } else {
            lane.rest(Skip::AfterReject);
        }
    }

    /// The next bytes of a connection that is not known to be HTTP/2; once it is, how many come before the first frame that
    /// is read.
    fn join(
        &mut self,
        direction: Direction,
        chunk: &Chunk<'_>,
        sink: &mut impl FnMut(Event),
    ) -> Option<usize> {
        if direction == Direction::Response {
            return None;
        }
        let joined = self.joining.as_mut()?.push(chunk, &mut self.list, &self.limits);
        self.trim_list();
        let (at, trail) = joined?;
        self.joining = None;
        sink(Event::Recognised(Skip::Http2));
        self.passed_over(&trail.opened, Reject::MidStream, sink);
        self.highest = trail.highest;
        self.request.decoder = trail.decoder;
        self.request.place = FramePosition::between();
        Some(at)
    }

    pub(super) fn lane(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    /// Does what a step says; its bytes are the first `taken` of `rest`.
    fn act(
        &mut self,
        direction: Direction,
        step: Step,
        taken: usize,
        rest: &Chunk<'_>,
        budget: &MemoryBudget,
        sink: &mut impl FnMut(Event),
    ) {
        match (step, direction) {
            (Step::Nothing, _) | (Step::GoAway(_), Direction::Request) => {}
            (Step::Unknown(why), _) => skip(taken, why, sink),
            (Step::Found(opened), _) => {
                skip(taken, Skip::AfterGap, sink);
                if direction == Direction::Request {
                    self.passed_over(&opened, Reject::H2Gap, sink);
                }
            }
            (Step::MaxFrame(size), Direction::Request) => self.response.max_frame = size,
            (Step::MaxFrame(size), Direction::Response) => self.request.max_frame = size,
            (Step::Violation, _) => self.violation(direction, sink),
            (
                Step::Data {
                    stream,
                    size,
                    end,
                    last,
                },
                Direction::Request,
            ) => {
                let data = &rest.bytes[..end];
                self.request_data(stream, size, data, last, rest.time, sink);
            }
            (
                Step::Data {
                    stream,
                    size,
                    end,
                    last,
                },
                Direction::Response,
            ) => {
                let data = &rest.bytes[..end];
                self.answer_data(stream, size, data, last, rest.time, sink);
            }
            (Step::End(stream), Direction::Request) => self.request_ends(stream, rest.time, sink),
            (Step::End(stream), Direction::Response) => self.answer_ends(stream, rest.time, sink),
            (Step::Block(block), Direction::Request) => {
                self.request_block(&block, rest, budget, sink);
                self.trim_list();
            }
            (Step::Block(block), Direction::Response) => {
                self.answer_block(&block, rest, budget, sink);
                self.trim_list();
            }
            (Step::Reset { stream, .. }, Direction::Request) => {
                self.resets.count(rest.time);
                self.client_resets(stream, sink);
            }
            (Step::Reset { stream, code }, Direction::Response) => self.server_resets(stream, code, sink),
            (Step::GoAway(last), Direction::Response) => self.server_leaves(last, sink),
        }
    }

    /// Keeps no more memory for the next header list than most of them need.
    fn trim_list(&mut self) {
        if self.list.memory() > KEPT_LIST {
            self.list = FieldList::new();
        }
    }

    /// The end of a frame of which a part was lost.
    fn act_on_end(&mut self, direction: Direction, step: Step, sink: &mut impl FnMut(Event)) {
        match (step, direction) {
            (Step::Block(block), Direction::Request) => self.lost_request_block(&block, sink),
            (Step::Block(block), Direction::Response) => self.lost_answer_block(&block, sink),
            (Step::Reset { stream, .. }, Direction::Request) => self.client_resets(stream, sink),
            (Step::Reset { stream, code }, Direction::Response) => self.server_resets(stream, code, sink),
            // Only padding was lost, or its stream was given up.
            (Step::End(stream), Direction::Request) => {
                self.request_ends(stream, self.request.origin.time, sink);
            }
            (Step::End(stream), Direction::Response) => {
                self.answer_ends(stream, self.response.origin.time, sink);
            }
            _ => {}
        }
    }

    /// Requests were opened in frames that were passed over.
    pub(super) fn passed_over(&mut self, opened: &[u32], reject: Reject, sink: &mut impl FnMut(Event)) {
        for &stream in opened {
            if stream > self.highest {
                self.highest = stream;
                sink(Event::Started(StreamId(stream)));
                sink(Event::Rejected(StreamId(stream), reject));
            }
        }
    }

    /// Where frames begin in a direction is not known any more.
    fn lose_place(&mut self, direction: Direction, sink: &mut impl FnMut(Event)) {
        self.give_up_direction(direction, Reject::H2Gap, sink);
        self.lane(direction).lose();
    }

    /// A direction is not as RFC 9113 has it. Behind a hole, or where it was joined, its place may be wrong: then that is
    /// looked for again.
    pub(super) fn violation(&mut self, direction: Direction, sink: &mut impl FnMut(Event)) {
        let lane = self.lane(direction);
        if lane.has_holes && lane.false_places < MAX_FALSE_PLACES {
            lane.false_places += 1;
            return self.lose_place(direction, sink);
        }
        let is_other = matches!(
            lane.place,
            FramePosition::Preface(_) | FramePosition::Header { first: true, .. }
        );
        let (has_holes, why) = (
            lane.has_holes,
            if is_other {
                Skip::NotHttp
            } else {
                Skip::AfterReject
            },
        );
        let reject = if has_holes {
            Reject::H2Gap
        } else {
            Reject::Malformed
        };
        self.give_up_direction(direction, reject, sink);
        let lane = self.lane(direction);
        lane.rest(if has_holes { Skip::AfterGap } else { why });
        if direction == Direction::Response {
            self.ended.get_or_insert(reject);
        }
        sink(Event::Recognised(Skip::NotHttp));
    }

    fn give_up_direction(&mut self, direction: Direction, reject: Reject, sink: &mut impl FnMut(Event)) {
        match direction {
            Direction::Request => {
                self.break_off_block(reject, sink);
                self.break_off_all(reject, sink);
                self.forget_unseen(u32::MAX);
            }
            Direction::Response => self.lose_answers(reject, sink),
        }
    }
}

fn skip(bytes: usize, why: Skip, sink: &mut impl FnMut(Event)) {
    if bytes > 0 {
        let bytes = bytes as u64;
        sink(Event::Skipped { bytes, why });
    }
}

/// The bytes behind the first `taken`.
fn behind(chunk: Chunk<'_>, taken: usize) -> Chunk<'_> {
    Chunk {
        bytes: &chunk.bytes[taken..],
        sequence: chunk.sequence.wrapping_add(taken as u32),
        segment_start: chunk.segment_start && taken == 0,
        ..chunk
    }
}
