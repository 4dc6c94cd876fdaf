//! Production's answers, where they are captured, and which request each of them answers.
//!
//! A request is sent when its client has read so much of the server's bytes, and says so in its
//! acknowledgment number: that is where the answer starts, unless requests were pipelined. So an answer
//! belongs to the oldest request that waits, provided that request had not yet seen the answer's first byte;
//! an answer to a request that was never seen whole pairs with nothing, and pairing goes on behind it.

use std::collections::VecDeque;
use std::time::Duration;

use super::MessageId;
use crate::budget::MemoryBudget;
use crate::http::{Limits, Request, RequestKind, Response, ResponseEvent, ResponseStream};
use crate::tcp::{Chunk, Close, Stall, Start};
use crate::time::Timestamp;

/// Requests of one connection that may wait for their answers; the stream of responses has the same bound.
const MAX_WAITING: usize = 1024;

/// An answer, and the name of the exchange it belongs to.
pub(super) struct Answer {
    pub id: MessageId,
    pub response: Box<Response>,
    /// From the request's last byte to the response's, as both were on the wire.
    pub took: Duration,
}

/// The answers on one connection.
pub(super) struct Answers {
    stream: ResponseStream,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    kind: RequestKind,
    /// Acknowledgment number and name; `None` for a request that was not whole: it has an answer, but none that
    /// anybody wants.
    request: Option<(u32, MessageId)>,
    /// When the request's last byte was seen.
    last_byte: Timestamp,
}

/// What became of answers on the connections of a shard.
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
            stream: ResponseStream::new(limits, start),
            waiting: VecDeque::new(),
        }
    }

    /// A whole request was read.
    pub fn request(&mut self, request: &Request, id: MessageId) {
        self.wait(Waiting {
            kind: RequestKind::of(request.method()),
            request: Some((request.acknowledgment, id)),
            last_byte: request.last_byte,
        });
    }

    /// A request was read that is not whole.
    pub fn rejected_request(&mut self) {
        self.wait(Waiting {
            kind: RequestKind::Other,
            request: None,
            last_byte: Timestamp::default(),
        });
    }

    fn wait(&mut self, request: Waiting) {
        if self.waiting.len() == MAX_WAITING || !self.stream.expect(request.kind) {
            return self.forget();
        }
        self.waiting.push_back(request);
    }

    /// Requests were lost: nobody knows how many answers come before those of the next ones.
    pub fn forget(&mut self) {
        self.waiting.clear();
        self.stream.forget_expected();
    }

    /// The next bytes of the response direction.
    pub fn push(
        &mut self,
        chunk: Chunk<'_>,
        budget: &MemoryBudget,
        counters: &mut AnswerCounters,
        sink: &mut impl FnMut(Answer),
    ) {
        let Self { stream, waiting } = self;
        let mut lost_step = false;
        stream.push(chunk, budget, &mut |event| {
            lost_step |= !answer(waiting, event, counters, sink);
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

    /// Bytes of the response direction are lost.
    pub fn gap(&mut self, bytes: u64, counters: &mut AnswerCounters) {
        let waiting = &mut self.waiting;
        self.stream.gap(bytes, &mut |event| {
            answer(waiting, event, counters, &mut |_| {});
        });
        self.forget();
    }

    /// Whether bytes of an answer that is not whole are kept.
    pub fn holds(&self) -> bool {
        self.stream.holds()
    }

    /// An answer that is not whole is not waited for any longer.
    pub fn stalled(&mut self, why: Stall, counters: &mut AnswerCounters) {
        let waiting = &mut self.waiting;
        self.stream.stalled(why, &mut |event| {
            answer(waiting, event, counters, &mut |_| {});
        });
    }

    /// The response direction, or the connection, ended.
    pub fn end(&mut self, close: Close, counters: &mut AnswerCounters, sink: &mut impl FnMut(Answer)) {
        let waiting = &mut self.waiting;
        self.stream.end(close, &mut |event| {
            answer(waiting, event, counters, sink);
        });
    }
}

/// Finds the request of one answer. `false` when it was none of those that wait.
fn answer(
    waiting: &mut VecDeque<Waiting>,
    event: ResponseEvent,
    counters: &mut AnswerCounters,
    sink: &mut impl FnMut(Answer),
) -> bool {
    match event {
        ResponseEvent::Complete(response) => {
            let sent_before = |waiting: &Waiting| {
                waiting
                    .request
                    .as_ref()
                    .is_none_or(|(seen, _)| response.sequence.wrapping_sub(*seen).cast_signed() >= 0)
            };
            let request = waiting.pop_front_if(|oldest| sent_before(oldest));
            match request {
                Some(Waiting {
                    request: Some((_, id)),
                    last_byte,
                    ..
                }) => {
                    counters.paired += 1;
                    sink(Answer {
                        id,
                        took: response.last_byte.since(last_byte),
                        response,
                    });
                    true
                }
                Some(Waiting { request: None, .. }) => {
                    counters.unpaired += 1;
                    true
                }
                None => {
                    counters.unpaired += 1;
                    false
                }
            }
        }
        ResponseEvent::Rejected(_) => {
            counters.rejected += 1;
            waiting.pop_front();
            true
        }
        ResponseEvent::Started
        | ResponseEvent::Interim(_)
        | ResponseEvent::Skipped { .. }
        | ResponseEvent::Recognised(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{RequestEvent, RequestStream};

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
    }

    impl Wire {
        fn new() -> Self {
            Self {
                requests: RequestStream::new(LIMITS, Start::Syn),
                answers: Answers::new(LIMITS, Start::Syn),
                budget: MemoryBudget::new(1 << 20),
                counters: AnswerCounters::default(),
                pairs: Vec::new(),
            }
        }

        fn request(&mut self, bytes: &str, acknowledgment: u32) {
            let Self {
                requests,
                answers,
                budget,
                ..
            } = self;
            requests.push(chunk(bytes, 0, acknowledgment), budget, &mut |event| {
                if let RequestEvent::Complete(request) = event {
                    let id = MessageId::given(request.acknowledgment.to_string().as_bytes()).unwrap();
                    answers.request(&request, id);
                }
            });
        }

        fn answer(&mut self, bytes: &str, sequence: u32) {
            let Self {
                answers,
                budget,
                counters,
                pairs,
                ..
            } = self;
            answers.push(chunk(bytes, sequence, 0), budget, counters, &mut |answer| {
                let body = String::from_utf8_lossy(&answer.response.body).into_owned();
                pairs.push((answer.id.to_string().parse().unwrap(), body));
            });
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
}
