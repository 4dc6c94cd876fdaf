//! The phases of a run, told to every shard.

use tokio::time::Instant;

/// A phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Capturing.
    Running,
    /// Capture has ended; what is under way may take until then.
    Draining(Instant),
}
