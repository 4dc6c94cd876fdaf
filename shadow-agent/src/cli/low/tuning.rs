//! Flags that tune how `GoReplay` captures by libpcap. There is no libpcap here: they are taken, and said to do nothing.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::value::duration;

/// Flags without a meaning here, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Taken from GoReplay, without a meaning here")]
#[expect(clippy::struct_excessive_bools, reason = "they are independent flags")]
pub struct TuningFlags {
    /// Taken and left unused: nothing is read in intervals, packets are seen as they come
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub input_raw_buffer_timeout: Option<Duration>,

    /// Taken and left unused: packets are always captured whole
    #[arg(long)]
    pub input_raw_override_snaplen: bool,

    /// Taken and left unused: capture needs no promiscuous mode, and never switches it on
    #[arg(long)]
    pub input_raw_promisc: bool,

    /// Taken and left unused: what wireless cards hear of others is not captured
    #[arg(long)]
    pub input_raw_monitor: bool,

    /// Taken and left unused: times are the kernel's, of when it handled the packet
    #[arg(long, value_name = "TYPE")]
    pub input_raw_timestamp_type: Option<String>,

    /// Taken and left unused: the ledger and /metrics always count everything
    #[arg(long)]
    pub input_raw_stats: bool,

    /// What connections carry: http
    ///
    /// The default is all there is. binary, which GoReplay takes too, is refused: without messages there is
    /// nothing to replay or count.
    #[arg(
        long,
        value_name = "PROTOCOL",
        default_value = "http",
        hide_possible_values = true
    )]
    pub input_raw_protocol: ProtocolName,
}

/// What connections carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProtocolName {
    /// HTTP/1.x
    Http,
    /// Anything
    Binary,
}
