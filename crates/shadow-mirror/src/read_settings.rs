//! Options of reading connections: which are read, and what of them goes on.

use std::sync::Arc;
use std::time::Duration;

use shadow_tcp::BpfFilter;

/// How the connections of a shard are read.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub struct ReadSettings {
    /// Which connections are taken; all when `None`.
    pub filter: Option<Arc<BpfFilter>>,
    /// Whether production's answers are read: to be handed on, or to be compared.
    pub answers: bool,
    /// Whether these are handed on to every output, and not only compared.
    pub track_response: bool,
    /// A header that is set to the client's address on each request.
    pub client_header: Option<String>,
    /// Whether what is there of a request whose rest was lost is handed on.
    pub allow_incomplete: bool,
    /// Bounds of a call of gRPC that is handed on while production serves it; none is so where this is `None`.
    pub live_calls: Option<MaxStream>,
    /// Whether connections are gone on with whose place is not known, at what looks like a request.
    pub resume: bool,
}

/// Bounds of a call of gRPC that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxStream {
    /// Most bytes in either direction.
    pub bytes: u64,
    /// From its head on.
    pub time: Duration,
}
