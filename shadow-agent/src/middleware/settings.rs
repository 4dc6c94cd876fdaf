//! Options of the program that messages pass through.

use std::time::Duration;

/// `--middleware`.
#[derive(Clone, Debug, PartialEq)]
pub struct MiddlewareSettings {
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// As whom it runs, where that is said.
    pub user: Option<RunAs>,
    /// Reaction to its exit.
    pub on_exit: OnExit,
    /// How long a message is waited for.
    pub timeout: Duration,
    /// Bytes of lines that may wait for it to read.
    pub queue_bytes: usize,
}

/// A user that a program is started as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAs {
    /// As typed, for messages.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of its one group.
    pub gid: u32,
}

/// Reactions to the exit of the middleware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExit {
    /// The run ends.
    Stop,
    /// Messages go on without it.
    Bypass,
}
