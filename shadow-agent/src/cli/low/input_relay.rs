//! The flags of `--input-tcp` and `--input-http`; they apply to every one of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::value::{positive_duration, positive_size};

/// Relay input flags, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Relay input (each --input-tcp)")]
pub struct InputRelay {
    /// Receive what another agent, or GoReplay, sends with --output-tcp; may be repeated
    ///
    /// 127.0.0.1:28020 listens on loopback only; :28020 listens on all addresses of this machine, as in GoReplay. Records
    /// from a sender with --output-tcp-ack are acknowledged.
    #[arg(long, value_name = "ADDRESS")]
    pub input_tcp: Vec<String>,

    /// Use TLS; requires a certificate and its key
    #[arg(long, requires_all = ["input_tcp_certificate", "input_tcp_certificate_key"])]
    pub input_tcp_secure: bool,

    /// Server certificate with its chain (PEM file)
    #[arg(long, value_name = "FILE", requires = "input_tcp_secure")]
    pub input_tcp_certificate: Option<PathBuf>,

    /// Private key of the certificate (PEM file)
    #[arg(long, value_name = "FILE", requires = "input_tcp_secure")]
    pub input_tcp_certificate_key: Option<PathBuf>,

    /// Require client certificates issued by these CAs (PEM file)
    #[arg(long, value_name = "FILE", requires = "input_tcp_secure")]
    pub input_tcp_client_ca: Option<PathBuf>,

    /// Most connections at a time
    ///
    /// Beyond this, the connection idle for longest is closed to make room; if none is idle, the new one is closed. Both are
    /// counted. The default is enough for 25 senders with GoReplay's ten connections.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub input_tcp_max_connections: u32,

    /// Largest record payload accepted
    ///
    /// A larger one closes its connection and is counted. The default fits the default --max-body and --max-head.
    #[arg(long, value_name = "SIZE", default_value = "17mb", value_parser = positive_size)]
    pub input_tcp_max_record: usize,

    /// Buffer for records that are incomplete or waiting to be processed
    ///
    /// Senders wait while it is full; half of it is for incomplete records. The default is that of an HTTP output's queue.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub input_tcp_buffer_size: usize,

    /// Time for a handshake, for a record once it has started, and for sending an acknowledgment
    ///
    /// A connection between records may stay idle. The default is longer than retransmitting a lost packet takes.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = positive_duration)]
    pub input_tcp_timeout: Duration,

    /// Most sessions of senders with --output-tcp-ack to remember
    ///
    /// Each connection of such a sender has a session, by which resent records are recognized. The least recently used one
    /// is forgotten first. The default is enough for 100 senders with ten connections.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub input_tcp_max_sessions: u32,
}

/// HTTP input flags, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP input (each --input-http)")]
pub struct InputHttp {
    /// Mirror requests sent to this address, and respond to each with 200 OK; may be repeated
    ///
    /// For proxies that can send copies themselves. 127.0.0.1:8081 listens on loopback only; :8081 listens on all
    /// addresses of this machine, as in GoReplay. The response says that the request was received, nothing about the
    /// shadow's response.
    #[arg(long, value_name = "ADDRESS")]
    pub input_http: Vec<String>,

    /// Most connections at a time
    ///
    /// Beyond this, the connection idle for longest is closed to make room; if none is idle, the new one is closed. Both are
    /// counted. The default is what a proxy with 16 workers keeps open to a busy upstream.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub input_http_max_connections: u32,

    /// Time to receive a request once it has started, and to send its response
    ///
    /// Beyond it the connection is closed and the request counted as truncated. The default is common among servers.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = positive_duration)]
    pub input_http_timeout: Duration,

    /// Time a connection may be idle between requests
    ///
    /// The default is nginx's keepalive_timeout.
    #[arg(long, value_name = "DURATION", default_value = "75s", value_parser = positive_duration)]
    pub input_http_idle_timeout: Duration,
}
