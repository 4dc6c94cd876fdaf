//! Bounds of one connection and of the store, each with its reason.

use std::time::Duration;

/// Bounds of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// How long records wait for their secret. Under overload a secret was read 75 ms behind the records that it opens; a key
    /// log that a slow program flushes by the second comes later. Default: 3 s.
    pub max_wait: Duration,
    /// Bytes of records that wait for their secret in one direction. Default: 16 MiB, which an upload at 10 Gbit/s sends in
    /// 13 ms: some five pass until a secret is used, more on a busy machine. All are within the memory budget besides.
    pub max_waiting: usize,
    /// Secrets of unknown handshakes that are tried at most for each direction and stage of this connection. A try costs
    /// about 2 us. Default: 4096.
    pub max_trials: u32,
    /// Whether secrets of whoever serves the connection are taken: then one that does not come is
    /// [lost](crate::Unreadable::SecretLost), and otherwise there [is none](crate::Unreadable::NoSecret).
    pub expected: bool,
    /// Whether the server's data is wanted. Without it no more of what the server sends is opened, or kept, than the
    /// client's data needs. Default: it is.
    pub answers: bool,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_secs(3),
            max_waiting: 16 << 20,
            max_trials: 4096,
            expected: false,
            answers: true,
        }
    }
}

/// Bounds of what is kept of secrets that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Secrets that are kept; beyond it the oldest go. About 250 bytes each. Default: 65,536, which are 13,000 handshakes of
    /// a key log with five lines each.
    pub max_secrets: usize,
    /// How long one is kept. A secret opens records of its own handshake, which is under way when it comes, or was a
    /// moment ago. Default: 60 s; [`Duration::MAX`] where a file has the secrets of all connections.
    pub max_age: Duration,
    /// How long one of an [unknown](crate::Handshake::Unknown) handshake is tried: each costs every connection that
    /// waits a trial. Default: 10 s.
    pub max_candidate_age: Duration,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            max_secrets: 65_536,
            max_age: Duration::from_mins(1),
            max_candidate_age: Duration::from_secs(10),
        }
    }
}
