//! Where a request was seen, and by which name it goes: all there is of an exchange but for the messages themselves.

use std::sync::Arc;

use shadow_tcp::FlowKey;

use super::message::MessageId;
use super::plan::PodIdentity;

/// Names one connection's life within a shard; unlike [`FlowKey`] it is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u64);

/// An exchange without its request; its fields are those of [`Exchange`](crate::Exchange).
#[derive(Debug)]
pub(super) struct Seen {
    pub id: MessageId,
    pub flow: FlowId,
    pub key: FlowKey,
    pub pod: Option<Arc<PodIdentity>>,
    pub copy: u32,
}
