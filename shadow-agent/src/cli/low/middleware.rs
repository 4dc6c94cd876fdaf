//! `--middleware` and its flags.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::value::{duration, positive_size};

/// The middleware, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Middleware")]
pub struct MiddlewareFlags {
    /// Pass every message through this program, which may change it, keep it back or add others
    ///
    /// A command line, split into words as a shell does (quotes, backslashes; nothing else is expanded). It
    /// reads messages from its standard input and writes those that shall go on to its standard output, each as
    /// one line of hexadecimal digits: GoReplay's middleware runs unchanged. See docs/middleware.md.
    #[arg(long, value_name = "COMMAND")]
    pub middleware: Option<String>,

    /// The user that the middleware runs as: a name, UID or UID:GID
    ///
    /// It has that user's first group and no other, no capability, and cannot gain any. It must be able to read
    /// the program, and what the program reads: --middleware-user root is the way out where all is root's.
    /// [default: where the agent is root, who called sudo, or else nobody; where the agent is not root, or its
    /// container lacks CAP_SETUID, CAP_SETGID or CAP_KILL, the agent's own user]
    #[arg(long, value_name = "USER")]
    pub middleware_user: Option<String>,

    /// What follows when the middleware ends by itself
    ///
    /// [default: stop, since whoever filters by a program does not want what it would have kept back]
    #[arg(long, value_name = "WHAT", default_value = "stop", hide_default_value = true)]
    pub middleware_on_exit: OnExitName,

    /// How long a request is waited for
    ///
    /// One that does not come back by then counts as filtered. The default is above what a program takes
    /// that is not stuck, and bounds what is held for one that is.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub middleware_timeout: Duration,

    /// Bytes of messages that may wait for the middleware to read
    ///
    /// When it is slower, requests are dropped and counted as queue_full. The default holds a request of
    /// the largest default size, which takes two digits for each byte.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub middleware_queue_size: usize,
}

/// What can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnExitName {
    /// The run ends with exit status 1; what it had not given back is counted as middleware_ended
    Stop,
    /// Messages go on without it, those that it had not given back too
    Bypass,
}
