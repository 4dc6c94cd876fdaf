//! The outputs.

use clap::Args;

use crate::cli::value::positive_size;

/// Where copies go, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Send copies to this HTTP upstream; may be repeated
    ///
    /// http or https (http when left out). A path is put before each request's own; user:password@ becomes
    /// Basic authentication. Requests of one connection arrive in their order.
    #[arg(long, value_name = "URL")]
    pub output_http: Vec<String>,

    /// Write requests to standard output, in GoReplay's record format
    #[arg(long)]
    pub output_stdout: bool,

    /// Bytes that may wait for standard output
    ///
    /// When its reader is slower, requests are dropped and counted rather than held. The default holds one
    /// request of the largest default size.
    #[arg(long, value_name = "SIZE", default_value = "16mb", value_parser = positive_size)]
    pub output_stdout_queue_size: usize,

    /// Capture and account, send nothing anywhere
    #[arg(long)]
    pub output_null: bool,
}
