//! The client's half of HTTP/2: what its frames do to the streams.

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Direction};

use super::block::{Block, BlockBytes, Fate};
use super::connection::{Connection, Event, StreamId};
use super::gather::Gather;
use super::hpack::{Completeness, FieldList, HpackError};
use super::live::live_breaks_off;
use super::streams::{AnswerSide, RequestSide, Stream};
use super::text;
use crate::framing::RequestKind;
use crate::message::{Reject, Request};

/// Message that a block's fields come to.
pub(super) type Decoded = Result<Result<(), Reject>, HpackError>;

impl Fate {
    /// Why the message of such a block is not read.
    pub fn reject(self) -> Reject {
        match self {
            Self::TooLong => Reject::HeadTooLarge,
            Self::Flood => Reject::H2Flood,
            Self::Memory => Reject::Memory,
            Self::Whole | Self::Lost | Self::Told => Reject::H2Gap,
        }
    }
}

impl Connection {
    /// Decodes a block of a direction into the list. The outer error ends the connection, the inner one the message.
    pub(super) fn decode(
        &mut self,
        direction: Direction,
        block: &Block,
        rest: &Chunk<'_>,
        budget: &MemoryBudget,
    ) -> Decoded {
        let bytes = match &block.bytes {
            BlockBytes::Here(start, end) => rest.bytes.get(*start..*end).unwrap_or_default(),
            BlockBytes::Kept(bytes) => bytes,
            BlockBytes::None => {
                self.lane(direction).forget_table();
                return Ok(Err(block.fate.reject()));
            }
        };
        let lane = match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        };
        let decoded = lane.decoder.decode(bytes, &mut self.list, &self.limits);
        lane.charge_table(budget);
        Ok(match decoded? {
            Completeness::Whole => Ok(()),
            Completeness::Unknown => Err(Reject::H2TableUnknown),
            Completeness::TooLarge => Err(Reject::HeadTooLarge),
        })
    }

    /// A header block of the client.
    pub(super) fn request_block(
        &mut self,
        block: &Block,
        rest: &Chunk<'_>,
        budget: &MemoryBudget,
        sink: &mut impl FnMut(Event),
    ) {
        let id = block.stream;
        let decoded = self.decode(Direction::Request, block, rest, budget);
        let is_new = match self.streams.get(id) {
            Some(stream) => matches!(stream.request, RequestSide::Unseen),
            None => id > self.highest,
        };
        // A client opens odd streams, and promises none (RFC 9113 sections 5.1.1 and 8.4).
        if id.is_multiple_of(2) || block.promised.is_some() {
            return self.violation(Direction::Request, sink);
        }
        if !is_new {
            let Ok(fields) = decoded else {
                return self.violation(Direction::Request, sink);
            };
            return self.request_trailers(block, fields, rest.time, sink);
        }
        if self.request.has_holes && decoded == Ok(Ok(())) && !is_opening(&self.list) {
            // The trailers of a stream that was opened before it could be seen.
            self.highest = id;
            return;
        }
        self.opens(id);
        if block.fate == Fate::Told {
            return;
        }
        sink(Event::Started(StreamId(id)));
        match decoded {
            Ok(Ok(())) => {}
            Ok(Err(reject)) => return self.refuse(id, reject, sink),
            Err(_) => {
                let reject = Reject::Malformed;
                self.refuse(id, reject, sink);
                return self.violation(Direction::Request, sink);
            }
        }
        self.resets.opened();
        if self.resets.are_a_flood(rest.time) {
            return self.refuse(id, Reject::H2Flood, sink);
        }
        let head = text::request_head(&self.list, block.end_stream, &self.limits);
        let gathered = head.and_then(|head| {
            let kind = head.kind();
            Gather::new(head, block.origin, rest.time, block.end_stream, budget).map(|gather| (gather, kind))
        });
        match gathered {
            Ok((gather, kind)) if block.end_stream => self.whole(id, gather, kind, rest.time, sink),
            Ok(_) if !self.makes_room(sink) => self.refuse(id, Reject::H2Flood, sink),
            Ok((gather, kind)) => self.open(id, Box::new(gather), kind),
            Err(reject) => self.refuse(id, reject, sink),
        }
    }

    /// The client has opened a stream, and with it said that it opens none before it.
    fn opens(&mut self, id: u32) {
        self.highest = self.highest.max(id);
        self.forget_unseen(id);
    }

    /// Answers to streams before this one that were never opened are let go of.
    pub(super) fn forget_unseen(&mut self, before: u32) {
        if !self.streams.are_some_unseen() {
            return;
        }
        let unseen = |id: u32, stream: &Stream| id < before && matches!(stream.request, RequestSide::Unseen);
        for id in self.streams.which(unseen) {
            self.streams.remove(id);
        }
    }

    /// A request goes on behind its head.
    fn open(&mut self, id: u32, gather: Box<Gather>, kind: RequestKind) {
        let answer = self.early_answer(id);
        let request = RequestSide::Open(gather);
        self.streams.insert(
            id,
            Stream {
                request,
                answer,
                kind,
            },
        );
    }

    /// The answer to a stream that came before it.
    fn early_answer(&mut self, id: u32) -> AnswerSide {
        self.streams
            .remove(id)
            .map_or(AnswerSide::None, |stream| stream.answer)
    }

    /// A request is its head alone.
    fn whole(
        &mut self,
        id: u32,
        gather: Gather,
        kind: RequestKind,
        now: Timestamp,
        sink: &mut impl FnMut(Event),
    ) {
        let answer = self.early_answer(id);
        match gather.finish(None, &self.limits) {
            Ok(gather) => self.complete(id, gather.into_request(now, None), kind, answer, sink),
            Err(reject) => sink(Event::Rejected(StreamId(id), reject)),
        }
    }

    /// A request is whole: it is told, and its answer, if it was waiting for that.
    fn complete(
        &mut self,
        id: u32,
        request: Box<Request>,
        kind: RequestKind,
        answer: AnswerSide,
        sink: &mut impl FnMut(Event),
    ) {
        let stream = StreamId(id);
        sink(Event::Complete(stream, request));
        self.await_answer(id, kind, answer, sink);
    }

    /// Tells the answer to a request that was told, if there is one; else it is waited for.
    pub(super) fn await_answer(
        &mut self,
        id: u32,
        kind: RequestKind,
        answer: AnswerSide,
        sink: &mut impl FnMut(Event),
    ) {
        let stream = StreamId(id);
        let answer = match (answer, self.ended) {
            (AnswerSide::None, _) if id > self.goodbye => AnswerSide::Unprocessed,
            (AnswerSide::None, Some(reject)) => AnswerSide::Lost(reject),
            (AnswerSide::None, None) if self.streams.is_full() => AnswerSide::Lost(Reject::H2Flood),
            (answer, _) => answer,
        };
        match answer {
            AnswerSide::Early(response) => sink(Event::Answered(stream, response)),
            AnswerSide::Unprocessed => sink(Event::Unprocessed(stream)),
            AnswerSide::Lost(reject) if self.answers => sink(Event::AnswerLost(stream, reject)),
            AnswerSide::Lost(_) => {}
            AnswerSide::None if !self.answers && !self.hears => {}
            AnswerSide::None | AnswerSide::Open(_) => {
                let request = RequestSide::Complete;
                self.streams.insert(
                    id,
                    Stream {
                        request,
                        answer,
                        kind,
                    },
                );
            }
        }
    }

    /// Whether there is room for one more stream: if need be in the place of one that is answered too late.
    fn makes_room(&mut self, sink: &mut impl FnMut(Event)) -> bool {
        if self.streams.is_full()
            && let Some(id) = self.streams.oldest_complete()
        {
            self.lose_answer(id, Reject::H2Flood, sink);
        }
        !self.streams.is_full()
    }

    /// A request that has started is not read.
    fn refuse(&mut self, id: u32, reject: Reject, sink: &mut impl FnMut(Event)) {
        self.early_answer(id);
        sink(Event::Rejected(StreamId(id), reject));
    }

    /// A block of a stream that is open already.
    fn request_trailers(
        &mut self,
        block: &Block,
        fields: Result<(), Reject>,
        now: Timestamp,
        sink: &mut impl FnMut(Event),
    ) {
        let id = block.stream;
        if block.fate == Fate::Told || !(self.is_open(id) || self.is_live(id)) {
            return; // Of a stream that was given up, or has ended.
        }
        let trailers = match fields {
            Ok(()) if block.end_stream => text::trailers(&self.list),
            Ok(()) => Err(Reject::Malformed),
            Err(reject) => Err(reject),
        };
        match trailers {
            // Calls of gRPC have none.
            Ok(trailers) if self.is_live(id) && !trailers.is_empty() => {
                self.break_off(id, Reject::Malformed, sink);
            }
            Ok(trailers) => self.finish(id, Some(&trailers), now, sink),
            Err(reject) => self.break_off(id, reject, sink),
        }
    }

    fn is_open(&self, id: u32) -> bool {
        let stream = self.streams.get(id);
        stream.is_some_and(|stream| matches!(stream.request, RequestSide::Open(_)))
    }

    /// Data of a request.
    pub(super) fn request_data(
        &mut self,
        id: u32,
        size: Option<u32>,
        data: &[u8],
        last: bool,
        now: Timestamp,
        sink: &mut impl FnMut(Event),
    ) {
        if self.is_live(id) {
            return self.live_data(id, data, now, sink);
        }
        let limits = self.limits;
        let added = self.streams.edit(id, |stream| match &mut stream.request {
            RequestSide::Open(gather) => gather.data(size, data, last, now, &limits),
            _ => Ok(()),
        });
        if let Some(Err(reject)) = added {
            self.break_off(id, reject, sink);
        }
    }

    /// The client has ended a stream with DATA.
    pub(super) fn request_ends(&mut self, id: u32, now: Timestamp, sink: &mut impl FnMut(Event)) {
        self.finish(id, None, now, sink);
    }

    fn finish(&mut self, id: u32, trailers: Option<&[u8]>, now: Timestamp, sink: &mut impl FnMut(Event)) {
        if self.is_live(id) {
            return self.live_ends(id, now, sink);
        }
        if !self.is_open(id) {
            return;
        }
        let Some(stream) = self.streams.remove(id) else {
            return;
        };
        let RequestSide::Open(gather) = stream.request else {
            return;
        };
        match gather.finish(trailers, &self.limits) {
            Ok(gather) => {
                let request = gather.into_request(now, None);
                self.complete(id, request, stream.kind, stream.answer, sink);
            }
            Err(reject) => sink(Event::Rejected(StreamId(id), reject)),
        }
    }

    /// The client has reset a stream.
    pub(super) fn client_resets(&mut self, id: u32, sink: &mut impl FnMut(Event)) {
        self.break_off(id, Reject::H2Reset, sink);
        self.lose_answer(id, Reject::H2Reset, sink);
    }

    /// A request under way will never be whole.
    pub(super) fn break_off(&mut self, id: u32, reject: Reject, sink: &mut impl FnMut(Event)) {
        if !self.is_open(id) && !self.is_live(id) {
            return;
        }
        let Some(stream) = self.streams.remove(id) else {
            return;
        };
        let gather = match stream.request {
            RequestSide::Open(gather) => gather,
            RequestSide::Live(_) => return live_breaks_off(id, stream.answer, reject, sink),
            RequestSide::Unseen | RequestSide::Complete => return,
        };
        // Served to its end before its client had ended its side, which it may do in a frame of its own.
        if reject == Reject::H2Reset
            && matches!(stream.answer, AnswerSide::Early(_))
            && let Some(last) = gather.whole_call()
        {
            return match gather.finish(None, &self.limits) {
                Ok(gather) => {
                    let request = gather.into_request(last, None);
                    self.complete(id, request, stream.kind, stream.answer, sink);
                }
                Err(reject) => sink(Event::Rejected(StreamId(id), reject)),
            };
        }
        let is_wanted = matches!(
            reject,
            Reject::H2Gap | Reject::H2Reset | Reject::Gap | Reject::Reset | Reject::Truncated
        );
        if self.incomplete && is_wanted {
            let request = gather.into_request(Timestamp::default(), Some(reject));
            sink(Event::Incomplete(StreamId(id), request, reject));
        } else {
            sink(Event::Rejected(StreamId(id), reject));
        }
    }

    /// All of them.
    pub(super) fn break_off_all(&mut self, reject: Reject, sink: &mut impl FnMut(Event)) {
        let open =
            |_: u32, stream: &Stream| matches!(stream.request, RequestSide::Open(_) | RequestSide::Live(_));
        for id in self.streams.which(open) {
            self.break_off(id, reject, sink);
        }
    }

    /// Those of which bytes are kept.
    pub(super) fn break_off_kept(&mut self, reject: Reject, sink: &mut impl FnMut(Event)) {
        let kept = |_: u32, stream: &Stream| match &stream.request {
            RequestSide::Open(_) => true,
            RequestSide::Live(cutter) => cutter.holds(),
            RequestSide::Unseen | RequestSide::Complete => false,
        };
        for id in self.streams.which(kept) {
            self.break_off(id, reject, sink);
        }
    }

    /// A request of which only a part of the header block came.
    pub(super) fn break_off_block(&mut self, reject: Reject, sink: &mut impl FnMut(Event)) {
        let Some(block) = &mut self.request.block else {
            return;
        };
        let (id, fate) = (block.stream, block.fate);
        block.give_up(Fate::Told);
        if fate != Fate::Told {
            self.lost_head(id, reject, sink);
        }
    }

    /// The end of a block of which a part was lost.
    pub(super) fn lost_request_block(&mut self, block: &Block, sink: &mut impl FnMut(Event)) {
        self.request.forget_table();
        if block.fate != Fate::Told {
            self.lost_head(block.stream, block.fate.reject(), sink);
        }
    }

    /// A header block is lost: that of a new request, or the trailers of one under way.
    fn lost_head(&mut self, id: u32, reject: Reject, sink: &mut impl FnMut(Event)) {
        if self.is_open(id) || self.is_live(id) {
            self.break_off(id, reject, sink);
        } else if id > self.highest && id % 2 == 1 {
            self.opens(id);
            sink(Event::Started(StreamId(id)));
            self.refuse(id, reject, sink);
        }
    }
}

/// Whether a header list begins as that of a request does.
fn is_opening(list: &FieldList) -> bool {
    list.iter().next().is_none_or(|(name, _)| name.starts_with(b":"))
}
