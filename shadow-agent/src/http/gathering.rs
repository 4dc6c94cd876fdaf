//! The slow path of a [`MessageStream`]: a message that comes in several chunks is gathered until it is whole.

use super::body::BodyDecoder;
use super::head::HeadReader;
use super::held::{Held, Phase};
use super::message::{Reject, Skip};
use super::message_stream::{Body, MessageStream, Preface, State, refuse, skip};
use super::preface::Opening;
use super::side::{Event, Side};
use crate::tcp::{Chunk, Stall};
use crate::time::Timestamp;

/// A head that does not lie whole in a chunk is gathered in pieces of this size, so that little is copied of
/// what comes behind it.
const HEAD_PIECE: usize = 4096;

impl<S: Side> MessageStream<S> {
    /// More of a message whose head is not whole, or of too few bytes to tell.
    pub(super) fn in_head(
        &mut self,
        mut partial: Box<Held<S::Line>>,
        chunk: Chunk<'_>,
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        let piece = &chunk.bytes[..chunk.bytes.len().min(HEAD_PIECE)];
        if !partial.append(piece, self.limits.max_head, chunk.time) {
            return self.starve(*partial, piece.len(), sink);
        }
        if let Phase::Opening = partial.phase {
            match S::opening(&partial.bytes, self.preface != Preface::No) {
                Opening::More => {
                    self.state = State::Held(partial);
                    return piece.len();
                }
                Opening::Other(why) => {
                    let why = self.leave(why, sink);
                    skip(partial.bytes.len(), why, sink);
                    return piece.len();
                }
                Opening::Message => {
                    self.begin(sink);
                    partial.phase = Phase::Head(HeadReader::new());
                }
            }
        }
        let Phase::Head(reader) = &mut partial.phase else {
            return 0; // `push` sends no other phase here.
        };
        let parsed = match reader.read(&partial.bytes, &self.limits) {
            Ok(Some((line, length))) => self.parse(line, &partial.bytes[..length]),
            Ok(None) => {
                self.state = State::Held(partial);
                return piece.len();
            }
            Err(reject) => Err(reject),
        };
        let (head, reject) = match parsed {
            Ok(parsed) => parsed,
            Err(reject) => {
                self.give_up(reject, &partial.bytes, partial.bytes.len(), sink);
                return piece.len();
            }
        };
        // What was gathered behind the head is this chunk's, and is read again from there.
        let behind = partial.bytes.len() - head.length;
        partial.bytes.truncate(head.length);
        let (next, decoder) = (head.next, BodyDecoder::new(head.framing));
        partial.phase = Phase::Body { head, decoder };
        if let Some(reject) = reject {
            refuse(reject, partial.bytes.len(), sink);
            self.pass_on(decoder, next, sink);
        } else if decoder.is_done() {
            if let Some(message) = (*partial).complete() {
                sink(Event::Complete(Box::new(message.into())));
            }
            self.follow(next, sink);
        } else {
            self.state = State::Held(partial);
        }
        piece.len().saturating_sub(behind)
    }

    /// More of a message whose head is known.
    pub(super) fn in_body(
        &mut self,
        mut partial: Box<Held<S::Line>>,
        chunk: Chunk<'_>,
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        let so_far = partial.bytes.len();
        let Phase::Body { head, decoder } = &mut partial.phase else {
            return 0; // `push` sends no other phase here.
        };
        let (next, most) = (head.next, head.most_bytes());
        match self.read_body(decoder, so_far - head.length, chunk.bytes) {
            Ok(Body::Done(length)) => {
                if !partial.append(&chunk.bytes[..length], most, chunk.time) {
                    return self.starve(*partial, length, sink);
                }
                if let Some(message) = (*partial).complete() {
                    sink(Event::Complete(Box::new(message.into())));
                }
                self.follow(next, sink);
                length
            }
            Ok(Body::More(length)) => self.hold(partial, &chunk.bytes[..length], chunk.time, sink),
            Ok(Body::TooLarge(length)) => {
                let decoder = *decoder;
                refuse(Reject::BodyTooLarge, so_far + length, sink);
                self.pass_on(decoder, next, sink);
                length
            }
            Err(reject) => self.give_up(reject, &[], so_far, sink),
        }
    }

    /// Keeps `more`, the rest of the chunk, for later.
    pub(super) fn hold(
        &mut self,
        mut partial: Box<Held<S::Line>>,
        more: &[u8],
        time: Timestamp,
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        let most = match &partial.phase {
            Phase::Opening | Phase::Head(_) => self.limits.max_head,
            Phase::Body { head, .. } => head.most_bytes(),
        };
        if !partial.append(more, most, time) {
            return self.starve(*partial, more.len(), sink);
        }
        self.state = State::Held(partial);
        more.len()
    }

    /// The budget refused room for `more` bytes, which the body's decoder, if there is one, has passed.
    pub(super) fn starve(
        &mut self,
        partial: Held<S::Line>,
        more: usize,
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        self.abandon(partial, more, Reject::Memory, sink)
    }

    /// Whether a message, or the beginning of one, is being kept.
    pub fn holds(&self) -> bool {
        matches!(self.state, State::Held(_))
    }

    /// The message under way is not waited for any longer. What comes of it is passed over; behind a body whose
    /// end is known the next message is read.
    pub fn stalled(&mut self, why: Stall, sink: &mut impl FnMut(Event<S::Message>)) {
        match std::mem::replace(&mut self.state, State::Boundary) {
            State::Held(partial) => {
                let reject = match why {
                    Stall::Timeout => Reject::Truncated,
                    Stall::Memory => Reject::Memory,
                };
                self.abandon(*partial, 0, reject, sink);
            }
            state => self.state = state,
        }
    }

    fn abandon(
        &mut self,
        partial: Held<S::Line>,
        more: usize,
        reject: Reject,
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        if let Some((decoder, next)) = partial.place_behind() {
            self.break_off(partial, reject, Skip::AfterReject, sink);
            skip(more, Skip::AfterReject, sink);
            self.pass_on(decoder, next, sink);
            return more;
        }
        if !matches!(partial.phase, Phase::Opening) {
            sink(Event::Rejected(reject));
        }
        skip(partial.bytes.len() + more, Skip::AfterReject, sink);
        self.lose(reject, &partial.bytes);
        more
    }
}
