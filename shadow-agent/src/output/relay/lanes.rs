//! The queues of an output that sends over several connections: a lane for each, all bounded together.
//!
//! A record stays in its lane until it is known to have arrived, as far as the wire can tell; a connection that is lost
//! sends what is left again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::mirror::MessageId;
use crate::mirror::ledger::{DropReason, Outcome, Ticket};

/// The lanes. Shared by shards, which put records in, and by connections, which send them.
pub(super) struct Lanes {
    state: Mutex<State>,
    /// One for each lane: told when there is something in it.
    more: Vec<Notify>,
    bounds: Bounds,
}

/// Limits of the queue, and the choice of a lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Records, over all lanes.
    pub records: usize,
    /// Bytes, over all lanes.
    pub bytes: usize,
    /// Lanes; one at least.
    pub lanes: usize,
    /// Whether a record's name says its lane; they take turns otherwise.
    pub sticky: bool,
}

#[derive(Default)]
struct State {
    lanes: Vec<Lane>,
    records: usize,
    bytes: usize,
    turn: usize,
    ended: bool,
}

#[derive(Default)]
struct Lane {
    entries: VecDeque<Entry>,
    /// Sequence of the latest entry.
    latest: u64,
    /// All up to this sequence have arrived.
    delivered: u64,
}

struct Entry {
    sequence: u64,
    record: Bytes,
    owner: Arc<Owner>,
    /// `None` for a response, which the ledger does not count.
    ticket: Option<Ticket>,
}

impl Entry {
    fn settle(self, outcome: Outcome) {
        if let Some(ticket) = self.ticket {
            ticket.settle(outcome);
        }
        if self.owner.open.fetch_sub(1, Relaxed) == 1 {
            self.owner.settled.notify_one();
        }
    }
}

/// A shard that puts records in.
#[derive(Default)]
pub(super) struct Owner {
    open: AtomicUsize,
    settled: Notify,
}

impl Owner {
    /// Resolves when nothing of this shard waits.
    pub(super) async fn drained(&self) {
        loop {
            // Listens before it looks, so that nothing is missed in between.
            let settled = self.settled.notified();
            if self.open.load(Relaxed) == 0 {
                return;
            }
            settled.await;
        }
    }
}

impl Lanes {
    pub(super) fn new(bounds: Bounds) -> Self {
        let state = State {
            lanes: (0..bounds.lanes).map(|_| Lane::default()).collect(),
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
            more: (0..bounds.lanes).map(|_| Notify::new()).collect(),
            bounds,
        }
    }

    /// Puts a record in, which `make` makes of about `bytes` bytes where there is room. What finds no room is dropped.
    pub(super) fn put(
        &self,
        id: &MessageId,
        bytes: usize,
        make: impl FnOnce() -> Vec<u8>,
        owner: &Arc<Owner>,
        ticket: Option<Ticket>,
    ) {
        // Asked before the record is made: a full queue must not cost a copy of every body.
        if !self.lock().has_room(bytes, &self.bounds) {
            return drop_ticket(ticket);
        }
        let record = Bytes::from(make());
        let lane = {
            let mut state = self.lock();
            if !state.has_room(record.len(), &self.bounds) {
                return drop_ticket(ticket);
            }
            let index = if self.bounds.sticky {
                lane_of(id, self.bounds.lanes)
            } else {
                state.turn = (state.turn + 1) % self.bounds.lanes;
                state.turn
            };
            state.records += 1;
            state.bytes += record.len();
            owner.open.fetch_add(1, Relaxed);
            let lane = &mut state.lanes[index];
            lane.latest += 1;
            lane.entries.push_back(Entry {
                sequence: lane.latest,
                record,
                owner: Arc::clone(owner),
                ticket,
            });
            index
        };
        self.more[lane].notify_one();
    }

    /// Whether a source that can wait should not.
    pub(super) fn has_room(&self) -> bool {
        let state = self.lock();
        state.records < self.bounds.records / 2 + 1 && state.bytes < self.bounds.bytes / 2 + 1
    }

