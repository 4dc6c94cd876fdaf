//! Bounds of what the agent holds.

use std::time::Duration;

use clap::Args;

use crate::cli::value::{MaxStream, max_stream, positive_duration, positive_size};

/// Bounds, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// Most memory for captured data
    ///
    /// Beyond it requests are dropped and counted, so that the agent cannot take production's memory. The default holds
    /// sixteen requests of the largest default size.
    #[arg(long, value_name = "SIZE", default_value = "256mb", value_parser = positive_size)]
    pub max_memory: usize,

    /// Most connections tracked at a time
    ///
    /// Beyond it the connection idle for longest is forgotten. The default needs less than 200 MiB when all are idle,
    /// and some 250 MiB more where TLS is read and all are that.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub max_connections: u32,

    /// Largest request head (request line and headers)
    ///
    /// The default is twice nginx's.
    #[arg(long, value_name = "SIZE", default_value = "64kb", value_parser = positive_size)]
    pub max_head: usize,

    /// Most headers in a request
    ///
    /// The default is above that of Apache, Envoy and Tomcat (100).
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub max_headers: u32,

    /// Largest request body
    ///
    /// A larger one is dropped and counted. The default is more than most services accept, and a sixteenth of the default
    /// --max-memory.
    #[arg(long, value_name = "SIZE", default_value = "16mb", value_parser = positive_size)]
    pub max_body: usize,

    /// Longest gRPC stream to mirror: bytes in either direction, and time
    ///
    /// A stream is sent to the shadow while production serves it, message by message; one beyond either bound is ended there
    /// and counted as grpc_stream_limit. SIZE, DURATION or both, such as 1gb,2h (10m is ten minutes); off mirrors a stream
    /// once production has ended it, within --max-body. The defaults are those of --output-http-max-response and
    /// --input-raw-idle-timeout.
    #[arg(long, value_name = "SIZE,DURATION", default_value = "64mb,10m", value_parser = max_stream)]
    pub grpc_max_stream: MaxStream,

    /// GoReplay's name for --max-body; the smaller of the two applies
    ///
    /// A larger body is dropped and counted as body_too_large, not cut. By default only --max-body applies.
    #[arg(long, value_name = "SIZE", value_parser = positive_size)]
    pub copy_buffer_size: Option<usize>,

    /// Most out-of-order bytes buffered for a connection while packets are missing
    ///
    /// The default is more than a Linux receiver with default buffers lets a client send before the gap is filled.
    #[arg(long, value_name = "SIZE", default_value = "4mb", value_parser = positive_size)]
    pub max_out_of_order: usize,

    /// Time to wait for missing packets of a connection
    ///
    /// After it the affected requests are dropped and counted, and the connection continues after the gap. The default
    /// outlives three retransmissions of a lost segment.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = positive_duration)]
    pub input_raw_gap_timeout: Duration,

    /// Forget a connection after this long without traffic
    ///
    /// The default is above the keep-alive timeouts of common servers and load balancers (60 to 350 s). If such a
    /// connection becomes active again, it is picked up at the next request whose start can be proved.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = positive_duration)]
    pub input_raw_idle_timeout: Duration,
}

impl LimitFlags {
    /// Largest request body, however it was said.
    pub fn max_body(&self) -> usize {
        self.max_body.min(self.copy_buffer_size.unwrap_or(usize::MAX))
    }
}
