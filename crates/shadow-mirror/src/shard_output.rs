//! The trait that a mirror asks of its output; the outputs are in rooms above this one.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use super::exchange::{AnswerLost, Exchange, ExchangeResponse};
use super::ledger::{DropReason, Ticket};
use super::message::MessageId;

/// One output on one shard's thread. Runs inside a tokio `LocalRuntime`.
pub trait ShardOutput {
    /// Takes a request. Never waits and never fails: what cannot be queued is settled as dropped at once.
    /// Called once per request, in the order of each connection.
    fn offer(&self, exchange: &Rc<Exchange>, ticket: Ticket);

    /// Whether much more can be taken without dropping. Production is never asked to wait; a source that can
    /// wait, a file, does so until this is true.
    fn has_room(&self) -> bool {
        true
    }

    /// Whether it takes calls of gRPC that production is still serving ([`Exchange::live`]). One that does not is offered them
    /// when they are whole.
    fn takes_live_calls(&self) -> bool {
        false
    }

    /// Takes a response to a request that was offered before, where responses are captured or recorded. Not counted in
    /// the ledger; an output that has no use for it passes it over.
    fn offer_response(&self, response: &ExchangeResponse<'_>) {
        let _ = response;
    }

    /// Production has answered a request that was offered before, or is about to be: for those that compare. It is what was on
    /// the wire, nothing hidden.
    fn production_answered(&self, response: &ExchangeResponse<'_>) {
        let _ = response;
    }

    /// Production's answer to such a request will never be whole here.
    fn production_lost(&self, id: &MessageId, why: AnswerLost) {
        let _ = (id, why);
    }

    /// Nor to this call of gRPC, whose client left it while the answer came: for those that compare, as much of it as had come.
    fn production_left(&self, response: &ExchangeResponse<'_>) {
        self.production_lost(response.id, AnswerLost::Closed);
    }

    /// The source has ended: production answers nothing any more.
    fn production_ended(&self) {}

    /// Nothing more will be offered: resolves when every ticket is settled. The caller bounds the wait.
    fn drain(&self) -> Pin<Box<dyn Future<Output = ()> + '_>>;

    /// Settles everything that is still queued or under way as dropped for this reason, at once. More may be offered
    /// afterwards.
    fn abort(&self, reason: DropReason);
}
