//! Reading production's TLS: where its secrets come from.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::value::positive_duration;

/// Flags of reading TLS, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "TLS (each --input-raw)")]
pub struct TlsFlags {
    /// Decrypt the TLS connections of production: auto, off
    ///
    /// auto finds the processes that listen on the ports of --input-raw, and takes the secrets of each handshake from
    /// their TLS library or executable, in the kernel and without their private keys. They pay for it once a
    /// handshake, and nothing for a request. Processes that start later are found too. What can be read, and which
    /// rights it needs: docs/tls.md and 'shadow-agent doctor'. Off by default: that the content of encrypted
    /// connections leaves production is a decision.
    #[arg(
        long,
        value_name = "MODE",
        default_value = "off",
        env = "SHADOW_AGENT_INPUT_RAW_TLS",
        hide_env_values = true,
        hide_possible_values = true
    )]
    pub input_raw_tls: TlsMode,

    /// Take secrets from this TLS library or executable too; may be repeated
    ///
    /// For a file that auto does not find, as in a container that this agent may not look into. As with auto, only the
    /// processes that listen on the ports of --input-raw give secrets. Without --input-raw-tls auto, no other files
    /// are used.
    #[arg(long, value_name = "FILE")]
    pub input_raw_tls_library: Vec<PathBuf>,

    /// Take secrets even where that is expensive
    ///
    /// Where the kernel cannot emulate any instruction that a probe may stand on, each call of that function costs
    /// production some 12 us more: at one handshake per request that doubles its CPU time. By default such a process
    /// is not read, and named at startup.
    #[arg(long)]
    pub input_raw_tls_insist: bool,

    /// Read secrets from this key log file, or FIFO; may be repeated
    ///
    /// In the format of NSS, as written by OpenSSL, curl, Firefox (SSLKEYLOGFILE), and agents for Java. The file is
    /// followed while it grows, and when it is replaced; it need not exist yet. For live capture, and for capture
    /// files. Secrets that a pcapng file contains are used without this flag.
    #[arg(long, value_name = "FILE")]
    pub input_raw_tls_keylog: Vec<PathBuf>,

    /// Time to wait for the secrets of a connection
    ///
    /// Encrypted data waits in memory (--max-memory) until its secret arrives; then the connection is skipped and
    /// counted as tls_no_secret or tls_secret_lost. The default is far above what was measured on an overloaded
    /// machine: 75 ms.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = positive_duration)]
    pub input_raw_tls_wait: Duration,

    /// Most secrets kept
    ///
    /// Beyond it the oldest is forgotten. A connection needs up to five, and only for as long as it takes to find
    /// them. The default takes 20 MiB at most, and holds the key log of a large capture file.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub input_raw_tls_secrets: u32,
}

/// Whether processes are looked for whose secrets can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TlsMode {
    /// They are found by the ports that they listen on
    Auto,
    /// They are not
    Off,
}
