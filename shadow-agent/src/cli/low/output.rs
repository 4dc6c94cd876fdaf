//! The outputs.

use clap::{Args, ValueEnum};

use crate::cli::value::positive_size;

/// Where copies go, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Send copies to this HTTP upstream; may be repeated
    ///
    /// http or https (http when left out). A path is put before each request's own; user:password@ becomes
    /// Basic authentication. Requests of one connection arrive in their order. Behind the address, |10% sends a
    /// share of the requests, |100 at most so many a second, and |250% two copies of each and a third of every
    /// second one.
    #[arg(long, value_name = "URL")]
    pub output_http: Vec<String>,

    /// Send each request to one of the outputs, rather than to all of them
    ///
    /// round-robin (also: true) gives each its turn, connection keeps the requests of one production connection
    /// together.
    #[arg(long, value_name = "HOW", num_args = 0..=1, default_missing_value = "round-robin")]
    pub split_output: Option<SplitName>,

    /// Write requests to standard output, in GoReplay's record format
    ///
    /// Where it is a pipe and its reader goes away, the run ends, as programs do, with exit status 141; its ledger is written.
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

/// How requests are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SplitName {
    /// Each in its turn
    #[value(aliases = ["true", "t", "1"])]
    RoundRobin,
    /// All of a connection to one
    Connection,
    /// Not at all: each gets all of them
    #[value(aliases = ["f", "0"])]
    False,
}
