//! The flags of `--input-tcp` and `--input-http`; they apply to every one of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::value::{positive_duration, positive_size};

/// What other agents send, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Relay input (each --input-tcp)")]
pub struct InputRelay {
    /// Take what another agent, or GoReplay, sends with --output-tcp; may be repeated
    ///
    /// 127.0.0.1:28020 listens on loopback alone; :28020 listens on every address of this machine, as it does in
    /// GoReplay. A sender with --output-tcp-ack gets its acknowledgments.
    #[arg(long, value_name = "ADDRESS")]
    pub input_tcp: Vec<String>,

    /// Speak TLS with those who connect; wants a certificate and its key
    #[arg(long, requires_all = ["input_tcp_certificate", "input_tcp_certificate_key"])]
    pub input_tcp_secure: bool,

    /// Certificate to show, with those that lead to its authority: a PEM file
    #[arg(long, value_name = "FILE", requires = "input_tcp_secure")]
    pub input_tcp_certificate: Option<PathBuf>,

    /// Its private key: a PEM file
    #[arg(long, value_name = "FILE", requires = "input_tcp_secure")]
    pub input_tcp_certificate_key: Option<PathBuf>,

    /// Let only those connect who have a certificate of these authorities: a PEM file
    #[arg(long, value_name = "FILE", requires = "input_tcp_secure")]
    pub input_tcp_client_ca: Option<PathBuf>,

    /// Connections at once
    ///
    /// For one that comes on top, the one that has been silent for longest is closed; where none is silent, it is closed
    /// itself. Both are counted. The default is 25 senders with GoReplay's ten connections.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub input_tcp_max_connections: u32,

    /// Largest payload that is taken
    ///
    /// A larger one closes its connection and is counted. The default is what --max-body and --max-head let pass by
    /// default.
    #[arg(long, value_name = "SIZE", default_value = "17mb", value_parser = positive_size)]
    pub input_tcp_max_record: usize,

    /// Bytes of records that are not whole yet, or wait to be taken
    ///
    /// Senders wait while it is full; half of it is for those that are not whole. The default is that of an HTTP
    /// output's queue.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub input_tcp_buffer_size: usize,

    /// How long a handshake may take, a record once it has begun, and an acknowledgment to leave
    ///
    /// A connection without a record under way may be silent for as long as it likes. The default is longer than a
    /// lost packet holds up anything.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = positive_duration)]
    pub input_tcp_timeout: Duration,

    /// Sessions of senders with --output-tcp-ack that are remembered
    ///
    /// Each connection of such a sender has one, and what it sends again is known by it. The one that was not used for
    /// longest is forgotten first. The default is 100 senders with ten connections.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub input_tcp_max_sessions: u32,
}

/// Requests that are sent to the agent itself, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP input (each --input-http)")]
pub struct InputHttp {
    /// Mirror the requests that are sent to this address, and answer each with 200 OK; may be repeated
    ///
    /// For proxies that can send a copy themselves. 127.0.0.1:8081 listens on loopback alone; :8081 listens on every
    /// address of this machine, as it does in GoReplay. The answer says that the request came, and nothing of what the
    /// shadow makes of it.
    #[arg(long, value_name = "ADDRESS")]
    pub input_http: Vec<String>,

    /// Connections at once
    ///
    /// For one that comes on top, the one that has been silent for longest is closed; where none is silent, it is closed
    /// itself. Both are counted. The default is what a proxy of 16 workers keeps open to an upstream that is busy.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub input_http_max_connections: u32,

    /// How long a request may take to come once it has begun, and its answer to leave
    ///
    /// What takes longer is closed, and the request counted as truncated. The default is what servers give a client.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = positive_duration)]
    pub input_http_timeout: Duration,

    /// How long a connection may be silent between requests
    ///
    /// The default is nginx's keepalive_timeout.
    #[arg(long, value_name = "DURATION", default_value = "75s", value_parser = positive_duration)]
    pub input_http_idle_timeout: Duration,
}
