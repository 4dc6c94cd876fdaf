//! One lane's records as a connection sees them, whatever the wire: which come next, and which have arrived.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::lanes::Lanes;
use crate::mirror::ledger::DropReason;

/// Bytes of records that are written at once, roughly.
pub(super) const BATCH: usize = 64 * 1024;

/// The sending end of a lane.
pub(super) struct LaneSender {
    lane: usize,
    lanes: Arc<Lanes>,
    /// Name of the output, for the log.
    pub output: String,
    /// How long the other side may take for a step.
    pub timeout: Duration,
    /// The name of this lane's session.
    pub session: String,
}

impl LaneSender {
    pub(super) fn new(
        lane: usize,
        lanes: Arc<Lanes>,
        output: String,
        timeout: Duration,
        session: String,
    ) -> Self {
        Self {
            lane,
            lanes,
            output,
            timeout,
            session,
        }
    }

    /// Resolves when there is a record behind the sequence `after`; `false` when there will be none.
    pub(super) async fn wait(&self, after: u64) -> bool {
        self.lanes.wait(self.lane, after).await
    }

    /// Records behind the sequence `after`, each with its own: a [`BATCH`] of them.
    pub(super) fn batch(&self, after: u64) -> Vec<(u64, Bytes)> {
        self.lanes.batch(self.lane, after, BATCH)
    }

    /// All up to this sequence have arrived.
    pub(super) fn delivered(&self, up_to: u64) {
        self.lanes.delivered(self.lane, up_to);
    }

    /// The sequence up to which all have arrived.
    pub(super) fn delivered_up_to(&self) -> u64 {
        self.lanes.delivered_up_to(self.lane)
    }

    /// The sequence of the latest record.
    pub(super) fn latest(&self) -> u64 {
        self.lanes.latest(self.lane)
    }

    /// Drops what has not arrived, up to this sequence; how many that were.
    pub(super) fn give_up(&self, up_to: u64, reason: DropReason) -> usize {
        self.lanes.give_up(self.lane, up_to, reason)
    }

    /// Records in all lanes of the output.
    pub(super) fn queued(&self) -> usize {
        self.lanes.len()
    }
}
