//! The outputs.

use clap::{Args, ValueEnum};

use crate::cli::value::positive_size;

/// Output flags, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Send copies to this HTTP upstream; may be repeated
    ///
    /// http or https (http if omitted). A path is prefixed to each request's path; user:password@ becomes Basic
    /// authentication. Requests of one connection arrive in order. After the address, |10% sends a share of the requests,
    /// |100 at most 100 per second, and |250% two copies of each and a third copy of every second one.
    #[arg(long, value_name = "URL")]
    pub output_http: Vec<String>,

    /// Split requests between the outputs instead of sending each to all of them
    #[arg(long, value_name = "HOW", num_args = 0..=1, default_missing_value = "round-robin")]
    pub split_output: Option<SplitName>,

    /// Write requests to standard output, as GoReplay's records
    ///
    /// If it is a pipe and its reader exits, the agent ends with exit status 141 after writing its ledger.
    #[arg(long)]
    pub output_stdout: bool,

    /// Size of the queue for standard output
    ///
    /// When it is full, requests are dropped and counted. The default holds one request of the largest default size.
    #[arg(long, value_name = "SIZE", default_value = "16mb", value_parser = positive_size)]
    pub output_stdout_queue_size: usize,

    /// Capture and count requests, send nothing
    #[arg(long)]
    pub output_null: bool,
}

/// Ways to split requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SplitName {
    /// Outputs take turns (also: true)
    #[value(aliases = ["true", "t", "1"])]
    RoundRobin,
    /// All requests of a production connection go to the same output
    Connection,
    /// Every output gets all requests
    #[value(aliases = ["f", "0"])]
    False,
}
