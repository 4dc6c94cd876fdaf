//! Which answer goes with which request, and what becomes of the others.

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
            AnswerEvent::Left(..) => unreachable!("of HTTP/2 alone"),
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
