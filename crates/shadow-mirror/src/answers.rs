//! Production's answers, where they are captured, and which request each of them answers.
//!
//! A request is sent when its client has read so much of the server's bytes, and says so in its
//! acknowledgment number: that is where the answer starts, unless requests were pipelined. So an answer
//! belongs to the oldest request that waits, provided that request had not yet seen the answer's first byte;
//! an answer to a request that was never seen whole pairs with nothing, and pairing goes on behind it. A
//! server may also answer while the request is still coming: such an answer waits for its end.

use std::collections::VecDeque;
use std::time::Duration;

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_http::{
    Http2Start, Limits, Reject, Request, RequestKind, Response, ResponseEvent, ResponseStream,
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

/// What a message that is not whole means for the request it answers.
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
mod tests {
    use shadow_http::{RequestEvent, RequestStream};

    use super::*;

    const LIMITS: Limits = Limits {
        max_head: 4096,
        max_body: 4096,
        max_headers: 16,
    };

    /// A connection whose two directions are told by hand.
    struct Wire {
        requests: RequestStream,
        answers: Answers,
        budget: MemoryBudget,
        counters: AnswerCounters,
        pairs: Vec<(u32, String)>,
        lost: Vec<(u32, AnswerLost)>,
    }

    impl Wire {
        fn new() -> Self {
            Self {
                requests: RequestStream::new(LIMITS, Start::Syn),
                answers: Answers::new(LIMITS, Start::Syn),
                budget: MemoryBudget::new(1 << 20),
                counters: AnswerCounters::default(),
                pairs: Vec::new(),
                lost: Vec::new(),
            }
        }

        fn told(told: AnswerEvent, pairs: &mut Vec<(u32, String)>, lost: &mut Vec<(u32, AnswerLost)>) {
            let number = |id: &MessageId| id.to_string().parse().unwrap();
            match told {
                AnswerEvent::Answered(answer) => {
                    let body = String::from_utf8_lossy(&answer.response.body).into_owned();
                    pairs.push((number(&answer.id), body));
                }
                AnswerEvent::Lost(id, why) => lost.push((number(&id), why)),
            }
        }

        fn request(&mut self, bytes: &str, acknowledgment: u32) {
            let Self {
                requests,
                answers,
                budget,
                counters,
                pairs,
                lost,
            } = self;
            let mut sink = |told| Self::told(told, pairs, lost);
            requests.push(
                chunk(bytes, 0, acknowledgment),
                budget,
                &mut |event| match event {
                    RequestEvent::Started => answers.request_started(),
                    RequestEvent::Complete(request) => {
                        let id = MessageId::given(request.acknowledgment.to_string().as_bytes()).unwrap();
                        answers.request(&request, id, counters, &mut sink);
                    }
                    RequestEvent::Rejected(_) => answers.rejected_request(counters, &mut sink),
                    _ => {}
                },
            );
        }

        fn answer(&mut self, bytes: &str, sequence: u32) {
            let Self {
                answers,
                budget,
                counters,
                pairs,
                lost,
                ..
            } = self;
            answers.push(chunk(bytes, sequence, 0), budget, counters, &mut |told| {
                Self::told(told, pairs, lost);
            });
        }

        fn end(&mut self, close: Close) {
            let Self {
                answers,
                counters,
                pairs,
                lost,
                ..
            } = self;
            answers.end(close, counters, &mut |told| Self::told(told, pairs, lost));
        }
    }

    fn chunk(bytes: &str, sequence: u32, acknowledgment: u32) -> Chunk<'_> {
        let bytes = bytes.as_bytes();
        Chunk {
            bytes,
            sequence,
            acknowledgment,
            segment_start: true,
            time: Timestamp(0),
        }
    }

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn each_answer_goes_with_its_request_on_a_keep_alive_connection() {
        let mut wire = Wire::new();
        wire.request(GET, 100);
        wire.answer(&ok("one"), 100);
        wire.request(GET, 141);
        wire.answer(&ok("two"), 141);
        assert_eq!(wire.pairs, [(100, "one".to_owned()), (141, "two".to_owned())]);
    }

    #[test]
    fn pipelined_requests_are_answered_in_their_order() {
        let mut wire = Wire::new();
        wire.request(&[HEAD, GET].concat(), 100);
        wire.answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 100);
        wire.answer(&ok("two"), 138);
        assert_eq!(wire.pairs, [(100, String::new()), (100, "two".to_owned())]);
    }

    #[test]
    fn the_server_begins_with_a_pipelined_request_after_the_answer_before() {
        let mut requests = RequestStream::new(LIMITS, Start::Syn);
        let mut answers = Answers::new(LIMITS, Start::Syn);
        let budget = MemoryBudget::new(1 << 20);
        let mut counters = AnswerCounters::default();
        let at = |chunk, time| Chunk {
            time: Timestamp(time),
            ..chunk
        };
        let both = [GET, GET].concat();
        requests.push(at(chunk(&both, 0, 100), 10), &budget, &mut |event| {
            if let RequestEvent::Complete(request) = event {
                let id = MessageId::given(b"1").unwrap();
                answers.request(&request, id, &mut counters, &mut |_| ());
            }
        });
        let mut began = Vec::new();
        for (sequence, time) in [(100, 400), (141, 402)] {
            let chunk = at(
                chunk("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none", sequence, 0),
                time,
            );
            answers.push(chunk, &budget, &mut counters, &mut |event| {
                if let AnswerEvent::Answered(answer) = event {
                    began.push((answer.began.0, answer.response.last_byte.0));
                }
            });
        }
        assert_eq!(began, [(10, 400), (400, 402)]);
    }

    #[test]
    fn an_answer_to_a_request_that_was_lost_pairs_with_nothing() {
        let mut wire = Wire::new();
        wire.request(GET, 141);
        wire.answer(&ok("lost"), 100);
        wire.answer(&ok("two"), 142);
        assert_eq!(wire.pairs, [(141, "two".to_owned())]);
        assert_eq!(
            wire.counters,
            AnswerCounters {
                paired: 1,
                unpaired: 1,
                rejected: 0,
                withheld: 0,
            }
        );
    }

    #[test]
    fn an_interim_answer_is_not_the_answer() {
        let mut wire = Wire::new();
        wire.request(GET, 100);
        wire.answer("HTTP/1.1 100 Go on then\r\n\r\n", 100);
        wire.answer(&ok("final"), 125);
        assert_eq!(wire.pairs, [(100, "final".to_owned())]);
    }

    #[test]
    fn an_answer_that_comes_before_the_request_has_ended_is_its_answer() {
        let mut wire = Wire::new();
        wire.request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab", 100);
        wire.answer("HTTP/1.1 413 Too much\r\nContent-Length: 2\r\n\r\nno", 100);
        assert_eq!(wire.pairs, []);
        wire.request("cd", 141);
        assert_eq!(wire.pairs, [(100, "no".to_owned())]);
        wire.request(GET, 141);
        wire.answer(&ok("next"), 141);
        assert_eq!(wire.pairs[1..], [(141, "next".to_owned())]);
    }

    #[test]
    fn requests_whose_connection_ends_are_told_to_be_without_an_answer() {
        let mut wire = Wire::new();
        wire.request(&[GET, GET].concat(), 100);
        wire.answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", 100);
        wire.end(Close::Reset);
        assert_eq!(wire.lost, [(100, AnswerLost::Closed), (100, AnswerLost::Closed)]);
        assert_eq!(wire.pairs, []);
    }

    #[test]
    fn a_hole_in_an_answer_loses_all_that_wait() {
        let mut wire = Wire::new();
        wire.request(&[GET, GET].concat(), 100);
        wire.answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", 100);
        let (pairs, lost) = (&mut wire.pairs, &mut wire.lost);
        let mut sink = |told| Wire::told(told, pairs, lost);
        wire.answers.gap(3, &mut wire.counters, &mut sink);
        assert_eq!(wire.lost, [(100, AnswerLost::Gap), (100, AnswerLost::Gap)]);
    }

    #[test]
    fn an_answer_beyond_a_limit_is_lost_for_that() {
        let mut wire = Wire::new();
        wire.request(GET, 100);
        wire.answer("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", 100);
        assert_eq!(wire.lost, [(100, AnswerLost::TooLarge)]);
    }
}
