//! A production connection that goes over to HTTP/2, or may be HTTP/2 since before the agent came.
//!
//! Each direction is HTTP/1's until its reader has left it ([`RequestStream::has_left`]): the client's at the preface, the
//! server's at its first SETTINGS or behind the 101 that accepts an `Upgrade: h2c`. Either may come first, and the server's may
//! be out of sight, where the client's preface behind its offer proves that it was accepted.
//!
//! A connection of which the beginning was not seen is read by both, until one of them has proved its own.

use shadow_http::h2::Join;
use shadow_http::{Http2Start, RequestEvent, RequestKind, RequestStream, Skip, UNKNOWN_LENGTH};
use shadow_tcp::{Chunk, Close, Direction};

use super::answers::Answers;
use super::connection::ProductionConnection;
use super::http2::Http2;
use super::shard::Shard;

impl ProductionConnection {
    /// Bytes of a direction of a connection that is HTTP/2 in the other, or in both, or that may be.
    pub(super) fn data_of_http2(&mut self, shard: &mut Shard, direction: Direction, chunk: Chunk<'_>) {
        let Some(http2) = self.http2.as_deref_mut() else {
            return;
        };
        if http2.reads(direction) {
            return http2.push(&mut self.open, shard, direction, chunk);
        }
        if http2.requests || http2.answers {
            return self.data_of_http1(shard, direction, chunk);
        }
        if direction == Direction::Request {
            http2.streams.begin(chunk.acknowledgment);
        }
        http2.push(&mut self.open, shard, direction, chunk);
        if http2.reader.is_proved() {
            (http2.requests, http2.answers) = (true, true);
            self.requests = RequestStream::passed_over(shard.limits, Skip::Http2);
            self.leave_answers(shard);
            return;
        }
        let mut started = false;
        if direction == Direction::Request {
            let mut told = |event: &RequestEvent| started |= matches!(event, RequestEvent::Started);
            self.read_and_tell(shard, &mut told, |requests, budget, mut sink| {
                requests.push(chunk, budget, &mut sink);
            });
        } else {
            self.data_of_http1(shard, direction, chunk);
        }
        if started {
            self.http2 = None;
        }
    }

    /// HTTP/2 begins in a chunk that the direction's reader of HTTP/1 has left.
    #[cold]
    pub(super) fn go_over(&mut self, shard: &mut Shard, direction: Direction, chunk: Chunk<'_>) {
        let start = match direction {
            Direction::Request => self.requests.take_left(),
            Direction::Response => self.answers.as_deref_mut().and_then(Answers::take_left),
        };
        let Some(start) = start else { return };
        self.join(shard, direction, start.behind_upgrade);
        let Some(http2) = self.http2.as_deref_mut() else {
            return;
        };
        if direction == Direction::Request {
            http2.streams.begin(chunk.acknowledgment);
        }
        let Http2Start { before, at, .. } = *start;
        if !before.is_empty() {
            let came = Chunk {
                bytes: &before,
                sequence: chunk.sequence.wrapping_sub(before.len() as u32),
                ..chunk
            };
            http2.push(&mut self.open, shard, direction, came);
        }
        if let Some(bytes @ [_, ..]) = chunk.bytes.get(at..) {
            let rest = Chunk {
                bytes,
                sequence: chunk.sequence.wrapping_add(at as u32),
                segment_start: at == 0 && chunk.segment_start,
                ..chunk
            };
            http2.push(&mut self.open, shard, direction, rest);
        }
    }

    /// A direction is read as HTTP/2 from here on; `upgraded` behind a request that offered it.
    fn join(&mut self, shard: &mut Shard, direction: Direction, upgraded: bool) {
        let mut first = None;
        if self
            .http2
            .as_deref()
            .is_none_or(|http2| !http2.reader.is_proved())
        {
            let join = if upgraded {
                let last = self.answers.as_deref_mut().and_then(Answers::take_last);
                let (kind, name) = last.unwrap_or((RequestKind::Other, None));
                first = name;
                Join::Upgraded(kind)
            } else {
                Join::Preface
            };
            self.http2 = Some(Http2::new(shard, join));
        }
        let Some(http2) = self.http2.as_deref_mut() else {
            return;
        };
        if let Some((id, last_byte)) = first {
            http2.streams.upgraded(&self.open, id, last_byte);
        }
        if direction == Direction::Request {
            http2.requests = true;
            shard.pipeline.counters.recognise(Skip::Http2);
        } else {
            http2.answers = true;
            self.leave_answers(shard);
        }
    }

    /// Production's answers are not HTTP/1's from here on.
    fn leave_answers(&mut self, shard: &mut Shard) {
        self.read_answers(shard, |answers, _, counters, mut sink| {
            answers.end(Close::Finished, counters, &mut sink);
        });
        self.answers = None;
    }

    /// Bytes of a direction are lost of a connection that is, or may be, HTTP/2. `false` where HTTP/1's readers are to be told
    /// too.
    pub(super) fn gap_of_http2(&mut self, shard: &mut Shard, direction: Direction, bytes: u64) -> bool {
        let Some(http2) = self.http2.as_deref_mut() else {
            return false;
        };
        let doubtful = !(http2.requests || http2.answers);
        if doubtful || http2.reads(direction) {
            http2.gap(&mut self.open, shard, direction, bytes);
            return !doubtful;
        }
        if direction == Direction::Response {
            // Where its HTTP/2 begins is lost.
            http2.answers = true;
            http2.gap(&mut self.open, shard, direction, UNKNOWN_LENGTH);
            self.leave_answers(shard);
            return true;
        }
        false
    }
}
