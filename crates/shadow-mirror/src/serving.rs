//! The fate of a connection's requests by what shows of its server: forwarded, kept back, or dropped.

use shadow_http::Request;

use super::MessageId;
use super::answers::AnswerEvent;
use super::exchange::AnswerLost;
use super::held_back::Next;
use super::ledger::{DropReason, Opened, Outcome};
use super::open::Open;
use super::pipeline::Pipeline;

impl Pipeline {
    /// Forwards a request that was captured on a connection, or keeps it back until it shows whether production serves it.
    pub(super) fn whole(&mut self, open: &mut Open, id: MessageId, request: Box<Request>, opened: Opened) {
        match open.held.judge(&request) {
            Next::Forward => self.forward_captured(open.place(), id, request, opened, None),
            Next::Drop(reason) => self.drop_unserved(&id, opened, reason),
            Next::Keep => {
                if open.held.is_full() {
                    self.settle_first(open, Next::Forward);
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
        self.no_longer_kept(&kept.request);
        match next {
            Next::Drop(reason) => self.drop_unserved(&kept.id, kept.opened, reason),
            Next::Forward | Next::Keep => {
                self.forward_captured(open.place(), kept.id, kept.request, kept.opened, None);
            }
        }
    }

    /// A request was kept back, and is not any more.
    pub(super) fn no_longer_kept(&mut self, request: &Request) {
        self.kept_bytes = self.kept_bytes.saturating_sub(request.charge.bytes());
    }

    /// Ends a request that production has not served.
    pub(super) fn drop_unserved(&self, id: &MessageId, opened: Opened, reason: DropReason) {
        self.dispatcher.not_taken(id);
        opened.settle(Outcome::Dropped(reason));
    }

    /// Production has answered a request, or never will: one that is kept back for that is settled. `false` when it was
    /// not served.
    pub(super) fn settle_answered(&mut self, open: &mut Open, event: &AnswerEvent) -> bool {
        let (id, served) = match event {
            AnswerEvent::Answered(answer) => (&answer.id, true),
            AnswerEvent::Lost(id, why) => (id, *why != AnswerLost::Closed),
            AnswerEvent::Left(id, _) => (id, true),
        };
        if open.held.is_empty() || !open.held.has(id) {
            return true;
        }
        // Those before it were served, or there is nothing that tells.
        while open.held.first_id().is_some_and(|first| first != id) {
            self.settle_first(open, Next::Forward);
        }
        let next = if served {
            Next::Forward
        } else {
            Next::Drop(DropReason::AfterClose)
        };
        self.settle_first(open, next);
        self.settle_kept(open);
        served
    }
}
