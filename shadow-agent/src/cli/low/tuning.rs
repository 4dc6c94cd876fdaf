//! Flags that tune how `GoReplay` captures by libpcap. There is no libpcap here: they are accepted, and documented as having no effect.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::value::duration;

/// Flags without a meaning here, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "GoReplay flags without effect")]
#[expect(clippy::struct_excessive_bools, reason = "they are independent flags")]
pub struct TuningFlags {
    /// Accepted, no effect: packets are read as they arrive, not in intervals
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub input_raw_buffer_timeout: Option<Duration>,

    /// Accepted, no effect: packets are always captured whole
    #[arg(long)]
    pub input_raw_override_snaplen: bool,

    /// Accepted, no effect: capture does not need promiscuous mode and never enables it
    #[arg(long)]
    pub input_raw_promisc: bool,

    /// Accepted, no effect: monitor mode of wireless interfaces is not supported
    #[arg(long)]
    pub input_raw_monitor: bool,

    /// Accepted, no effect: timestamps are taken by the kernel when it handles the packet
    #[arg(long, value_name = "TYPE")]
    pub input_raw_timestamp_type: Option<String>,

    /// Accepted, no effect: the ledger and /metrics always count everything
    #[arg(long)]
    pub input_raw_stats: bool,

    /// Protocol to mirror: http
    ///
    /// The default is the only one. GoReplay's binary is refused: without messages there is nothing to replay or count.
    #[arg(
        long,
        value_name = "PROTOCOL",
        default_value = "http",
        hide_possible_values = true
    )]
    pub input_raw_protocol: ProtocolName,
}

/// Protocols by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProtocolName {
    /// HTTP/1.x
    Http,
    /// Anything
    Binary,
}
