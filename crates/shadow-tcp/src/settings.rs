//! Options of following connections.

use std::time::Duration;

/// Bounds of the connection table, over all shards.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionSettings {
    /// Connections followed at once; beyond, the one quiet for longest is evicted.
    pub max_connections: usize,
    /// A connection without a segment for so long is forgotten.
    pub idle_timeout: Duration,
    /// How long a hole may stay open while later bytes wait behind it.
    pub gap_timeout: Duration,
    /// Bytes that may wait behind a hole in one direction of one connection.
    pub max_out_of_order: usize,
}
