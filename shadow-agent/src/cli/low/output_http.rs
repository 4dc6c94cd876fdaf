//! The flags of `--output-http`; they apply to every one of them.

use std::time::Duration;

use clap::Args;

use crate::cli::value::{duration, host_suffix, marker_name, positive_duration, positive_size};

/// Most requests under way at once: more than there are ports for connections to one upstream.
pub const MAX_WORKERS: u32 = 65_536;

/// How copies reach an HTTP upstream, as typed.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP output (each --output-http)")]
pub struct OutputHttp {
    /// Requests under way at once
    ///
    /// The default is what Envoy allows a cluster. Connections to the upstream are about as many as
    /// production's, and never more than this. Requests sent behind one under way (--output-http-pipeline) are
    /// not counted. At most 65,536, which is also what 0 stands for.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_WORKERS)))]
    pub output_http_workers: u32,

    /// Requests of one production connection that may be sent one behind the other
    ///
    /// Only when they wait anyway, in their order, and only small ones that change nothing (GET, HEAD and
    /// OPTIONS, without a body), because they are sent again when a connection is lost: a shadow that lags behind
    /// catches up. 1 waits for each answer before the next request. With the default a
    /// saturated machine lost nothing where 16 still filled the queue.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub output_http_pipeline: u32,

    /// Requests that may wait
    ///
    /// A full queue drops and counts: it never holds back production or another output. The default is two
    /// seconds of 5,000 requests a second.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub output_http_queue_len: u32,

    /// Bytes of requests that wait or are under way
    ///
    /// What comes on top is dropped and counted as queue_full; a request larger than all of it goes while there
    /// is no other. The default is a quarter of the default --max-memory, so that one slow upstream leaves room for
    /// others.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub output_http_queue_size: usize,

    /// Time for one exchange, from its first byte written to the last byte read
    ///
    /// The default is GoReplay's.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = positive_duration)]
    pub output_http_timeout: Duration,

    /// Time to connect, TLS included
    ///
    /// The default outlives one lost SYN, which is sent again after a second.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = positive_duration)]
    pub output_http_connect_timeout: Duration,

    /// Redirects to follow
    ///
    /// None by default: production's client follows them itself, and that request is mirrored too.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=20))]
    pub output_http_redirects: u8,

    /// Do not verify the upstream's TLS certificate
    #[arg(long)]
    pub output_http_skip_verify: bool,

    /// Hand the upstream's responses on to the other outputs and the middleware
    ///
    /// As messages of type 3, under the name of their request.
    #[arg(long)]
    pub output_http_track_response: bool,

    /// Largest response that is handed on
    ///
    /// With --output-http-track-response: a larger one is left out, not cut. The default holds most answers of
    /// most services, and each exchange under way may hold so much.
    #[arg(long, value_name = "SIZE", default_value = "1mb", value_parser = positive_size)]
    pub output_http_response_buffer: usize,

    /// Largest response body that is read
    ///
    /// Bodies are read to keep the connection usable, and thrown away; a larger one closes its connection and
    /// counts as bad_response. The default bounds what one exchange can cost.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub output_http_max_response: usize,

    /// Failures in a row after which the upstream is left alone; 0 for never
    ///
    /// Failures are connect errors, timeouts, resets and answers that are not HTTP; a 500 is none. A
    /// shadow that answers now and then is left alone too, when half of five times as many requests failed within
    /// 10s. The default outlives a handful of connections being closed by a restart.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub output_http_breaker_failures: u32,

    /// How long it is left alone before one request tries it again
    ///
    /// The default spares a sick upstream, and costs a healthy one little when it comes back.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = positive_duration)]
    pub output_http_breaker_open_for: Duration,

    /// Over how long load grows back once it answers again; 0 for at once
    ///
    /// The default lets caches and connection pools of a restarted upstream fill.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub output_http_slow_start: Duration,

    /// Keep production's Host header
    ///
    /// By default Host is the upstream's, so that proxies on the way route the copy to it.
    #[arg(long)]
    pub http_original_host: bool,

    /// Keep production's Host header with this suffix on the host
    ///
    /// -shadow gives what Istio and Envoy send: api.example.com-shadow.
    #[arg(
        long,
        value_name = "SUFFIX",
        allow_hyphen_values = true,
        conflicts_with = "http_original_host",
        value_parser = host_suffix
    )]
    pub http_host_suffix: Option<String>,

    /// Header put on every copy
    ///
    /// It lets the shadow tell copies from its own traffic, and a captured request that carries it is never
    /// mirrored again, so that two agents cannot make a loop.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "X-Shadow-Request",
        value_parser = marker_name
    )]
    pub http_mark_header: String,

    /// Put no such header on copies, and mirror requests that carry one
    #[arg(long, conflicts_with = "http_mark_header")]
    pub http_no_mark: bool,
}
