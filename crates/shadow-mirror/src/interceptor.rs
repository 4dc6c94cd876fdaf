//! Interceptors, which stand between whole messages and the mirrors, and may change them, keep them back or make others; who does
//! is in a room above this one.

use std::future::Future;
use std::pin::Pin;

use shadow_tcp::FlowKey;

use super::exchange::{Exchange, ExchangeResponse};
use super::ledger::{DropReason, Opened};
use super::message::{Message, MessageId};

/// One shard's half of a middleware. Runs inside a tokio `LocalRuntime`.
pub trait Interceptor {
    /// Takes a request that is to pass. It is given back where it goes on as it is.
    fn request(&self, exchange: Exchange, opened: Opened) -> Option<(Exchange, Opened)>;

    /// Takes a response that is to pass. `false` where it goes on as it is. `key`: the addresses of the request.
    fn response(&self, key: &FlowKey, response: &ExchangeResponse<'_>) -> bool;

    /// Production's answer to a request will not be offered.
    fn production_lost(&self, id: &MessageId);

    /// Production's answers will not be offered any more.
    fn production_ended(&self);

    /// Hands what comes back to `next`, until nothing more can.
    fn follow<'a>(&'a self, next: &'a dyn NextStep) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

    /// The source has ended: resolves when nothing waits any more. Responses may still be offered.
    fn settle(&self) -> Pin<Box<dyn Future<Output = ()> + '_>>;

    /// Nothing more will be offered: resolves when nothing waits any more.
    fn drain(&self) -> Pin<Box<dyn Future<Output = ()> + '_>>;

    /// Settles everything that waits.
    fn abort(&self, reason: DropReason);
}

/// Where messages go that come back from an interceptor.
pub trait NextStep {
    /// Takes a request that was given to the interceptor, changed or not.
    fn enqueue(&self, exchange: Exchange, opened: Opened);

    /// Takes a response likewise. `key`: the addresses of the request.
    fn enqueue_response(&self, key: &FlowKey, message: &Message);

    /// Takes a message that the interceptor made: a request is counted as any other.
    fn enqueue_made(&self, message: &Message);
}
