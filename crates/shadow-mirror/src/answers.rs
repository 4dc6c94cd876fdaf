//! Production's answers, where they are captured, and which request each of them answers.
//!
//! A request is sent when its client has read so much of the server's bytes, and says so in its
//! acknowledgment number: that is where the answer starts, unless requests were pipelined. So an answer
//! belongs to the oldest request that waits, provided that request had not yet seen the answer's first byte;
//! an answer to a request that was never seen whole pairs with nothing, and pairing goes on behind it. A
//! server may also answer while the request is still coming: such an answer waits for its end.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_http::{
    Http2Start, KnownHeads, Limits, Reject, Request, RequestKind, Response, ResponseEvent, ResponseStream,
};
use shadow_tcp::{Chunk, Close, Stall, Start};

use super::MessageId;
use super::exchange::AnswerLost;

/// Requests of one connection that may wait for their answers; the stream of responses has the same bound.
const MAX_WAITING: usize = 1024;

/// An answer, and the name of the exchange it belongs to.
pub(super) struct ProductionAnswer {
    pub id: MessageId,
    pub response: Box<Response>,
    /// When the server could begin with it: the request was whole, and the answer before it on the connection had ended.
    pub began: Timestamp,
    /// From the request's last byte to the response's, as both were on the wire.
    pub took: Duration,
}

/// An event of the answer to a request that was whole.
pub(super) enum AnswerEvent {
    Answered(ProductionAnswer),
    /// It will never be whole here.
    Lost(MessageId, AnswerLost),
    /// Its client left the call while it came: as much of it as had come.
    Left(MessageId, Box<Response>),
}

/// The answers on one connection.
pub(super) struct Answers {
    stream: ResponseStream,
    waiting: VecDeque<Waiting>,
    /// Whether a request has started that has not ended yet.
    receiving: bool,
    /// The answer to that.
    early: Option<Box<Response>>,
    /// The server has accepted an `Upgrade: h2c`, and answers the request that offered it in HTTP/2.
    switched: bool,
}

struct Waiting {
    kind: RequestKind,
    /// Acknowledgment number and name; `None` for a request that was not whole: it has an answer, but none that
    /// anybody wants.
    request: Option<(u32, MessageId)>,
    /// When the request's last byte was seen.
    last_byte: Timestamp,
    /// When the server could begin with it, as far as is known.
    began: Timestamp,
}

/// Counts of answers on the connections of a shard, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct AnswerCounters {
    /// Answers handed on with their request.
    pub paired: u64,
    /// Whole answers to requests that were not seen whole.
    pub unpaired: u64,
    /// Answers that were not whole, or beyond a limit.
    pub rejected: u64,
    /// Answers that an output did not get, because what is hidden from it could not be searched for: once for each output,
    /// the shadow's answers and those of recordings too.
    pub withheld: u64,
}

impl AnswerCounters {
    /// Adds another shard's counts.
    pub fn add(&mut self, other: &AnswerCounters) {
        self.paired += other.paired;
        self.unpaired += other.unpaired;
        self.rejected += other.rejected;
        self.withheld += other.withheld;
    }
}

impl Answers {
    pub fn new(limits: Limits, start: Start) -> Self {
        Self {
            stream: ResponseStream::new(limits, start).leaving_http2(),
            waiting: VecDeque::new(),
            receiving: false,
            early: None,
            switched: false,
        }
    }

    /// The same, which knows the heads that other connections with `heads` have read under the same limits.
    #[must_use]
    pub fn knowing(mut self, heads: &Rc<KnownHeads>) -> Self {
        self.stream = self.stream.knowing(heads);
        self
    }

    /// A request has started.
    pub fn request_started(&mut self) {
        self.receiving = true;
    }

    /// A whole request was read. It may have been answered already: that is for whoever has handed it on.
    pub fn request(
        &mut self,
        request: &Request,
        id: MessageId,
        counters: &mut AnswerCounters,
        sink: &mut impl FnMut(AnswerEvent),
    ) {
        self.receiving = false;
        let waiting = Waiting {
            kind: RequestKind::of(request.method()),
            request: Some((request.acknowledgment, id)),
            last_byte: request.last_byte,
            began: request.last_byte,
        };
        let Some(response) = self.early.take() else {
            return self.wait(waiting, sink);
        };
        // The stream has had its answer, and takes it for that.
        let _ = self.stream.expect(waiting.kind);
        if waiting.was_sent_before(&response) {
            waiting.answered_by(response, counters, sink);
        } else {
            counters.unpaired += 1;
            self.wait(waiting, sink);
        }
    }

