//! Messages that are not delivered: their bodies are passed over to where they end, and where nobody knows that, what looks like
//! a start is counted and nothing more is read.

use super::body::BodyDecoder;
use super::fault::Fault;
use super::head::starts_with_line;
use super::message::{Reject, Skip};
use super::message_kind::{Event, MessageKind, Next, refuse, skip, tell_fault};
use super::message_stream::{MessageStream, State};

impl<S: MessageKind> MessageStream<S> {
    /// In the body of a message that was rejected.
    pub(super) fn pass(
        &mut self,
        mut body: BodyDecoder,
        next: Next,
        why: Skip,
        bytes: &[u8],
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        let Ok((taken, done)) = body.advance(bytes) else {
            self.lose(Reject::AmbiguousFraming);
            return 0;
        };
        skip(taken, why, sink);
        if done {
            self.follow(next, sink);
        } else {
            self.state = State::Passing { body, next, why };
        }
        taken
    }

    /// Bytes of a direction of which nothing more is delivered. A start line is seen only where it stands
    /// whole, right behind the last message or at the start of a segment; it ends as it starts.
    pub(super) fn refuse_all(
        &mut self,
        reject: Reject,
        boundary: bool,
        bytes: &[u8],
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        if boundary && starts_with_line::<S::Line>(bytes) {
            sink(Event::Started);
            sink(Event::Rejected(reject));
        }
        let boundary = false;
        self.state = State::Refusing { reject, boundary };
        let why = match reject {
            Reject::AfterClose => Skip::AfterClose,
            _ => Skip::AfterReject,
        };
        skip(bytes.len(), why, sink)
    }

    /// A rejected message goes on: its body is passed over.
    pub(super) fn pass_on(
        &mut self,
        body: BodyDecoder,
        next: Next,
        sink: &mut impl FnMut(Event<S::Message>),
    ) {
        if body.is_done() {
            self.follow(next, sink);
        } else {
            let why = Skip::AfterReject;
            self.state = State::Passing { body, next, why };
        }
    }

    /// A message is not understood, so that its end is not known. `bytes` are what is there of it; the first `held` of
    /// the direction's were taken before.
    pub(super) fn give_up(
        &mut self,
        fault: Fault,
        bytes: &[u8],
        held: usize,
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> usize {
        let reject = tell_fault(fault, bytes, sink);
        refuse(reject, held, sink);
        self.lose(reject);
        0
    }

    /// Behind a message that was rejected, whose end is not known. Whatever comes may be its body, or what somebody
    /// smuggles in it.
    pub(super) fn lose(&mut self, reject: Reject) {
        self.state = if S::COUNTS_ON {
            State::Refusing {
                reject: match reject {
                    Reject::AmbiguousFraming => reject,
                    _ => Reject::AfterReject,
                },
                boundary: false,
            }
        } else {
            State::Rest(Skip::AfterReject)
        };
    }
}
