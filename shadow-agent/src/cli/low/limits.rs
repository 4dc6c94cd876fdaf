//! Bounds of what the agent holds.

use std::time::Duration;

use clap::Args;

use crate::cli::value::{positive_duration, positive_size};

/// Bounds, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// Captured bytes held at once, over everything
    ///
    /// Beyond it requests are dropped and counted, so that the agent cannot take production's memory. The
    /// default holds sixteen requests of the largest default size at once.
    #[arg(long, value_name = "SIZE", default_value = "256mb", value_parser = positive_size)]
    pub max_memory: usize,

    /// Connections followed at once
    ///
    /// Beyond it the one quiet for longest is forgotten. The default takes under 200 MiB when all are idle.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub max_connections: u32,

    /// Largest head (request line and header fields)
    ///
    /// The default is twice what nginx takes unless told otherwise.
    #[arg(long, value_name = "SIZE", default_value = "64kb", value_parser = positive_size)]
    pub max_head: usize,

    /// Most header fields in a head
    ///
    /// The default is above what Apache, Envoy and Tomcat take unless told otherwise (100).
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub max_headers: u32,

    /// Largest request body
    ///
    /// A larger one is dropped and counted. The default takes what most services accept, and a sixteenth of
    /// the default --max-memory.
    #[arg(long, value_name = "SIZE", default_value = "16mb", value_parser = positive_size)]
    pub max_body: usize,

    /// Largest request body, as GoReplay says it: the smaller of the two counts
    ///
    /// A larger one is dropped and counted as body_too_large, not cut. By default only --max-body counts.
    #[arg(long, value_name = "SIZE", value_parser = positive_size)]
    pub copy_buffer_size: Option<usize>,

    /// Bytes that may wait behind a hole in one connection
    ///
    /// The default is above what a Linux receiver with its default buffers lets a client send before the
    /// hole is filled.
    #[arg(long, value_name = "SIZE", default_value = "4mb", value_parser = positive_size)]
    pub max_out_of_order: usize,

    /// How long a hole in a connection may stay open
    ///
    /// Then the requests it touches are dropped and counted, and the connection goes on behind it. The
    /// default outlives three retransmissions of a lost segment.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = positive_duration)]
    pub input_raw_gap_timeout: Duration,

    /// A connection without traffic for so long is forgotten
    ///
    /// The default is above the keep-alive timeouts of common servers and load balancers (60 to 350 s). A
    /// connection that speaks again is picked up at the next request whose start can be proved.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = positive_duration)]
    pub input_raw_idle_timeout: Duration,
}

impl LimitFlags {
    /// Largest request body, however it was said.
    pub fn max_body(&self) -> usize {
        self.max_body.min(self.copy_buffer_size.unwrap_or(usize::MAX))
    }
}