    /// A request was read that is not whole.
    pub fn rejected_request(&mut self, counters: &mut AnswerCounters, sink: &mut impl FnMut(AnswerEvent)) {
        self.receiving = false;
        if self.early.take().is_some() {
            counters.unpaired += 1;
            let _ = self.stream.expect(RequestKind::Other);
            return;
        }
        let waiting = Waiting {
            kind: RequestKind::Other,
            request: None,
            last_byte: Timestamp::default(),
            began: Timestamp::default(),
        };
        self.wait(waiting, sink);
    }

    fn wait(&mut self, request: Waiting, sink: &mut impl FnMut(AnswerEvent)) {
        let full = self.waiting.len() == MAX_WAITING || !self.stream.expect(request.kind);
        self.waiting.push_back(request);
        if full {
            self.forget(sink);
        }
    }

    /// Requests were lost: nobody knows how many answers come before those of the next ones.
    pub fn forget(&mut self, sink: &mut impl FnMut(AnswerEvent)) {
        lose_all(&mut self.waiting, AnswerLost::Gap, sink);
        self.early = None;
        self.stream.forget_expected();
    }

    /// The next bytes of the response direction.
    pub fn push(
        &mut self,
        chunk: Chunk<'_>,
        budget: &MemoryBudget,
        counters: &mut AnswerCounters,
        sink: &mut impl FnMut(AnswerEvent),
    ) {
        let Self {
            stream,
            waiting,
            receiving,
            early,
            switched,
        } = self;
        let early = receiving.then_some(early);
        let mut answers = Pairing { waiting, early };
        let mut lost_step = false;
        stream.push(chunk, budget, &mut |event| match event {
            ResponseEvent::Complete(response) if accepts_h2c(&response) => *switched = true,
            event => lost_step |= !answers.answer(event, counters, sink),
        });
        if lost_step {
            // The stream took the answer for one to the oldest request that waits. It was not.
            stream.forget_expected();
            for waiting in &*waiting {
                // It was below the bound before, and is now.
                let _ = stream.expect(waiting.kind);
            }
        }
    }

    /// Whether what begins in the bytes pushed last, or with the next ones, is no HTTP/1.
    #[inline]
    pub fn has_left(&self) -> bool {
        self.stream.has_left()
    }

    /// Takes out where HTTP/2 begins in the bytes that were pushed last, if it does.
    pub fn take_left(&mut self) -> Option<Box<Http2Start>> {
        let start = self.stream.take_left()?;
        (self.switched || !start.behind_upgrade).then_some(start)
    }

    /// The last request: its kind, and its name and last byte unless it was not whole. With HTTP/2 behind it, it is stream 1.
    pub fn take_last(&mut self) -> Option<(RequestKind, Option<(MessageId, Timestamp)>)> {
        let waiting = self.waiting.pop_back()?;
        let name = waiting.request.map(|(_, id)| (id, waiting.last_byte));
        Some((waiting.kind, name))
    }

    /// Bytes of the response direction are lost.
    pub fn gap(&mut self, bytes: u64, counters: &mut AnswerCounters, sink: &mut impl FnMut(AnswerEvent)) {
        let mut answers = Pairing {
            waiting: &mut self.waiting,
            early: None,
        };
        self.stream.gap(bytes, &mut |event| {
            answers.answer(event, counters, sink);
        });
        self.forget(sink);
    }

    /// Whether bytes of an answer that is not whole are kept.
    pub fn holds(&self) -> bool {
        self.stream.holds()
    }

    /// An answer that is not whole is not waited for any longer.
    pub fn stalled(&mut self, why: Stall, counters: &mut AnswerCounters, sink: &mut impl FnMut(AnswerEvent)) {
        let mut answers = Pairing {
            waiting: &mut self.waiting,
            early: None,
        };
        self.stream.stalled(why, &mut |event| {
            answers.answer(event, counters, sink);
        });
    }

