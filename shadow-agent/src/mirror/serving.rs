//! What becomes of a connection's requests by what shows of its server: handed on, kept back, or dropped.

use super::MessageId;
use super::answers::Told;
use super::connection::{Mirror, Open};
use super::exchange::AnswerLost;
use super::held_back::Next;
use super::ledger::{DropReason, Opened, Outcome};
use crate::http::Request;

impl Mirror {
    /// Hands on a request that was captured on a connection, or keeps it back until it shows whether production serves it.
    pub(super) fn offer(&mut self, open: &mut Open, id: MessageId, request: Box<Request>, opened: Opened) {
        match open.held.judge(&request) {
            Next::HandOn => self.hand_on(open, id, request, opened),
            Next::Drop(reason) => self.drop_unserved(&id, opened, reason),
            Next::Keep => {
                if open.held.is_full() {
                    self.settle_first(open, Next::HandOn);
                }
                self.kept_bytes += request.charge.bytes();
                open.held.keep(id, request, opened);
            }
        }
    }

    /// Settles what is kept back as far as the server tells.
    pub(super) fn settle_kept(&mut self, open: &mut Open) {
        while !open.held.is_empty() {
            match open.held.first() {
                Next::Keep => break,
                next => self.settle_first(open, next),
            }
        }
    }

    /// Lets go of the first request that is kept back.
    pub(super) fn settle_first(&mut self, open: &mut Open, next: Next) {
        let Some(kept) = open.held.take() else { return };
        self.kept_bytes = self.kept_bytes.saturating_sub(kept.request.charge.bytes());
        match next {
            Next::Drop(reason) => self.drop_unserved(&kept.id, kept.opened, reason),
            Next::HandOn | Next::Keep => self.hand_on(open, kept.id, kept.request, kept.opened),
        }
    }

    fn drop_unserved(&self, id: &MessageId, opened: Opened, reason: DropReason) {
        self.onward.not_taken(id);
        opened.settle(Outcome::Dropped(reason));
    }

    /// Production has answered a request, or never will: one that is kept back for that is settled. `false` when it was
    /// not served.
    pub(super) fn settle_told(&mut self, open: &mut Open, told: &Told) -> bool {
        let (id, served) = match told {
            Told::Answered(answer) => (&answer.id, true),
            Told::Lost(id, why) => (id, *why != AnswerLost::Closed),
        };
        if open.held.is_empty() || !open.held.has(id) {
            return true;
        }
        // Those before it were served, or there is nothing that tells.
        while open.held.first_id().is_some_and(|first| first != id) {
            self.settle_first(open, Next::HandOn);
        }
        let next = if served {
            Next::HandOn
        } else {
            Next::Drop(DropReason::AfterClose)
        };
        self.settle_first(open, next);
        self.settle_kept(open);
        served
    }
}
