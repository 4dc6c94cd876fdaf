//! One production connection's reader: HTTP events in, tickets and exchanges out.

/// What the connections of one shard share.
pub struct Shard;

/// The stream handler of one connection.
pub struct Connection;
