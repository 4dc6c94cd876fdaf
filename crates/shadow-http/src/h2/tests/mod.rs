//! Connections of HTTP/2 as their two sides send them: literal frames in, literal events out.

mod answers;
mod floods;
mod holes;
mod joining;
mod live;
mod properties;
mod requests;
mod truth;
mod written_by_h2;

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Close, Direction, Stall};

use super::frame::PREFACE;
use super::{CallEnd, Connection, Event, Join};
use crate::{Framing, Limits, Reject, Request, RequestKind, Response};

const LIMITS: Limits = Limits {
    max_head: 8192,
    max_body: 100_000,
    max_headers: 64,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;
/// A whole message in one HEADERS.
const ALONE: u8 = END_STREAM | END_HEADERS;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header block of literals that stay out of the table.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        for text in [name, value] {
            if let Ok(length @ 0..=126) = u8::try_from(text.len()) {
                block.push(length);
            } else {
                let more = text.len() - 127;
                assert!(more < 1 << 14);
                block.extend([0x7f, (more & 0x7f) as u8 | 0x80, (more >> 7) as u8]);
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The block of a request: its pseudo-fields and others.
fn head(method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "a"),
    ];
    block(&[&pseudo[..], fields].concat())
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, ALONE, stream, &head("GET", path, &[]))
}

fn answer(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &block(fields))
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

/// The first bytes of either side.
fn greeting() -> Vec<u8> {
    [&PREFACE[..], &frame(SETTINGS, 0, 0, &[])].concat()
}

/// Events of a connection, a line for each.
struct Feed {
    connection: Connection,
    budget: MemoryBudget,
    lines: Vec<String>,
    requests: Vec<Request>,
    responses: Vec<Response>,
    sequence: [u32; 2],
    acknowledgment: u32,
    time: u64,
}

impl Feed {
    fn of(connection: Connection) -> Self {
        Self {
            connection,
            budget: MemoryBudget::new(1 << 22),
            lines: Vec::new(),
            requests: Vec::new(),
            responses: Vec::new(),
            sequence: [0; 2],
            acknowledgment: 0,
            time: 0,
        }
    }

    /// A connection whose greetings were exchanged, and of which answers are wanted.
    fn new() -> Self {
        let mut feed = Self::of(Connection::new(LIMITS, true, Join::Preface));
        feed.client(&greeting());
        feed.server(&frame(SETTINGS, 0, 0, &[]));
        feed
    }

    fn push(&mut self, direction: Direction, bytes: &[u8], segment_start: bool) {
        if bytes.is_empty() {
            return;
        }
        let sequence = &mut self.sequence[usize::from(direction == Direction::Response)];
        let chunk = Chunk {
            bytes,
            sequence: *sequence,
            acknowledgment: self.acknowledgment,
            segment_start,
            time: Timestamp(self.time),
        };
        *sequence = sequence.wrapping_add(bytes.len() as u32);
        let told = Told(&mut self.lines, &mut self.requests, &mut self.responses);
        self.connection
            .push(direction, chunk, &self.budget, &mut told.sink());
    }

    fn client(&mut self, bytes: &[u8]) {
        self.push(Direction::Request, bytes, true);
    }

    fn server(&mut self, bytes: &[u8]) {
        self.push(Direction::Response, bytes, true);
        self.acknowledgment += bytes.len() as u32;
    }

    fn gap(&mut self, direction: Direction, bytes: u64) {
        let told = Told(&mut self.lines, &mut self.requests, &mut self.responses);
        self.connection.gap(direction, bytes, &mut told.sink());
    }

    fn stalled(&mut self, why: Stall) {
        let told = Told(&mut self.lines, &mut self.requests, &mut self.responses);
        self.connection.stalled(why, &mut told.sink());
    }

    fn end(&mut self, direction: Direction, close: Close) {
        let told = Told(&mut self.lines, &mut self.requests, &mut self.responses);
        self.connection.end(direction, close, &mut told.sink());
    }

    /// Events since the last time this was asked.
    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// Head and body of the last request.
    fn request(&self) -> (String, String) {
        let request = self.requests.last().unwrap();
        (text(&request.head), text(&request.body))
    }

    fn response(&self) -> (String, String) {
        let response = self.responses.last().unwrap();
        (text(&response.head), text(&response.body))
    }
}

struct Told<'a>(&'a mut Vec<String>, &'a mut Vec<Request>, &'a mut Vec<Response>);

impl Told<'_> {
    fn sink(self) -> impl FnMut(Event) {
        let Self(lines, requests, responses) = self;
        move |event| {
            let line = match event {
                Event::Started(id) => format!("started {id}"),
                Event::Complete(id, request) => {
                    check_request(&request);
                    let line = format!("complete {id} {}", text(request.target()));
                    requests.push(*request);
                    line
                }
                Event::Incomplete(id, request, reject) => {
                    let line = format!("incomplete {id} {}", reject.word());
                    requests.push(*request);
                    line
                }
                Event::Rejected(id, reject) => format!("rejected {id} {}", reject.word()),
                Event::Messages(id, messages) => {
                    format!("messages {id} {:?} at {}", messages.data, messages.time.0)
                }
                Event::Ended(id, CallEnd::HalfClosed(time)) => format!("ended {id} at {}", time.0),
                Event::Ended(id, CallEnd::Answered) => format!("ended {id} by its answer"),
                Event::Answered(id, response) => {
                    let line = format!("answered {id} {}", response.status);
                    responses.push(*response);
                    line
                }
                Event::AnswerBegun(id, _) => format!("begun {id}"),
                Event::AnswerLost(id, reject) => format!("lost {id} {}", reject.word()),
                Event::Unprocessed(id) => format!("unprocessed {id}"),
                Event::Pushed(id) => format!("pushed {id}"),
                Event::Skipped { bytes, why } => format!("skipped {bytes} {why:?}"),
                Event::Recognised(skip) => format!("recognised {skip:?}"),
            };
            // Bytes that are passed over for the same reason are added up.
            if let (Some(last), Some((count, why))) = (lines.last_mut(), skipped(&line))
                && let Some((before, same)) = skipped(last)
                && same == why
            {
                *last = format!("skipped {} {why}", before + count);
                return;
            }
            lines.push(line);
        }
    }
}

fn skipped(line: &str) -> Option<(u64, &str)> {
    let (count, why) = line.strip_prefix("skipped ")?.split_once(' ')?;
    Some((count.parse().ok()?, why))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asserts that a request's text, read again, is the same request.
fn check_request(request: &Request) {
    let text = [&request.head[..], &request.body[..]].concat();
    let limits = Limits {
        max_head: 1 << 20,
        max_body: 1 << 24,
        max_headers: 1 << 16,
    };
    let again = crate::whole_request(&text, limits, &MemoryBudget::new(1 << 26)).unwrap();
    assert_eq!((&again.head, &again.body), (&request.head, &request.body));
    assert_eq!(
        (again.method(), again.target()),
        (request.method(), request.target())
    );
    assert_eq!(
        (&again.headers, again.framing),
        (&request.headers, request.framing)
    );
    assert_eq!(again.version, request.version);
    assert_eq!(request.charge.bytes(), text.len());
    if let Some(pieces) = &request.pieces {
        assert!(
            pieces
                .windows(2)
                .all(|pair| pair[0].end < pair[1].end && pair[0].time <= pair[1].time)
        );
        assert!(pieces.last().unwrap().end as usize <= request.body.len());
    }
}
