//! The server's half of HTTP/2: what its frames do to the streams.

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Direction};

use super::block::{Block, Fate};
use super::connection::{Connection, Event, StreamId};
use super::gather::Gather;
use super::streams::{AnswerSide, RequestSide, Stream};
use super::text;
use crate::framing::RequestKind;
use crate::message::Reject;

/// The error code of a stream that was not processed (RFC 9113 section 7).
const REFUSED_STREAM: u32 = 7;

impl Connection {
    /// A header block of the server.
    pub(super) fn answer_block(
        &mut self,
        block: &Block,
        rest: &Chunk<'_>,
        budget: &MemoryBudget,
        sink: &mut impl FnMut(Event),
    ) {
        let id = block.stream;
        if let Some(promised) = block.promised {
            sink(Event::Pushed(StreamId(promised)));
        }
        if !self.answers {
            // Nothing is read, so nothing need be decoded.
            if block.end_stream && block.promised.is_none() {
                self.lose_answer(id, Reject::AfterReject, sink);
            }
            return;
        }
        let Ok(fields) = self.decode(Direction::Response, block, rest, budget) else {
            return self.violation(Direction::Response, sink);
        };
        if block.promised.is_some() || block.fate == Fate::Told {
            return;
        }
        self.expect_unseen(id);
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        let (kind, is_unseen) = (stream.kind, matches!(stream.request, RequestSide::Unseen));
        let read = match (&stream.answer, fields) {
            (AnswerSide::None, Ok(())) => {
                self.answer_head(block, kind == RequestKind::Head, is_unseen, rest.time, budget)
            }
            (AnswerSide::Open(_), Ok(())) if block.end_stream => {
                text::trailers(&self.list).map(Read::Trailers)
            }
            (AnswerSide::Open(_), Ok(())) => Err(Reject::Malformed),
            (AnswerSide::None | AnswerSide::Open(_), Err(reject)) => Err(reject),
            _ => return,
        };
        match read {
            Ok(Read::Interim) => {}
            Ok(Read::Head(gather)) => {
                self.streams
                    .edit(id, |stream| stream.answer = AnswerSide::Open(Box::new(gather)));
                if block.end_stream {
                    self.answer_finishes(id, None, rest.time, sink);
                }
            }
            Ok(Read::Trailers(trailers)) => self.answer_finishes(id, Some(&trailers), rest.time, sink),
            Err(reject) => self.lose_answer(id, reject, sink),
        }
    }

    /// A stream is answered of which no request was seen: it may come yet, since the directions are not captured in step.
    fn expect_unseen(&mut self, id: u32) {
        let may_come =
            id > self.highest && id % 2 == 1 && !self.request.has_holes && !self.request.is_at_rest();
        if may_come && self.streams.get(id).is_none() && !self.streams.is_full() {
            let stream = Stream {
                request: RequestSide::Unseen,
                answer: AnswerSide::None,
                kind: RequestKind::Other,
            };
            self.streams.insert(id, stream);
        }
    }

    fn answer_head(
        &self,
        block: &Block,
        to_head: bool,
        is_unseen: bool,
        now: Timestamp,
        budget: &MemoryBudget,
    ) -> Result<Read, Reject> {
        let status = text::status_of(&self.list)?;
        if (100..200).contains(&status) {
            // 101 does not exist in HTTP/2 (RFC 9113 section 8.6), nor an interim answer that is the last.
            let is_interim = status != 101 && !block.end_stream;
            return if is_interim {
                Ok(Read::Interim)
            } else {
                Err(Reject::Malformed)
            };
        }
        // An answer has no body by what it answers, or by its status (RFC 9110 section 6.4.1).
        let is_bodiless = to_head || matches!(status, 204 | 304) || (is_unseen && block.end_stream);
        let head = text::answer_head(&self.list, status, block.end_stream || is_bodiless, &self.limits)?;
        let mut gather = Gather::new(head, block.origin, now, false, budget)?;
        if is_bodiless {
            gather.expect_no_body();
        }
        Ok(Read::Head(gather))
    }

    /// Data of an answer.
    pub(super) fn answer_data(
        &mut self,
        id: u32,
        size: Option<u32>,
        data: &[u8],
        last: bool,
        now: Timestamp,
        sink: &mut impl FnMut(Event),
    ) {
        let limits = self.limits;
        let added = self.streams.edit(id, |stream| match &mut stream.answer {
            AnswerSide::Open(gather) => gather.data(size, data, last, now, &limits),
            // Behind an interim answer alone.
            AnswerSide::None if self.answers => Err(Reject::Malformed),
            _ => Ok(()),
        });
        if let Some(Err(reject)) = added {
            self.lose_answer(id, reject, sink);
        }
    }

