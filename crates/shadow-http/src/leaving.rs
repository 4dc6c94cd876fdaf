//! Where a direction goes on with something else than messages: HTTP/2 that somebody else reads, or a protocol that is counted
//! and not read.

use super::message::Skip;
use super::message_kind::{Event, MessageKind, skip};
use super::message_stream::{Http2Start, MessageStream, State};
use super::preface::Preface;

impl<S: MessageKind> MessageStream<S> {
    /// Whether HTTP/2 begins in what was pushed last, or begins with the next bytes.
    #[inline]
    pub fn has_left(&self) -> bool {
        matches!(self.state, State::Left(_))
    }

    /// Takes out where that is. Whatever is pushed from then on is passed over.
    pub fn take_left(&mut self) -> Option<Box<Http2Start>> {
        if !self.has_left() {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Rest(Skip::Http2)) {
            State::Left(start) => Some(start),
            state => {
                self.state = state;
                None
            }
        }
    }

    /// Goes on where it [has left](Self::has_left) in `pushed`, with HTTP/2 that nobody reads.
    pub fn stay(&mut self, pushed: &[u8], sink: &mut impl FnMut(Event<S::Message>)) {
        if let Some(start) = self.take_left() {
            let why = self.rest_of(Skip::Http2, sink);
            skip(
                start.before.len() + pushed.len().saturating_sub(start.at),
                why,
                sink,
            );
        }
    }

    /// Leaves what begins here, which is no message: the rest of the connection is counted, not parsed. `held` bytes of it
    /// came before what is read now.
    pub(super) fn leave(
        &mut self,
        why: Skip,
        held: &[u8],
        sink: &mut impl FnMut(Event<S::Message>),
    ) -> Option<Skip> {
        if self.side.hands_over(why) {
            self.state = State::Left(Box::new(Http2Start {
                before: held.to_vec(),
                at: usize::MAX,
                behind_upgrade: self.preface == Preface::Upgrade,
            }));
            return None;
        }
        let why = self.rest_of(why, sink);
        skip(held.len(), why, sink);
        Some(why)
    }

    /// The rest of the connection is counted for this reason.
    pub(super) fn rest_of(&mut self, why: Skip, sink: &mut impl FnMut(Event<S::Message>)) -> Skip {
        let why = if self.preface == Preface::Upgrade {
            Skip::Upgraded
        } else {
            why
        };
        sink(Event::Recognised(why));
        self.state = State::Rest(why);
        why
    }
}
