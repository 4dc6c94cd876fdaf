//! The flags of `--output-tcp` and `--output-ws`; they apply to every one of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::value::{positive_duration, positive_size};

/// Relay output flags, as typed.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Relay output (each --output-tcp)")]
pub struct OutputTcp {
    /// Send requests and responses to another agent, or GoReplay, with --input-tcp; may be repeated
    #[arg(long, value_name = "HOST:PORT")]
    pub output_tcp: Vec<String>,

    /// Require acknowledgments from the other agent
    ///
    /// A request counts as delivered once the other agent has counted it; unacknowledged records are sent again when a
    /// connection is lost, and accepted only once. GoReplay does not acknowledge.
    #[arg(long)]
    pub output_tcp_ack: bool,

    /// Use TLS
    #[arg(long)]
    pub output_tcp_secure: bool,

    /// Do not verify the peer's TLS certificate
    #[arg(long, requires = "output_tcp_secure")]
    pub output_tcp_skip_verify: bool,

    /// Trust these CAs (PEM file)
    ///
    /// By default those of this machine are trusted.
    #[arg(
        long,
        value_name = "FILE",
        requires = "output_tcp_secure",
        conflicts_with = "output_tcp_skip_verify"
    )]
    pub output_tcp_ca: Option<PathBuf>,

    /// Client certificate (PEM file)
    #[arg(long, value_name = "FILE", requires_all = ["output_tcp_secure", "output_tcp_certificate_key"])]
    pub output_tcp_certificate: Option<PathBuf>,

    /// Private key of the certificate (PEM file)
    #[arg(long, value_name = "FILE", requires = "output_tcp_certificate")]
    pub output_tcp_certificate_key: Option<PathBuf>,

    /// Number of connections
    ///
    /// Each is opened on first use. The default is GoReplay's.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub output_tcp_workers: u32,

    /// Send all messages of an exchange over the same connection
    ///
    /// By default connections take turns. The connection is selected as in GoReplay: 32-bit FNV-1a of the message's id.
    #[arg(long)]
    pub output_tcp_sticky: bool,

    /// Length of the queue, in records
    ///
    /// When it is full, records are dropped and counted: it never delays production or another output. The default holds two
    /// seconds at 5,000 requests per second.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub output_tcp_queue_len: u32,

    /// Size of the queue, in bytes
    ///
    /// With --output-tcp-ack records stay in it until they are acknowledged. The default is that of an HTTP output.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub output_tcp_queue_size: usize,

    /// Time to connect, and time without progress in sending before reconnecting
    ///
    /// With --output-tcp-ack, records that are not acknowledged within three times this are sent again, and after three silent
    /// connections in a row dropped (timeout). The default outlives a few lost packets.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = positive_duration)]
    pub output_tcp_timeout: Duration,

    /// Log the length of the queue every five seconds
    #[arg(long)]
    pub output_tcp_stats: bool,
}

/// WebSocket output flags, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "WebSocket output (each --output-ws)")]
pub struct OutputWs {
    /// Send requests and responses to this WebSocket server, each as a binary message; may be repeated
    ///
    /// ws:// or wss://. user:password@ becomes Basic authentication.
    #[arg(long, value_name = "URL")]
    pub output_ws: Vec<String>,

    /// Do not verify the server's TLS certificate
    #[arg(long)]
    pub output_ws_skip_verify: bool,

    /// Trust these CAs (PEM file)
    ///
    /// By default those of this machine are trusted.
    #[arg(long, value_name = "FILE", conflicts_with = "output_ws_skip_verify")]
    pub output_ws_ca: Option<PathBuf>,

    /// Number of connections
    ///
    /// Each is opened on first use. The default is GoReplay's.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub output_ws_workers: u32,

    /// Send all messages of an exchange over the same connection
    ///
    /// By default connections take turns.
    #[arg(long)]
    pub output_ws_sticky: bool,

    /// Length of the queue, in records
    ///
    /// When it is full, records are dropped and counted. The default is that of --output-tcp.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub output_ws_queue_len: u32,

    /// Size of the queue, in bytes
    ///
    /// The default is that of an HTTP output.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub output_ws_queue_size: usize,

    /// Time to connect, and time without progress in sending before reconnecting
    ///
    /// The default outlives a few lost packets.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = positive_duration)]
    pub output_ws_timeout: Duration,

    /// Log the length of the queue every five seconds
    #[arg(long)]
    pub output_ws_stats: bool,
}
