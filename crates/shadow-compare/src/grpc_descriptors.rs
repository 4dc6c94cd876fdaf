//! Descriptors by which messages of gRPC are read, as rules have them.

use std::sync::Arc;

use shadow_grpc::{Descriptors, Method};

use super::head::request_line;

/// Descriptors by which messages are read; the same ones are equal.
#[derive(Clone, Debug)]
pub struct GrpcDescriptors(Arc<Descriptors>);

impl GrpcDescriptors {
    /// These.
    pub fn new(descriptors: Descriptors) -> Self {
        Self(Arc::new(descriptors))
    }

    /// The method that the request with this head calls.
    pub(super) fn method(&self, request: &[u8]) -> Option<&Method> {
        self.0.method(request_line(request).1)
    }
}

impl PartialEq for GrpcDescriptors {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
