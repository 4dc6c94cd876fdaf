//! `--output-null`: takes everything and does nothing, to measure what capture alone costs.

use std::future::{Future, ready};
use std::pin::Pin;
use std::rc::Rc;

use crate::mirror::ledger::{DropReason, Outcome, Ticket};
use crate::mirror::{Exchange, ShardOutput};

/// An output that accepts everything and does nothing.
pub(super) struct NullOutput;

impl ShardOutput for NullOutput {
    fn offer(&self, _: &Rc<Exchange>, ticket: Ticket) {
        ticket.settle(Outcome::Delivered);
    }

    fn drain(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(ready(()))
    }

    fn abort(&self, _: DropReason) {}
}
