//! The flags of `--output-http`; they apply to every one of them.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::value::{duration, host_suffix, marker_name, positive_duration, positive_size};

/// Most requests in flight at a time: more than there are ports for connections to one upstream.
pub const MAX_WORKERS: u32 = 65_536;

/// HTTP output flags, as typed.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP output (each --output-http)")]
pub struct OutputHttp {
    /// HTTP version to send requests by
    ///
    /// The default sends each request as production got it: HTTP/2 requests by HTTP/2, over TLS if the upstream selects h2 (ALPN),
    /// in clear text with prior knowledge. An upstream without HTTP/2 gets HTTP/1.1, and is asked again after a minute. 1.1 and
    /// 2 translate where HTTP allows it: gRPC needs HTTP/2, a WebSocket handshake HTTP/1.1. What cannot be sent is dropped and
    /// counted as http_version.
    #[arg(long, value_name = "VERSION", value_enum, default_value_t = VersionName::Auto)]
    pub output_http_version: VersionName,

    /// Most requests in flight at a time
    ///
    /// The default is Envoy's limit for a cluster. There are about as many connections to the upstream as production has,
    /// never more than this. Pipelined requests (--output-http-pipeline) are not counted. At most 65,536, which is also
    /// what 0 means.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_WORKERS)))]
    pub output_http_workers: u32,

    /// Most requests of one production connection to pipeline
    ///
    /// Lets a shadow that lags behind catch up: queued requests are sent in order without waiting for responses. Only small
    /// safe requests (GET, HEAD and OPTIONS without a body), since they are sent again when a connection is lost. 1 turns
    /// pipelining off. With the default a saturated machine lost nothing, while 16 still filled the queue.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub output_http_pipeline: u32,

    /// Length of the queue, in requests [default: what --output-http-queue-size holds]
    ///
    /// When it is full, requests are dropped and counted: it never delays production or another output.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub output_http_queue_len: Option<u32>,

    /// Size of the queue, in bytes, including requests in flight
    ///
    /// Each request counts with some hundred bytes more than its own, for what is kept with it: small requests have a long
    /// queue, large ones a short one. Beyond it requests are dropped and counted as queue_full; a request larger than the
    /// whole queue is sent if the queue is empty. The default holds ten seconds of 5,000 small requests per second, and is
    /// a quarter of the default --max-memory, so that one slow upstream leaves room for others.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub output_http_queue_size: usize,

    /// Time for an exchange, from the first byte sent to the last received
    ///
    /// With --compare a response may also take twice as long as production's to the same request, and while production is
    /// still responding nothing is cut off (within --compare-wait). The default is GoReplay's.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = positive_duration)]
    pub output_http_timeout: Duration,

    /// Time to connect, including TLS
    ///
    /// The default outlives one lost SYN, which is retransmitted after a second.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = positive_duration)]
    pub output_http_connect_timeout: Duration,

    /// Most redirects to follow
    ///
    /// The default is none: production's client follows redirects itself, and that request is mirrored too.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=20))]
    pub output_http_redirects: u8,

    /// Do not verify the upstream's TLS certificate
    #[arg(long)]
    pub output_http_skip_verify: bool,

    /// Forward the upstream's responses to the other outputs and the middleware
    ///
    /// As messages of type 3, with the id of their request.
    #[arg(long)]
    pub output_http_track_response: bool,

    /// Largest response to forward with --output-http-track-response
    ///
    /// Larger ones are skipped, not cut. The default fits most responses of most services; each exchange in flight may use
    /// this much memory.
    #[arg(long, value_name = "SIZE", default_value = "1mb", value_parser = positive_size)]
    pub output_http_response_buffer: usize,

    /// Largest response body to read
    ///
    /// Bodies are read so that the connection can be reused, and discarded; a larger one closes the connection and is
    /// counted as bad_response. The default bounds the cost of one exchange.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub output_http_max_response: usize,

    /// Open the circuit breaker after this many failures in a row; 0 for never
    ///
    /// While it is open nothing is sent to the upstream. Failures are connect errors, timeouts, resets and invalid HTTP
    /// responses; a 500 is not a failure. It also opens when, within 10s, half of five times this many requests failed. The
    /// default tolerates the few connections that a restart closes.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub output_http_breaker_failures: u32,

    /// How long the circuit breaker stays open before one request probes the upstream
    ///
    /// The default relieves a failing upstream, and costs little once it has recovered.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = positive_duration)]
    pub output_http_breaker_open_for: Duration,

    /// Ramp up the load over this time after the circuit breaker closes; 0 for at once
    ///
    /// The default gives a restarted upstream time to fill its caches and connection pools.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub output_http_slow_start: Duration,

    /// Keep production's Host header
    ///
    /// By default Host is that of the upstream, so that proxies in between route the copy to it.
    #[arg(long)]
    pub http_original_host: bool,

    /// Keep production's Host header and append this suffix to the host
    ///
    /// -shadow gives the host that Istio and Envoy send: api.example.com-shadow.
    #[arg(
        long,
        value_name = "SUFFIX",
        allow_hyphen_values = true,
        conflicts_with = "http_original_host",
        value_parser = host_suffix
    )]
    pub http_host_suffix: Option<String>,

    /// Name of the header added to every copy
    ///
    /// It lets the shadow tell copies from other traffic. Captured requests with this header are never mirrored again, so
    /// that two agents cannot form a loop.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "X-Shadow-Request",
        value_parser = marker_name
    )]
    pub http_mark_header: String,

    /// Do not add that header, and mirror requests that have it
    #[arg(long, conflicts_with = "http_mark_header")]
    pub http_no_mark: bool,
}

/// HTTP versions to send by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VersionName {
    /// As production got the request
    Auto,
    /// HTTP/1.1
    #[value(name = "1.1", alias = "1")]
    Http1,
    /// HTTP/2
    #[value(name = "2", alias = "2.0")]
    Http2,
}
