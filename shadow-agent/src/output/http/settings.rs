//! `--output-http`: the upstream, and the bounds of what it gets.

use std::sync::Arc;
use std::time::Duration;

use crate::compare::{CompareSettings, LearningSettings};
use crate::mirror::Edits;
pub use crate::mirror::{Endpoints, HostHeader, MaxStream};
use crate::secret::Secret;

/// One `--output-http` with the flags that apply to it.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpOutputSettings {
    /// The upstream as the ledger names it: without userinfo.
    pub name: String,
    /// TLS by rustls.
    pub tls: bool,
    /// HTTP version that requests go by.
    pub version: HttpVersion,
    /// Verify the upstream's certificate.
    pub verify: bool,
    /// Host as typed (IPv6 without brackets).
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Address to connect to instead of what `host` and `port` resolve to.
    pub endpoints: Option<Endpoints>,
    /// Path put before each request's target, without a trailing `/`; empty for none.
    pub path_prefix: String,
    /// Value of an `Authorization` header made from userinfo (`Basic ...`). A secret: never logged.
    pub authorization: Option<Secret>,
    /// Treatment of the Host header.
    pub host_header: HostHeader,
    /// The marker header put on each copy, if any.
    pub marker: Option<String>,
    /// Further edits of each copy, from the filters of a route.
    pub edits: Option<Arc<Edits>>,
    /// Whether copies name the pod that served the request.
    pub name_pod: bool,
    /// Requests under way at once, over all shards; those pipelined behind one under way are not counted.
    pub workers: usize,
    /// Requests of one production connection that may be sent one behind the other, before the answers to
    /// those before them, when they wait anyway: GET, HEAD and OPTIONS without a body; 1: none.
    pub pipeline: usize,
    /// Requests that may wait, over all shards; `None`: as many as `queue_bytes` holds.
    pub queue_requests: Option<usize>,
    /// Bytes of requests that wait or are under way, with what is kept with each, over all shards. One that is larger than
    /// all of it goes while there is no other.
    pub queue_bytes: usize,
    /// Time for one exchange, from the first byte written to the last byte read.
    pub timeout: Duration,
    /// Time to connect, TLS included.
    pub connect_timeout: Duration,
    /// Redirects followed.
    pub redirects: u8,
    /// Most bytes of a response that are handed on to other outputs; `None` when none are.
    pub track_response: Option<usize>,
    /// How its answers are compared with production's, if they are.
    pub compare: Option<CompareSettings>,
    /// How what production issued is mapped to what it issued, where its answers are not compared.
    pub correlate: Option<LearningSettings>,
    /// Another instance of production's release, which gets the same copies where answers are compared.
    pub control: Option<Box<HttpOutputSettings>>,
    /// Largest response body that is read; a larger one ends as a counted drop.
    pub max_response: u64,
    /// Bounds of a call of gRPC that lasts; without, it has those of every exchange.
    pub max_stream: Option<MaxStream>,
    /// The circuit breaker.
    pub breaker: BreakerSettings,
}

/// HTTP versions to send requests by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    /// That by which production got the request, as far as the upstream takes it: one of HTTP/2 goes by HTTP/1.1 to an
    /// upstream that has no HTTP/2.
    #[default]
    AsProduction,
    /// HTTP/1.1 for every request; one of HTTP/1.0 keeps its version.
    Http1,
    /// HTTP/2 for every request.
    Http2,
}

/// When a sick shadow is left alone, and how it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row (connect errors, timeouts, resets, answers that are not HTTP) that open it; so do half
    /// of five times as many exchanges within ten seconds. 0: never.
    pub failures: u32,
    /// How long it stays open before one request probes the shadow.
    pub open_for: Duration,
    /// Over how long the in-flight limit grows back to its full value after a successful probe.
    pub slow_start: Duration,
}
