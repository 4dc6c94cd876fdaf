//! Where copies go. Each output has its own bounded queue; a full queue is a counted drop, never
//! back-pressure into capture.
//!
//! An output has two halves: what all shards share (limits, breaker, the one writer of standard output),
//! built once by [`Outputs::new`], and what lives on one shard's thread ([`ShardOutput`]), where nothing
//! needs a lock.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use crate::capture::OwnConnections;
use crate::mirror::Exchange;
use crate::mirror::ledger::Ticket;
use crate::settings::OutputSettings;

/// One output on one shard's thread. Runs inside a tokio `LocalSet` on a current-thread runtime.
pub trait ShardOutput {
    /// Takes a request. Never waits and never fails: what cannot be queued is settled as dropped at once.
    /// Called once per request, in the order of each connection.
    fn offer(&self, exchange: &Rc<Exchange>, ticket: Ticket);

    /// Nothing more will be offered: resolves when every ticket is settled. The caller bounds the wait.
    fn drain(&self) -> Pin<Box<dyn Future<Output = ()> + '_>>;

    /// Settles everything that is still queued or under way as [`DropReason::Shutdown`], at once.
    ///
    /// [`DropReason::Shutdown`]: crate::mirror::ledger::DropReason::Shutdown
    fn abort(&self);
}

/// What an output can say of itself at this moment, for the status line and the logs.
#[derive(Clone, Debug, Default)]
pub struct OutputStatus {
    /// Requests waiting.
    pub queued: usize,
    /// Requests under way.
    pub active: usize,
    /// Connections opened since the start.
    pub connections_opened: u64,
    /// Connections open now.
    pub connections_open: usize,
    /// Whether the circuit breaker keeps requests back.
    pub breaker_open: bool,
    /// Median and 99th percentile of the exchange time since the last call, in microseconds.
    pub latency_us: Option<(u64, u64)>,
}

/// The shared halves of all outputs of a run, in the order of the settings.
pub struct Outputs {}

impl Outputs {
    /// Builds every output. Nothing is connected yet; what can be known to be wrong is an error here.
    pub fn new(settings: &[OutputSettings], own: &OwnConnections, shards: usize) -> anyhow::Result<Self> {
        let _ = (settings, own, shards);
        Ok(Self {})
    }

    /// The names of the outputs as the ledger shows them.
    pub fn names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The halves for one shard, in the same order. Call it on that shard's thread, inside its `LocalSet`.
    pub fn shard(&self) -> Vec<Box<dyn ShardOutput>> {
        Vec::new()
    }

    /// How each output does at this moment, in the same order.
    pub fn status(&self) -> Vec<OutputStatus> {
        Vec::new()
    }
}
