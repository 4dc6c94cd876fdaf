//! `--output-http-track-response`: the shadow's answers, handed on as production's responses are.

use std::rc::Weak;
use std::time::Duration;

use super::response::ShadowAnswer;
use crate::mirror::{Dispatcher, Exchange, ExchangeResponse, MessageKind};
use crate::time::{Timestamp, unix_now};

/// Where one shard's answers go.
pub(super) struct Tracking {
    dispatcher: Weak<Dispatcher>,
    /// Largest answer that is handed on.
    most: usize,
    /// From the source's clock to Unix time, in nanoseconds.
    wall_offset: u64,
}

impl Tracking {
    /// To `dispatcher`, answers of at most `most` bytes. `wall_offset`: nanoseconds from the clock of the shard's source to Unix time.
    pub(super) fn new(dispatcher: Weak<Dispatcher>, most: usize, wall_offset: u64) -> Self {
        if let Some(dispatcher) = dispatcher.upgrade() {
            dispatcher.expect_responses();
        }
        Self {
            dispatcher,
            most,
            wall_offset,
        }
    }

    /// Hands on the answer to the request of `exchange`, which took so long.
    pub(super) fn answered(&self, exchange: &Exchange, answer: &ShadowAnswer, took: Duration) {
        let (Ok((head, body)), Some(dispatcher)) = (&answer.kept, self.dispatcher.upgrade()) else {
            return;
        };
        if head.len() + body.len() > self.most {
            return;
        }
        let now = unix_now().saturating_sub(self.wall_offset);
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        dispatcher.response(
            &exchange.key,
            &ExchangeResponse {
                id: &exchange.id,
                kind: MessageKind::Replayed,
                head,
                body,
                began: Timestamp::default(),
                first_byte: Timestamp(now.saturating_sub(took)),
                last_byte: Timestamp(now),
            },
        );
    }
}
