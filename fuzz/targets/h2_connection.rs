//! Both sides of a connection of HTTP/2: each request has one end, nothing is kept behind it, whole requests are what their
//! texts say, and without a hole the same bytes say the same however they are cut.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use shadow_agent::budget::MemoryBudget;
use shadow_agent::http::h2::{Connection, Event, Join, StreamId};
use shadow_agent::http::{Limits, Request, RequestKind, whole_request};
use shadow_agent::tcp::{Chunk, Close, Direction, Stall};
use shadow_agent::time::Timestamp;
use shadow_agent_fuzz::LIMITS;

const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Something that happens.
enum Act<'a> {
    Send(Direction, Vec<u8>),
    Raw(Direction, &'a [u8]),
    Lose(Direction, u64),
    Stall,
}

/// Acts of an input: behind a byte for each, what it needs. A frame's length is that of its payload.
fn acts(mut rest: &[u8]) -> Vec<Act<'_>> {
    let mut acts = Vec::new();
    while let [kind, length, behind @ ..] = rest {
        let direction = if kind & 1 == 0 { Direction::Request } else { Direction::Response };
        let (payload, behind) = behind.split_at(usize::from(*length).min(behind.len()));
        rest = behind;
        acts.push(match (kind >> 1 & 7, payload) {
            (0..=4, [frame, flags, stream, payload @ ..]) => {
                let mut bytes = vec![0, 0, payload.len() as u8, *frame, *flags, 0, 0, 0, *stream];
                bytes.extend_from_slice(payload);
                Act::Send(direction, bytes)
            }
            (5, _) => Act::Lose(direction, u64::from(*length) + 1),
            (6, _) => Act::Stall,
            _ => Act::Raw(direction, payload),
        });
    }
    acts
}

/// Everything that is told, and whether it may be.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
    states: HashMap<StreamId, &'static str>,
    /// Of calls that went live.
    data: HashMap<StreamId, Vec<u8>>,
}

impl Log {
    fn tell(&mut self, event: Event) {
        let (id, line, before, after) = match &event {
            Event::Started(id) => (*id, "started".to_owned(), None, "started"),
            Event::Complete(id, request) => {
                check(request);
                (*id, format!("{:?} {:?}", request.head, request.body), Some("started"), "complete")
            }
            Event::Incomplete(id, request, why) => {
                (*id, format!("{:?} {:?} {why:?}", request.head, request.body), Some("started"), "over")
            }
            Event::Rejected(id, why) => (*id, format!("{why:?}"), Some("started"), "over"),
            Event::Answered(id, answer) => {
                (*id, format!("{:?} {:?}", answer.head, answer.body), Some("complete"), "over")
            }
            Event::AnswerLost(id, why) => (*id, format!("lost {why:?}"), Some("complete"), "over"),
            Event::AnswerBegun(id, answer) => {
                assert!(matches!(self.states.get(id), Some(&"started" | &"complete")), "{id}");
                return assert!(answer.status == 200 || !answer.head.is_empty());
            }
            Event::Unprocessed(id) => (*id, "unprocessed".to_owned(), Some("complete"), "over"),
            Event::Messages(id, messages) => {
                assert_eq!(self.states.get(id), Some(&"started"), "{id}");
                assert!(!messages.data.is_empty());
                return self.data.entry(*id).or_default().extend_from_slice(&messages.data);
            }
            Event::Ended(id, end) => {
                (*id, format!("{end:?} {:?}", self.data.remove(id)), Some("started"), "complete")
            }
            Event::Pushed(_) | Event::Skipped { .. } | Event::Recognised(_) => return,
        };
        assert_eq!(self.states.insert(id, after), before, "{id}: {line}");
        self.lines.push(format!("{id}: {line}"));
    }
}

/// Checks a whole request: its text, read again, is it.
fn check(request: &Request) {
    let limits = Limits {
        max_head: 1 << 20,
        max_body: 1 << 20,
        max_headers: 1 << 12,
    };
    let text = [&request.head[..], &request.body[..]].concat();
    let again = whole_request(&text, limits, &MemoryBudget::new(1 << 22)).expect("its text is a request");
    assert_eq!((&again.head, &again.body, &again.headers), (&request.head, &request.body, &request.headers));
    assert_eq!((again.method(), again.target()), (request.method(), request.target()));
    assert_eq!((again.version, again.framing), (request.version, request.framing));
}

fuzz_target!(|data: &[u8]| {
    let Some((&[choices, cut], rest)) = data.split_first_chunk() else { return };
    let join = match choices & 3 {
        0 | 1 => Join::Preface,
        2 => Join::Upgraded(RequestKind::Other),
        _ => Join::MidStream,
    };
    let memory = if choices & 4 == 0 { 1 << 20 } else { 1500 };
    let acts = acts(rest);
    let run = |piece: usize| {
        let budget = MemoryBudget::new(memory);
        let mut log = Log::default();
        let mut connection = Connection::new(LIMITS, choices & 8 == 0, join);
        if choices & 16 == 0 {
            connection = connection.with_incomplete();
        }
        if join != Join::MidStream {
            for (direction, bytes) in [(Direction::Request, GREETING), (Direction::Response, &GREETING[24..])] {
                let chunk = chunk(bytes, true, 0);
                connection.push(direction, chunk, &budget, &mut |event| log.tell(event));
            }
        } else {
            log.states.clear();
        }
        if let Join::Upgraded(_) = join {
            log.states.insert(StreamId(1), "complete");
        }
        for (time, act) in acts.iter().enumerate() {
            let (direction, bytes) = match act {
                Act::Send(direction, bytes) => (*direction, &bytes[..]),
                Act::Raw(direction, bytes) => (*direction, *bytes),
                Act::Lose(direction, bytes) => {
                    connection.gap(*direction, *bytes, &mut |event| log.tell(event));
                    continue;
                }
                Act::Stall => {
                    connection.stalled(Stall::Timeout, &mut |event| log.tell(event));
                    continue;
                }
            };
            for (index, part) in bytes.chunks(piece).enumerate() {
                let chunk = chunk(part, index == 0, time as u32);
                connection.push(direction, chunk, &budget, &mut |event| log.tell(event));
                assert!(budget.used() <= memory);
            }
            if choices & 32 == 0 {
                go_live(&mut connection, &mut log);
            }
        }
        for direction in [Direction::Request, Direction::Response] {
            connection.end(direction, Close::Finished, &mut |event| log.tell(event));
        }
        assert!(!connection.holds());
        assert_eq!(budget.used(), 0);
        assert!(log.states.values().all(|state| *state != "started"));
        log.lines
    };
    let whole = run(usize::MAX);
    let parts = run(usize::from(cut).max(1));
    let has_hole = acts.iter().any(|act| matches!(act, Act::Lose(..)));
    if !has_hole && memory > 1500 && join != Join::MidStream {
        assert_eq!(whole, parts);
    }
});

/// Has all calls go live.
fn go_live(connection: &mut Connection, log: &mut Log) {
    let calls: Vec<StreamId> = connection.calls().map(|call| call.stream).collect();
    for id in calls {
        let Some(call) = connection.go_live(id, &mut |event| log.tell(event)) else { continue };
        check(&call.request);
        log.lines.push(format!("{id}: {:?}", call.request.head));
        for messages in call.messages {
            log.tell(Event::Messages(id, messages));
        }
    }
}

fn chunk(bytes: &[u8], segment_start: bool, time: u32) -> Chunk<'_> {
    Chunk {
        bytes,
        sequence: 0,
        acknowledgment: time,
        segment_start,
        time: Timestamp(u64::from(time)),
    }
}