    /// The server has ended a stream with DATA.
    pub(super) fn answer_ends(&mut self, id: u32, now: Timestamp, sink: &mut impl FnMut(Event)) {
        if self.answers {
            self.answer_finishes(id, None, now, sink);
        } else {
            self.lose_answer(id, Reject::AfterReject, sink);
        }
    }

    fn answer_finishes(
        &mut self,
        id: u32,
        trailers: Option<&[u8]>,
        now: Timestamp,
        sink: &mut impl FnMut(Event),
    ) {
        let taken = self.streams.edit(id, |stream| {
            let answer = std::mem::replace(&mut stream.answer, AnswerSide::None);
            match answer {
                AnswerSide::Open(gather) => Ok(gather),
                AnswerSide::None => Err(Some(Reject::Malformed)),
                other => {
                    stream.answer = other;
                    Err(None)
                }
            }
        });
        let gather = match taken {
            Some(Ok(gather)) => gather,
            Some(Err(Some(reject))) => return self.lose_answer(id, reject, sink),
            _ => return,
        };
        let gather = match gather.finish(trailers, &self.limits) {
            Ok(gather) => gather,
            Err(reject) => return self.lose_answer(id, reject, sink),
        };
        let response = gather.into_response(now);
        if self.is_complete(id) {
            self.streams.remove(id);
            sink(Event::Answered(StreamId(id), response));
        } else {
            self.streams
                .edit(id, |stream| stream.answer = AnswerSide::Early(response));
        }
    }

    fn is_complete(&self, id: u32) -> bool {
        let stream = self.streams.get(id);
        stream.is_some_and(|stream| matches!(stream.request, RequestSide::Complete))
    }

    /// An answer will never be whole, unless it is. Where answers are not read this only says that it is over.
    pub(super) fn lose_answer(&mut self, id: u32, reject: Reject, sink: &mut impl FnMut(Event)) {
        if self.is_complete(id) {
            let stream = self.streams.remove(id);
            if self.answers {
                tell_begun(id, stream.map(|stream| stream.answer), reject, sink);
                sink(Event::AnswerLost(StreamId(id), reject));
            }
            return;
        }
        self.streams.edit(id, |stream| {
            if matches!(stream.answer, AnswerSide::None | AnswerSide::Open(_)) {
                stream.answer = AnswerSide::Lost(reject);
            }
        });
    }

    /// All that have not come.
    pub(super) fn lose_answers(&mut self, reject: Reject, sink: &mut impl FnMut(Event)) {
        for id in self.streams.which(|_, _| true) {
            self.lose_answer(id, reject, sink);
        }
    }

    /// The end of a block of which a part was lost.
    pub(super) fn lost_answer_block(&mut self, block: &Block, sink: &mut impl FnMut(Event)) {
        self.response.forget_table();
        if block.promised.is_none() && block.fate != Fate::Told {
            self.lose_answer(block.stream, block.fate.reject(), sink);
        }
    }

    /// The server has reset a stream.
    pub(super) fn server_resets(&mut self, id: u32, code: Option<u32>, sink: &mut impl FnMut(Event)) {
        if code == Some(REFUSED_STREAM) {
            self.unprocessed(id, sink);
        } else {
            self.lose_answer(id, Reject::H2Reset, sink);
        }
        // What the client still sends is not read by anybody.
        self.break_off(id, Reject::H2Reset, sink);
    }

    /// The server will process no stream beyond this one (RFC 9113 section 6.8).
    pub(super) fn server_leaves(&mut self, last: u32, sink: &mut impl FnMut(Event)) {
        self.goodbye = self.goodbye.min(last);
        for id in self.streams.which(|id, _| id > last) {
            self.unprocessed(id, sink);
        }
    }

    fn unprocessed(&mut self, id: u32, sink: &mut impl FnMut(Event)) {
        if self.is_complete(id) {
            self.streams.remove(id);
            sink(Event::Unprocessed(StreamId(id)));
            return;
        }
        self.streams.edit(id, |stream| {
            if matches!(stream.answer, AnswerSide::None) {
                stream.answer = AnswerSide::Unprocessed;
            }
        });
    }
}

/// Tells what came of the answer to a call that ended so, if that says anything.
pub(super) fn tell_begun(id: u32, answer: Option<AnswerSide>, reject: Reject, sink: &mut impl FnMut(Event)) {
    let is_end = matches!(reject, Reject::H2Reset | Reject::Reset | Reject::Truncated);
    if let Some(AnswerSide::Open(gather)) = answer.filter(|_| is_end)
        && let Some(response) = gather.begun()
    {
        sink(Event::AnswerBegun(StreamId(id), response));
    }
}

/// Kind of a header block of an answer.
enum Read {
    Interim,
    Head(Gather),
    Trailers(Vec<u8>),
}
