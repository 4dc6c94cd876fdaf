//! The slow path of a [`MessageStream`]: a message that comes in several chunks, or has an odd head, is gathered until it
//! is whole.

use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Stall};

use super::body::BodyDecoder;
use super::buffered::{Buffered, Head, Phase};
use super::fault::{Fault, Oddity};
use super::head::HeadReader;
use super::message::{Reject, Skip};
use super::message_kind::{Event, MessageKind, refuse, skip, tell_fault};
use super::message_stream::{Body, MessageStream, State};
use super::odd_head::normalised;
use super::preface::{Opening, Preface};
use super::skimmer::{Skimmed, Skimmer};

/// A head that does not lie whole in a chunk is gathered in pieces of this size, so that little is copied of
/// what comes behind it.
const HEAD_PIECE: usize = 4096;

impl<S: MessageKind> MessageStream<S> {
    /// More of a message whose head is not whole, or of too few bytes to tell.
    pub(super) fn in_head(
        &mut self,
        mut partial: Box<Buffered<S::Line>>,
        chunk: Chunk<'_>,
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        let piece = &chunk.bytes[..chunk.bytes.len().min(HEAD_PIECE)];
        if !partial.append(piece, self.limits.max_head, chunk.time) {
            return self.refuse_for_memory(*partial, piece.len(), sink);
        }
        if let Phase::Opening = partial.phase {
            match S::opening(&partial.bytes, self.preface != Preface::No) {
                Opening::More => {
                    self.state = State::Buffered(partial);
                    return piece.len();
                }
                Opening::Other(why) => {
                    let held = partial.bytes.len() - piece.len();
                    return match self.leave(why, &partial.bytes[..held], sink) {
                        Some(why) => skip(piece.len(), why, sink),
                        None => 0,
                    };
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
        let found = match reader.read(&partial.bytes, &self.limits) {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.state = State::Buffered(partial);
                return piece.len();
            }
            Err(Reject::HeadTooLarge) => {
                let behind = self.skim_held(&partial, Reject::HeadTooLarge, sink);
                return piece.len().saturating_sub(behind);
            }
            Err(_) => {
                let fault = Fault {
                    line: Some(1),
                    what: Oddity::StartLine,
                };
                self.give_up(fault, &partial.bytes, partial.bytes.len(), sink);
                return piece.len();
            }
        };
        // What was gathered behind the head is this chunk's, and is read again from there.
        let behind = partial.bytes.len() - found.length;
        partial.bytes.truncate(found.length);
        let parsed = if found.plain {
            self.parse(found.line, &partial.bytes)
        } else {
            Err(Reject::Malformed)
        };
        match parsed {
            Ok(Ok((head, reject))) => self.begin_body(partial, head, reject, sink),
            Ok(Err(error)) => {
                self.give_up(error.into(), &partial.bytes, partial.bytes.len(), sink);
            }
            Err(_) => self.odd_head(partial, sink),
        }
        piece.len().saturating_sub(behind)
    }

    /// A head is whole, and read.
    fn begin_body(
        &mut self,
        mut partial: Box<Buffered<S::Line>>,
        head: Head<S::Line>,
        reject: Option<Reject>,
        sink: &mut impl FnMut(Event<S::Message>),
    ) {
        let (next, decoder) = (head.next, BodyDecoder::new(head.framing));
        partial.phase = Phase::Body { head, decoder };
        if let Some(reject) = reject {
            refuse(reject, partial.came(), sink);
            self.pass_on(decoder, next, sink);
        } else if decoder.is_done() {
            if let Some(message) = (*partial).complete() {
                sink(Event::Complete(Box::new(message.into())));
            }
            self.follow(next, sink);
        } else {
            self.state = State::Buffered(partial);
        }
    }

    /// A head is whole, and not as RFC 9112 has it: where it can be read in one way only it is written as it should be and
    /// the message goes on; else its body is passed over, if it is known.
    fn odd_head(&mut self, mut partial: Box<Buffered<S::Line>>, sink: &mut impl FnMut(Event<S::Message>)) {
        let length = partial.bytes.len();
        let mut reader = Skimmer::<S::Line>::new();
        let skimmed = match reader.read(&partial.bytes) {
            Ok(_) => reader.skimmed(),
            Err(fault) => {
                self.give_up(fault, &partial.bytes, length, sink);
                return;
            }
        };
        let Some(skimmed) = skimmed else {
            // Not so: without a start line the head were not whole.
            refuse(Reject::Malformed, length, sink);
            return self.lose(Reject::Malformed);
        };
        if let Some(fault) = skimmed.fault {
            let reject = tell_fault(fault, &partial.bytes, sink);
            refuse(reject, length, sink);
            return self.pass_skimmed(&skimmed, sink);
        }
        let head = normalised(&partial.bytes);
        let found = HeadReader::new().read(&head, &self.limits);
        let parsed = match found {
            Ok(Some(found)) if found.plain && found.length == head.len() => self.parse(found.line, &head),
            Err(reject) => Err(reject),
            Ok(_) => Err(Reject::Malformed),
        };
        match parsed {
            Ok(Ok((parsed, reject))) => {
                let reject = if partial.replace(head) {
                    reject
                } else {
                    Some(Reject::Memory)
                };
                self.begin_body(partial, parsed, reject, sink);
            }
            Ok(Err(error)) => {
                self.give_up(error.into(), &partial.bytes, length, sink);
            }
            Err(Reject::HeadTooLarge) => {
                refuse(Reject::HeadTooLarge, length, sink);
                self.pass_skimmed(&skimmed, sink);
            }
            Err(_) => {
                let fault = Fault {
                    line: Some(1),
                    what: Oddity::StartLine,
                };
                let reject = tell_fault(fault, &partial.bytes, sink);
                refuse(reject, length, sink);
                self.pass_skimmed(&skimmed, sink);
            }
        }
    }

    /// Behind the head of a rejected message.
    fn pass_skimmed(&mut self, skimmed: &Skimmed<S::Line>, sink: &mut impl FnMut(Event<S::Message>)) {
        match self.side.decide(skimmed.line, &skimmed.start, &skimmed.fields) {
            Ok(decision) => self.pass_on(BodyDecoder::new(decision.framing), decision.next, sink),
            Err(_) => self.lose(Reject::AmbiguousFraming),
        }
    }

    /// A message is rejected in its head, which is read on for its framing: how many of the bytes that were held are behind
    /// the head.
    fn skim_held(
        &mut self,
        partial: &Buffered<S::Line>,
        reject: Reject,
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        sink(Event::Rejected(reject));
        partial.bytes.len() - self.skim(Box::new(Skimmer::new()), &partial.bytes, sink)
    }

    /// More of the head of a message that was rejected.
    pub(super) fn skim(
        &mut self,
        mut reader: Box<Skimmer<S::Line>>,
        bytes: &[u8],
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        let read = reader.read(bytes);
        let taken = match read {
            Ok(Some(taken)) => taken,
            _ => bytes.len(),
        };
        skip(taken, Skip::AfterReject, sink);
        match read {
            Ok(None) => self.state = State::Skimming(reader),
            Ok(Some(_)) => match reader.skimmed() {
                Some(skimmed) => self.pass_skimmed(&skimmed, sink),
                None => self.lose(Reject::Malformed),
            },
            Err(_) => self.lose(Reject::Malformed),
        }
        taken
    }

    /// More of a message whose head is known.
    pub(super) fn in_body(
        &mut self,
        mut partial: Box<Buffered<S::Line>>,
        chunk: Chunk<'_>,
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        let (so_far, came) = (partial.bytes.len(), partial.came());
        let Phase::Body { head, decoder } = &mut partial.phase else {
            return 0; // `push` sends no other phase here.
        };
        let (next, most) = (head.next, head.most_bytes());
        match self.read_body(decoder, so_far - head.length, chunk.bytes) {
            Ok(Body::Done(length)) => {
                if !partial.append(&chunk.bytes[..length], most, chunk.time) {
                    return self.refuse_for_memory(*partial, length, sink);
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
                refuse(Reject::BodyTooLarge, came + length, sink);
                self.pass_on(decoder, next, sink);
                length
            }
            Err(error) => self.give_up(error.into(), &partial.bytes, came, sink),
        }
    }

    /// Keeps `more`, the rest of the chunk, for later.
    pub(super) fn hold(
        &mut self,
        mut partial: Box<Buffered<S::Line>>,
        more: &[u8],
        time: Timestamp,
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        let most = match &partial.phase {
            Phase::Opening | Phase::Head(_) => self.limits.max_head,
            Phase::Body { head, .. } => head.most_bytes(),
        };
        if !partial.append(more, most, time) {
            return self.refuse_for_memory(*partial, more.len(), sink);
        }
        self.state = State::Buffered(partial);
        more.len()
    }

    /// The budget refused room for `more` bytes, which the body's decoder, if there is one, has passed.
    pub(super) fn refuse_for_memory(
        &mut self,
        partial: Buffered<S::Line>,
        more: usize,
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        self.abandon(partial, more, Reject::Memory, sink)
    }

    /// Whether a message, or the beginning of one, is being kept.
    pub fn holds(&self) -> bool {
        matches!(self.state, State::Buffered(_))
    }

    /// The message under way is not waited for any longer. What comes of it is passed over; behind a body whose
    /// end is known the next message is read.
    pub fn stalled(&mut self, why: Stall, sink: &mut impl FnMut(Event<S::Message>)) {
        match std::mem::replace(&mut self.state, State::Boundary) {
            State::Buffered(partial) => {
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
        partial: Buffered<S::Line>,
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
        if let Phase::Head(_) = partial.phase {
            // It takes no memory to find where the message ends; `more` is read for that, too.
            self.skim_held(&partial, reject, sink);
            return 0;
        }
        skip(partial.bytes.len() + more, Skip::AfterReject, sink);
        self.lose(reject);
        more
    }
}
