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
    /// It is replaced as a whole, so that a reader never sees half of it.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub ledger: Option<PathBuf>,

    /// How long requests under way may take to end after SIGINT or SIGTERM
    ///
    /// What has not ended then is dropped and counted as shutdown. The default is twice that of
    /// --output-http-timeout, and well within the 30 s that Kubernetes waits.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub shutdown_timeout: Duration,

    /// Show the run on the whole of the terminal
    ///
    /// Rates, drops by reason, the times of both sides and, with --compare, the word and the differences that were found,
    /// with examples; ? there tells the keys. Log lines are in a pane of it, and on standard error once it ends. It needs a
    /// terminal of 80 by 24 at least, on standard error and input. Colours are left out where NO_COLOR is set.
    #[arg(long, conflicts_with = "no_status")]
    pub ui: bool,

    /// Draw no live status line
    ///
    /// It is only drawn when standard error is a terminal.
    #[arg(long)]
    pub no_status: bool,
}
