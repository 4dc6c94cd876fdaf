//! A reader of reassembled connections that holds both streams to their promises.

use shadow_agent::budget::MemoryBudget;
use shadow_agent::http::{RequestKind, RequestStream, ResponseStream};
use shadow_agent::tcp::{Chunk, Close, Direction, FlowKey, GapCause, Stall, Start, StreamHandler};
use shadow_agent::time::Timestamp;

use super::{LIMITS, Log};

/// Both directions of one connection.
pub struct Connection {
    requests: RequestStream,
    responses: ResponseStream,
    seen: Log,
    answers: Log,
    pushed: Vec<u8>,
    finished: [bool; 2],
}

impl StreamHandler for Connection {
    type Context = MemoryBudget;

    fn open(_: &mut MemoryBudget, _: &FlowKey, start: Start, _: Timestamp) -> Self {
        let mut responses = ResponseStream::new(LIMITS, start);
        assert!(responses.expect(RequestKind::Head));
        Self {
            requests: RequestStream::new(LIMITS, start),
            responses,
            seen: Log::default(),
            answers: Log::default(),
            pushed: Vec::new(),
            finished: [false; 2],
        }
    }

    fn data(&mut self, budget: &mut MemoryBudget, direction: Direction, chunk: Chunk<'_>) {
        assert!(!chunk.bytes.is_empty() && !self.finished[direction as usize]);
        match direction {
            Direction::Request => {
                self.pushed.extend_from_slice(chunk.bytes);
                self.requests
                    .push(chunk, budget, &mut |event| self.seen.request(event));
            }
            Direction::Response => {
                self.responses
                    .push(chunk, budget, &mut |event| self.answers.response(event));
            }
        }
    }

    fn gap(&mut self, _: &mut MemoryBudget, direction: Direction, bytes: u64, _: GapCause) {
        assert!(bytes > 0);
        match direction {
            Direction::Request => self.requests.gap(bytes, &mut |event| self.seen.request(event)),
            Direction::Response => self
                .responses
                .gap(bytes, &mut |event| self.answers.response(event)),
        }
    }

    fn finished(&mut self, _: &mut MemoryBudget, direction: Direction, _: Timestamp) {
        assert!(!std::mem::replace(&mut self.finished[direction as usize], true));
        match direction {
            Direction::Request => self
                .requests
                .end(Close::Finished, &mut |event| self.seen.request(event)),
            Direction::Response => self
                .responses
                .end(Close::Finished, &mut |event| self.answers.response(event)),
        }
    }

    fn holds(&self) -> bool {
        self.requests.holds() || self.responses.holds()
    }

    fn stalled(&mut self, _: &mut MemoryBudget, why: Stall) {
        self.requests.stalled(why, &mut |event| self.seen.request(event));
        self.responses
            .stalled(why, &mut |event| self.answers.response(event));
    }

    fn close(mut self, _: &mut MemoryBudget, close: Close, _: Timestamp) {
        self.requests.end(close, &mut |event| self.seen.request(event));
        self.responses
            .end(close, &mut |event| self.answers.response(event));
        self.seen.check_order();
        self.answers.check_order();
        let pushed = self.pushed.len() as u64;
        assert!(self.seen.bytes(&self.pushed).is_none_or(|bytes| bytes == pushed));
    }
}
