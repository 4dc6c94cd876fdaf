//! Message streams over literal bytes, corner by corner, and their properties over any bytes.

mod closing;
mod head_with;
mod incomplete;
mod leaving;
mod leniency;
mod limits;
mod properties;
mod requests;
mod responses;
mod resync;
mod smuggling;
mod uploads;

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Close, Stall, Start};

use super::{Fault, Limits, Reject, Request, RequestEvent, RequestStream, Skip};

const LIMITS: Limits = Limits {
    max_head: 8192,
    max_body: 100_000,
    max_headers: 64,
};

/// An event in a form that can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Started,
    /// Head and body.
    Complete(Vec<u8>, Vec<u8>),
    /// Head and body as far as they go.
    Incomplete(Vec<u8>, Vec<u8>, Reject),
    Rejected(Reject),
    /// Adjacent ones for the same reason are added up.
    Skipped(u64, Skip),
    Recognised(Skip),
}

/// A request without body, complete.
fn complete(head: &str) -> Seen {
    Seen::Complete(head.into(), Vec::new())
}

fn complete_with(head: &str, body: &str) -> Seen {
    Seen::Complete(head.into(), body.into())
}

/// Feeds a request stream and writes down what it says.
struct Feed {
    stream: RequestStream,
    budget: MemoryBudget,
    seen: Vec<Seen>,
    requests: Vec<Request>,
    faults: Vec<Fault>,
    /// Of the chunks that follow.
    acknowledgment: u32,
    time: u64,
    segment_start: bool,
}

impl Feed {
    fn new(start: Start) -> Self {
        Self::with(LIMITS, start, 1 << 20)
    }

    /// One that takes a start behind an answer for one.
    fn resuming(start: Start) -> Self {
        Self {
            stream: RequestStream::new(LIMITS, start).resuming(),
            ..Self::new(start)
        }
    }

    fn with(limits: Limits, start: Start, memory: usize) -> Self {
        Self {
            stream: RequestStream::new(limits, start),
            budget: MemoryBudget::new(memory),
            seen: Vec::new(),
            requests: Vec::new(),
            faults: Vec::new(),
            acknowledgment: 1000,
            time: 0,
            segment_start: true,
        }
    }

    /// One whole segment.
    fn push(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let chunk = Chunk {
            bytes: bytes.as_ref(),
            sequence: 0,
            acknowledgment: self.acknowledgment,
            segment_start: self.segment_start,
            time: Timestamp(self.time),
        };
        let mut events = Vec::new();
        self.stream
            .push(chunk, &self.budget, &mut |event| events.push(event));
        self.note(events);
        self
    }

    /// The same bytes in pieces of one segment.
    fn push_cut(&mut self, bytes: impl AsRef<[u8]>, size: usize) -> &mut Self {
        for (index, piece) in bytes.as_ref().chunks(size).enumerate() {
            self.segment_start = index == 0;
            self.push(piece);
        }
        self.segment_start = true;
        self
    }

    /// The server answers so many bytes, which the client's next segments acknowledge.
    fn answered(&mut self, bytes: u32) -> &mut Self {
        self.acknowledgment = self.acknowledgment.wrapping_add(bytes);
        self
    }

    fn gap(&mut self, bytes: u64) -> &mut Self {
        let mut events = Vec::new();
        self.stream.gap(bytes, &mut |event| events.push(event));
        self.note(events);
        self
    }

    fn stalled(&mut self, why: Stall) -> &mut Self {
        let mut events = Vec::new();
        self.stream.stalled(why, &mut |event| events.push(event));
        self.note(events);
        self
    }

    fn end(&mut self, close: Close) -> &mut Self {
        let mut events = Vec::new();
        self.stream.end(close, &mut |event| events.push(event));
        self.note(events);
        self
    }

    fn note(&mut self, events: Vec<RequestEvent>) {
        for event in events {
            let seen = match event {
                RequestEvent::Started => Seen::Started,
                RequestEvent::Complete(request) => {
                    assert_eq!(request.charge.bytes(), request.head.len() + request.body.len());
                    let seen = Seen::Complete(request.head.to_vec(), request.body.to_vec());
                    self.requests.push(*request);
                    seen
                }
                RequestEvent::Incomplete(request, why) => {
                    let seen = Seen::Incomplete(request.head.to_vec(), request.body.to_vec(), why);
                    self.requests.push(*request);
                    seen
                }
                RequestEvent::Faulty { fault, .. } => {
                    self.faults.push(fault);
                    continue;
                }
                RequestEvent::Rejected(reject) => Seen::Rejected(reject),
                RequestEvent::Skipped { bytes, why } => match self.seen.last_mut() {
                    Some(Seen::Skipped(before, last)) if *last == why => {
                        *before += bytes;
                        continue;
                    }
                    _ => Seen::Skipped(bytes, why),
                },
                RequestEvent::Recognised(why) => Seen::Recognised(why),
            };
            self.seen.push(seen);
        }
    }

    /// All that was seen since the last call.
    fn take(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }
}

/// All that a connection says that sends `bytes`, in one segment and in pieces of every small size, and closes.
/// All of them must agree.
fn said(bytes: impl AsRef<[u8]>) -> Vec<Seen> {
    let bytes = bytes.as_ref();
    let run = |size| {
        let mut feed = Feed::new(Start::Syn);
        let seen = feed.push_cut(bytes, size).end(Close::Finished).take();
        feed.requests.clear();
        assert_eq!(feed.budget.used(), 0);
        seen
    };
    let whole = run(bytes.len().max(1));
    for size in [1, 2, 3, 5, 7, 16, 61] {
        assert_eq!(run(size), whole, "in pieces of {size}");
    }
    whole
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
