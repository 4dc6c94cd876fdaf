//! `--middleware`: a program of the user's through which every message passes, to look at it, change it, keep it back or
//! add others.
//!
//! One process serves all shards: a thread writes lines ([`line`]) to its standard input, another reads what comes back,
//! and each message that comes back goes to the shard it came from. A message that waits for its program is held by its
//! shard, with its claim in the ledger: so a program that is slow, silent or dead costs counted requests, and nothing else.
//! The shadow's answer is given to it behind production's ([`pairs`]).

mod line;
mod pairs;
mod process;
mod settings;
mod shard;
mod user;

pub use process::{Middleware, MiddlewareCounters};
pub use settings::{MiddlewareSettings, OnExit, RunAs};
pub use shard::ShardMiddleware;
