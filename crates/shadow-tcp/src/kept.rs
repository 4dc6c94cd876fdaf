//! Handlers that outlast their connections, because they wait for something that is no segment.

use std::collections::VecDeque;

use shadow_core::time::Timestamp;

use super::stream::{Close, StreamHandler};

/// Most of them: those of two seconds at 4,000 connections a second. Beyond, the one whose connection ended first is closed.
const MOST: usize = 8192;

/// Handlers of connections that have ended, and how: the first that ended in front.
#[derive(Debug)]
pub(super) struct Kept<H>(VecDeque<(H, Close, Timestamp)>);

impl<H> Default for Kept<H> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<H: StreamHandler> Kept<H> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Keeps the handler of a connection that ended so at `time`.
    pub fn keep(&mut self, context: &mut H::Context, handler: H, close: Close, time: Timestamp) {
        if self.0.len() >= MOST
            && let Some((oldest, close, time)) = self.0.pop_front()
        {
            oldest.close(context, close, time);
        }
        self.0.push_back((handler, close, time));
    }

    /// Lets all look whether what they wait for has come; those for which it has are closed.
    pub fn revisit(&mut self, context: &mut H::Context, now: Timestamp) {
        for _ in 0..self.0.len() {
            let Some((mut handler, close, time)) = self.0.pop_front() else {
                break;
            };
            handler.revisited(context, now);
            if handler.outlasts() {
                self.0.push_back((handler, close, time));
            } else {
                handler.close(context, close, time);
            }
        }
    }

    /// Closes all.
    pub fn end(&mut self, context: &mut H::Context) {
        for (handler, close, time) in self.0.drain(..) {
            handler.close(context, close, time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Chunk, Direction, FlowKey, GapCause, Stall, Start};
    use super::*;

    /// One that waits for a time; its context is told of the end of each, by number.
    struct Waiting(u32, Timestamp);

    impl StreamHandler for Waiting {
        type Context = Vec<(u32, Close)>;

        fn open(_: &mut Self::Context, _: &FlowKey, _: Start, time: Timestamp) -> Self {
            Self(0, time)
        }
        fn data(&mut self, _: &mut Self::Context, _: Direction, _: Chunk<'_>) {}
        fn gap(&mut self, _: &mut Self::Context, _: Direction, _: u64, _: GapCause) {}
        fn finished(&mut self, _: &mut Self::Context, _: Direction, _: Timestamp) {}
        fn holds(&self) -> bool {
            false
        }
        fn stalled(&mut self, _: &mut Self::Context, _: Stall) {}
        fn outlasts(&self) -> bool {
            self.1 > Timestamp(0)
        }
        fn revisited(&mut self, _: &mut Self::Context, now: Timestamp) {
            if now >= self.1 {
                self.1 = Timestamp(0);
            }
        }
        fn close(self, context: &mut Self::Context, close: Close, _: Timestamp) {
            context.push((self.0, close));
        }
    }

    #[test]
    fn each_is_closed_as_its_connection_ended_once_it_waits_no_more() {
        let (mut kept, mut closed) = (Kept::default(), Vec::new());
        kept.keep(&mut closed, Waiting(1, Timestamp(20)), Close::Reset, Timestamp(1));
        kept.keep(
            &mut closed,
            Waiting(2, Timestamp(10)),
            Close::Finished,
            Timestamp(2),
        );
        kept.keep(
            &mut closed,
            Waiting(3, Timestamp(30)),
            Close::Reused,
            Timestamp(3),
        );
        kept.revisit(&mut closed, Timestamp(9));
        assert_eq!((kept.len(), closed.len()), (3, 0));
        kept.revisit(&mut closed, Timestamp(20));
        assert_eq!(closed, [(1, Close::Reset), (2, Close::Finished)]);
        kept.end(&mut closed);
        assert_eq!((kept.len(), closed[2]), (0, (3, Close::Reused)));
    }

    #[test]
    fn beyond_the_bound_the_first_that_ended_is_closed() {
        let (mut kept, mut closed) = (Kept::default(), Vec::new());
        for number in 0..MOST as u32 + 2 {
            let handler = Waiting(number, Timestamp(1));
            kept.keep(&mut closed, handler, Close::Finished, Timestamp(0));
        }
        assert_eq!(kept.len(), MOST);
        assert_eq!(closed, [(0, Close::Finished), (1, Close::Finished)]);
    }
}
