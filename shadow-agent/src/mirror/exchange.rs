//! One captured request on its way to the outputs.

use std::sync::Arc;

use super::plan::PodIdentity;
use crate::http::Request;
use crate::tcp::FlowKey;

/// Names one connection's life within a shard; unlike [`FlowKey`] it is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u64);

/// A whole request and where it was seen. Outputs share it by reference count.
#[derive(Debug)]
pub struct Exchange {
    /// The connection it came on; requests with the same id reach an output in their order.
    pub flow: FlowId,
    /// That connection's addresses.
    pub key: FlowKey,
    /// The pod that served it, where pods are watched.
    pub pod: Option<Arc<PodIdentity>>,
    /// The request.
    pub request: Box<Request>,
}