    /// Records that wait for their arrival.
    pub(super) fn len(&self) -> usize {
        self.lock().records
    }

    /// Records of one lane with sequences behind `after`, of about `bytes` bytes together.
    pub(super) fn batch(&self, lane: usize, after: u64, bytes: usize) -> Vec<(u64, Bytes)> {
        let state = self.lock();
        let entries = &state.lanes[lane].entries;
        let mut size = 0;
        let start = entries.partition_point(|entry| entry.sequence <= after);
        entries
            .range(start..)
            .take_while(|entry| {
                let fits = size < bytes;
                size += entry.record.len();
                fits
            })
            .map(|entry| (entry.sequence, entry.record.clone()))
            .collect()
    }

    /// Waits until a lane has a record with a sequence behind `after`; `false` when the output ended.
    pub(super) async fn wait(&self, lane: usize, after: u64) -> bool {
        loop {
            {
                let state = self.lock();
                if state.ended {
                    return false;
                }
                if state.lanes[lane]
                    .entries
                    .back()
                    .is_some_and(|entry| entry.sequence > after)
                {
                    return true;
                }
            }
            self.more[lane].notified().await;
        }
    }

    /// The records of a lane up to this sequence have arrived.
    pub(super) fn delivered(&self, lane: usize, up_to: u64) {
        let mut state = self.lock();
        let delivered = &mut state.lanes[lane].delivered;
        *delivered = up_to.max(*delivered);
        state.settle(lane, up_to, Outcome::Delivered);
    }

    /// Drops the records of a lane up to this sequence that have not arrived, and gives how many those are.
    pub(super) fn give_up(&self, lane: usize, up_to: u64, reason: DropReason) -> usize {
        self.lock().settle(lane, up_to, Outcome::Dropped(reason))
    }

    /// Sequence of the latest record that was put in a lane.
    pub(super) fn latest(&self, lane: usize) -> u64 {
        self.lock().lanes[lane].latest
    }

    /// The sequence up to which the records of a lane have arrived.
    pub(super) fn delivered_up_to(&self, lane: usize) -> u64 {
        self.lock().lanes[lane].delivered
    }

    /// Drops all that a shard has put in and that has not arrived.
    pub(super) fn abort(&self, owner: &Arc<Owner>, reason: DropReason) {
        let mut state = self.lock();
        for index in 0..state.lanes.len() {
            for entry in std::mem::take(&mut state.lanes[index].entries) {
                if Arc::ptr_eq(&entry.owner, owner) {
                    state.forget(&entry);
                    entry.settle(Outcome::Dropped(reason));
                } else {
                    state.lanes[index].entries.push_back(entry);
                }
            }
        }
    }

    /// Nothing more is put in, and nothing waits: connections end.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        for more in &self.more {
            more.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self, bytes: usize, bounds: &Bounds) -> bool {
        self.records < bounds.records && self.bytes.saturating_add(bytes) <= bounds.bytes
    }

    fn settle(&mut self, lane: usize, up_to: u64, outcome: Outcome) -> usize {
        let mut settled = 0;
        while let Some(first) = self.lanes[lane].entries.front()
            && first.sequence <= up_to
            && let Some(entry) = self.lanes[lane].entries.pop_front()
        {
            self.forget(&entry);
            entry.settle(outcome);
            settled += 1;
        }
        settled
    }

    fn forget(&mut self, entry: &Entry) {
        self.records -= 1;
        self.bytes -= entry.record.len();
    }
}

fn drop_ticket(ticket: Option<Ticket>) {
    if let Some(ticket) = ticket {
        ticket.settle(Outcome::Dropped(DropReason::QueueFull));
    }
}

/// The lane of a name: FNV-1a of 32 bits, as `GoReplay` chooses its worker.
fn lane_of(id: &MessageId, lanes: usize) -> usize {
    let hash = id.to_string().bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash as usize % lanes
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
