//! The flags of `--output-tcp` and `--output-ws`; they apply to every one of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::value::{positive_duration, positive_size};

/// How messages reach another agent, as typed.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output to agents (each --output-tcp)")]
pub struct OutputTcp {
    /// Send requests and responses to another agent, or GoReplay, with --input-tcp; may be repeated
    #[arg(long, value_name = "HOST:PORT")]
    pub output_tcp: Vec<String>,

    /// Let the other agent acknowledge what it takes
    ///
    /// A request counts as delivered when the other agent has counted it; what was under way when a connection is
    /// lost is sent again, and taken once. GoReplay does not acknowledge.
    #[arg(long)]
    pub output_tcp_ack: bool,

    /// Speak TLS with the other side
    #[arg(long)]
    pub output_tcp_secure: bool,

    /// Do not verify the other side's TLS certificate
    #[arg(long, requires = "output_tcp_secure")]
    pub output_tcp_skip_verify: bool,

    /// Believe certificates of these authorities: a PEM file
    ///
    /// By default those of this machine.
    #[arg(
        long,
        value_name = "FILE",
        requires = "output_tcp_secure",
        conflicts_with = "output_tcp_skip_verify"
    )]
    pub output_tcp_ca: Option<PathBuf>,

    /// Certificate to show when the other side asks for one: a PEM file
    #[arg(long, value_name = "FILE", requires_all = ["output_tcp_secure", "output_tcp_certificate_key"])]
    pub output_tcp_certificate: Option<PathBuf>,

    /// Its private key: a PEM file
    #[arg(long, value_name = "FILE", requires = "output_tcp_certificate")]
    pub output_tcp_certificate_key: Option<PathBuf>,

    /// Connections
    ///
    /// Each is opened when there is something to send. The default is GoReplay's.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub output_tcp_workers: u32,

    /// Send all messages of one exchange over one connection
    ///
    /// By default connections take turns. The connection is GoReplay's: FNV-1a of the message's id, of 32 bits.
    #[arg(long)]
    pub output_tcp_sticky: bool,

    /// Records that may wait
    ///
    /// A full queue drops and counts: it never holds back production or another output. The default is two seconds of
    /// 5,000 requests a second.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub output_tcp_queue_len: u32,

    /// Bytes of records that may wait
    ///
    /// With --output-tcp-ack they wait until they are acknowledged. The default is that of an HTTP output.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub output_tcp_queue_size: usize,

    /// Time to connect, and how long the other side may take nothing before the connection is opened again
    ///
    /// With --output-tcp-ack also when nothing is heard, for three times as long, of what was sent: it is sent again then.
    /// The default outlives a few lost packets.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = positive_duration)]
    pub output_tcp_timeout: Duration,

    /// Log how many records wait, every five seconds
    #[arg(long)]
    pub output_tcp_stats: bool,
}

/// How messages reach a WebSocket server, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output to WebSocket servers (each --output-ws)")]
pub struct OutputWs {
    /// Send requests and responses to this WebSocket server, each as a binary message; may be repeated
    ///
    /// ws or wss. user:password@ becomes Basic authentication.
    #[arg(long, value_name = "URL")]
    pub output_ws: Vec<String>,

    /// Do not verify the server's TLS certificate
    #[arg(long)]
    pub output_ws_skip_verify: bool,

    /// Believe certificates of these authorities: a PEM file
    ///
    /// By default those of this machine.
    #[arg(long, value_name = "FILE", conflicts_with = "output_ws_skip_verify")]
    pub output_ws_ca: Option<PathBuf>,

    /// Connections
    ///
    /// Each is opened when there is something to send. The default is GoReplay's.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub output_ws_workers: u32,

    /// Send all messages of one exchange over one connection
    ///
    /// By default connections take turns.
    #[arg(long)]
    pub output_ws_sticky: bool,

    /// Records that may wait
    ///
    /// A full queue drops and counts. The default is that of --output-tcp.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub output_ws_queue_len: u32,

    /// Bytes of records that may wait
    ///
    /// The default is that of an HTTP output.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub output_ws_queue_size: usize,

    /// Time to connect, and how long the server may take nothing before the connection is opened again
    ///
    /// The default outlives a few lost packets.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = positive_duration)]
    pub output_ws_timeout: Duration,

    /// Log how many records wait, every five seconds
    #[arg(long)]
    pub output_ws_stats: bool,
}
