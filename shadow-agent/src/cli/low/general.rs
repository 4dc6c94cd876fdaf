//! The account, the end, and what is shown.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::value::duration;

/// The rest, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "General")]
pub struct General {
    /// Write the ledger to this file as JSON, at exit and on SIGUSR1
    ///
    /// The file is replaced atomically: a reader never sees half of it.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub ledger: Option<PathBuf>,

    /// Time for requests in flight to finish after SIGINT or SIGTERM
    ///
    /// Requests still in flight then are dropped and counted as shutdown. The default is twice that of
    /// --output-http-timeout, and well within the 30 s that Kubernetes waits.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub shutdown_timeout: Duration,

    /// Show a full-screen terminal UI
    ///
    /// Rates, drops by reason, latencies of both sides and, with --compare, the verdict and the differences found, with
    /// examples; press ? for the keys. Log lines appear in a pane, and on standard error once the UI closes. It needs a
    /// terminal of at least 80 by 24 on standard input and standard error. NO_COLOR turns colours off.
    #[arg(long, conflicts_with = "no_status")]
    pub ui: bool,

    /// Do not show the live status line
    ///
    /// It is shown only when standard error is a terminal.
    #[arg(long)]
    pub no_status: bool,
}
