//! `--middleware` and its flags.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::value::{duration, positive_size};

/// The middleware, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Middleware")]
pub struct MiddlewareFlags {
    /// Pipe every message through this program, which may modify, drop or add messages
    ///
    /// A command line, split into words as a shell does (quotes and backslashes; nothing else is expanded). It reads
    /// messages from standard input and writes those to forward to standard output, each as a line of hexadecimal
    /// digits: GoReplay middleware runs unchanged. See docs/middleware.md.
    #[arg(long, value_name = "COMMAND")]
    pub middleware: Option<String>,

    /// User that the middleware runs as: a name, UID or UID:GID
    ///
    /// It runs with that user's primary group only, without capabilities, and cannot gain any. The user must be able to
    /// read the program and its files; use --middleware-user root if only root can. [default: if the agent runs as root,
    /// the user who called sudo, or else nobody; if it does not, or its container lacks CAP_SETUID, CAP_SETGID or
    /// CAP_KILL, the agent's own user]
    #[arg(long, value_name = "USER")]
    pub middleware_user: Option<String>,

    /// Action when the middleware exits
    ///
    /// [default: stop, because a program that filters would let nothing unfiltered pass]
    #[arg(long, value_name = "WHAT", default_value = "stop", hide_default_value = true)]
    pub middleware_on_exit: OnExitName,

    /// Time to wait for the middleware to return a request
    ///
    /// A request that is not returned by then counts as filtered. The default is longer than a program needs unless it is
    /// stuck, and bounds the memory held if it is.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub middleware_timeout: Duration,

    /// Size of the middleware's queue
    ///
    /// When it is full, requests are dropped and counted as queue_full. The default holds a request of the largest default
    /// size, at two digits per byte.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub middleware_queue_size: usize,
}

/// Reactions to the exit of the middleware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnExitName {
    /// Stop with exit status 1; requests not yet returned are counted as middleware_ended
    Stop,
    /// Continue without it, including messages not yet returned
    Bypass,
}