    /// The response direction, or the connection, ended.
    pub fn end(&mut self, close: Close, counters: &mut AnswerCounters, sink: &mut impl FnMut(AnswerEvent)) {
        let mut answers = Pairing {
            waiting: &mut self.waiting,
            early: self.receiving.then_some(&mut self.early),
        };
        self.stream.end(close, &mut |event| {
            answers.answer(event, counters, sink);
        });
        let why = match close {
            Close::Shutdown => AnswerLost::Shutdown,
            Close::Evicted | Close::Idle => AnswerLost::Gap,
            Close::Finished | Close::Reset | Close::Reused => AnswerLost::Closed,
        };
        lose_all(&mut self.waiting, why, sink);
    }
}

impl Waiting {
    /// Whether it was on its way when the response began.
    fn was_sent_before(&self, response: &Response) -> bool {
        self.request
            .as_ref()
            .is_none_or(|(seen, _)| response.sequence.wrapping_sub(*seen).cast_signed() >= 0)
    }

    fn answered_by(
        self,
        response: Box<Response>,
        counters: &mut AnswerCounters,
        sink: &mut impl FnMut(AnswerEvent),
    ) {
        let Some((_, id)) = self.request else {
            counters.unpaired += 1;
            return;
        };
        counters.paired += 1;
        sink(AnswerEvent::Answered(ProductionAnswer {
            id,
            began: self.began,
            took: response.last_byte.since(self.last_byte),
            response,
        }));
    }
}

/// Whether it accepts an offer to go on in HTTP/2, where the answer to the request comes (RFC 7540 section 3.2).
fn accepts_h2c(response: &Response) -> bool {
    let field = |field: &shadow_http::HeaderField| {
        let part = |range: &std::ops::Range<u32>| &response.head[range.start as usize..range.end as usize];
        part(&field.name).eq_ignore_ascii_case(b"upgrade") && part(&field.value).eq_ignore_ascii_case(b"h2c")
    };
    response.status == 101 && response.headers.iter().any(field)
}

fn lose_all(waiting: &mut VecDeque<Waiting>, why: AnswerLost, sink: &mut impl FnMut(AnswerEvent)) {
    for (_, id) in waiting.drain(..).filter_map(|waiting| waiting.request) {
        sink(AnswerEvent::Lost(id, why));
    }
}

/// The requests that an answer may belong to.
struct Pairing<'a> {
    waiting: &'a mut VecDeque<Waiting>,
    /// Where an answer to the request that is still coming is kept, if one is.
    early: Option<&'a mut Option<Box<Response>>>,
}

impl Pairing<'_> {
    /// Finds the request of one answer. `false` when it was none of those that wait.
    fn answer(
        &mut self,
        event: ResponseEvent,
        counters: &mut AnswerCounters,
        sink: &mut impl FnMut(AnswerEvent),
    ) -> bool {
        match event {
            ResponseEvent::Complete(response) => {
                let request = self
                    .waiting
                    .pop_front_if(|oldest| oldest.was_sent_before(&response));
                if let Some(request) = request {
                    if let Some(next) = self.waiting.front_mut() {
                        next.began = next.began.max(response.last_byte);
                    }
                    request.answered_by(response, counters, sink);
                    return true;
                }
                match &mut self.early {
                    Some(early) if self.waiting.is_empty() && early.is_none() => {
                        **early = Some(response);
                        true
                    }
                    _ => {
                        counters.unpaired += 1;
                        false
                    }
                }
            }
            ResponseEvent::Rejected(reject) => {
                counters.rejected += 1;
                if let Some((_, id)) = self.waiting.pop_front().and_then(|waiting| waiting.request) {
                    sink(AnswerEvent::Lost(id, lost(reject)));
                }
                true
            }
            ResponseEvent::Started
            | ResponseEvent::Interim(_)
            | ResponseEvent::Skipped { .. }
            | ResponseEvent::Recognised(_) => true,
        }
    }
}

/// The loss that a message that is not whole means for the request it answers.
pub(super) fn lost(reject: Reject) -> AnswerLost {
    match reject {
        Reject::Gap
        | Reject::MidStream
        | Reject::AfterReject
        | Reject::Memory
        | Reject::H2TableUnknown
        | Reject::H2Gap => AnswerLost::Gap,
        Reject::Reset | Reject::Truncated | Reject::AfterClose | Reject::H2Reset => AnswerLost::Closed,
        Reject::HeadTooLarge | Reject::BodyTooLarge | Reject::H2Flood => AnswerLost::TooLarge,
        Reject::Malformed | Reject::AmbiguousFraming | Reject::Upgrade => AnswerLost::NotHttp,
        Reject::Shutdown => AnswerLost::Shutdown,
    }
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
