//! A call of gRPC that goes live for some outputs, gathered for the others: those that keep or relay requests, and rules that look into
//! bodies, need it whole. They are offered it once its request has ended, which is before production's answer to it is handed on.
//!
//! What is gathered is charged to `--max-memory`, and the first to go when that is scarce: whoever gets the call live loses
//! nothing by it.

use std::rc::Rc;

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_http::h2::{Messages, WholeCall};
use shadow_http::{Limits, Reject, Request};

use super::ledger::{DropReason, Outcome, Ticket};
use super::seen::Seen;

/// The outputs that wait for a call to be whole, and what is there of it.
#[derive(Debug)]
pub(crate) struct Gathering {
    seen: Seen,
    /// Its head.
    head: Rc<Request>,
    call: WholeCall,
    tickets: Vec<Ticket>,
    limits: Limits,
    budget: MemoryBudget,
}

impl Gathering {
    /// For the mirrors of these tickets, of a call that was seen there, goes live with this head and has had no message yet.
    pub fn new(
        seen: Seen,
        head: &Rc<Request>,
        tickets: Vec<Ticket>,
        limits: Limits,
        budget: &MemoryBudget,
    ) -> Self {
        Self {
            seen,
            head: Rc::clone(head),
            call: WholeCall::new(budget.held_charge()),
            tickets,
            limits,
            budget: budget.clone(),
        }
    }

    /// More messages came. Where there is no room for them, why not: it is to be given up then.
    pub fn push(&mut self, messages: &Messages) -> Result<(), DropReason> {
        if self.budget.held_is_scarce() {
            return Err(Reject::Memory.into());
        }
        self.call.push(messages, &self.limits).map_err(DropReason::from)
    }

    /// The call will never be whole here.
    pub fn give_up(self, reason: DropReason) {
        settle(self.tickets, reason);
    }

    /// The call is whole, since then: it, and who waits for it; `None` where there is no room for it, which is settled.
    pub fn whole(self, last: Timestamp) -> Option<(Seen, Request, Vec<Ticket>)> {
        match self.call.into_request(&self.head, last, &self.limits) {
            Ok(request) => Some((self.seen, request, self.tickets)),
            Err(reject) => {
                settle(self.tickets, reject.into());
                None
            }
        }
    }
}

fn settle(tickets: Vec<Ticket>, reason: DropReason) {
    for ticket in tickets {
        ticket.settle(Outcome::Dropped(reason));
    }
}
