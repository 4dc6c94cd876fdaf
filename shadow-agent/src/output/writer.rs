//! A bounded queue of records, and the one thread that writes them: what standard output and files have in common.
//!
//! Shards put records in the queue without encoding them; the thread takes all that is there, hands it to a [`Sink`],
//! and settles the tickets once the sink has put their bytes in the kernel. A sink that is slow fills the queue, and a
//! full queue is a counted drop. One that fails costs what it was about to write ([`DropReason::WriteError`]); it decides
//! itself when it tries again. Nothing of it reaches production.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::Context;
use tokio::sync::Notify;

use super::OutputStatus;
use crate::mirror::ledger::{DropReason, Outcome, Ticket};
use crate::mirror::{Exchange, ExchangeResponse, ShardOutput};
use crate::recording::{Expected, Numbered, Pairing, Record, Recorded};

/// Bytes of records taken from the queue at once, roughly.
const BATCH: usize = 256 * 1024;

/// Where encoded records go. Only the writing thread knows it.
pub(super) trait Sink: Send + 'static {
    /// Encodes an exchange into what is to be committed, or says why it cannot.
    fn add(&mut self, recorded: &Recorded) -> Result<(), DropReason>;

    /// When [`commit`](Self::commit) is to be called; `None` while nothing is there to be committed. A time that has
    /// passed means: as soon as no more records wait.
    fn due(&self) -> Option<Instant>;

    /// Whether so much is there that it is to be committed before anything is added.
    fn is_full(&self) -> bool;

    /// Hands to the kernel what was added since the last time, whole or not at all. After an error it is gone.
    fn commit(&mut self) -> Result<(), DropReason>;
}

/// The half that all shards share.
pub(super) struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    /// Starts the thread. `pairs`: which responses are put together with their requests, for a sink that wants that.
    pub(super) fn start(
        flag: &str,
        sink: impl Sink,
        queue_bytes: usize,
        pairs: Option<Expected>,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            more: Condvar::new(),
            max_bytes: queue_bytes,
        });
        let of_thread = shared.clone();
        thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                Writing {
                    shared: of_thread,
                    sink,
                    pairs: pairs.map(Pairing::new),
                    unsettled: Vec::new(),
                }
                .run();
            })
            .with_context(|| format!("{flag}: cannot start a thread"))?;
        Ok(Self { shared })
    }

    pub(super) fn status(&self) -> OutputStatus {
        let queue = self.shared.lock();
        OutputStatus {
            queued: queue.waiting.len(),
            active: queue.claims.len() - queue.waiting.len(),
            ..OutputStatus::default()
        }
    }

    /// The half for one shard.
    pub(super) fn shard(&self, wall_offset: u64) -> WriterShard {
        WriterShard {
            shared: self.shared.clone(),
            wall_offset,
            settled: Arc::new(Notify::new()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.more.notify_one();
    }
}

/// The half that lives on one shard's thread.
pub(super) struct WriterShard {
    shared: Arc<Shared>,
    wall_offset: u64,
    /// Told when records of this shard are settled; also tells its records from those of other shards.
    settled: Arc<Notify>,
}

impl ShardOutput for WriterShard {
    fn offer(&self, exchange: &Rc<Exchange>, ticket: Ticket) {
        let record = Record::of_request(exchange, self.wall_offset);
        self.shared.put(record, Some(ticket), &self.settled);
    }

    fn has_room(&self) -> bool {
        self.shared.lock().bytes < self.shared.max_bytes / 2
    }

    fn offer_response(&self, response: &ExchangeResponse<'_>) {
        let record = Record::of_response(response, self.wall_offset);
        self.shared.put(record, None, &self.settled);
    }

    fn drain(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async {
            loop {
                // Listens before it looks, so that nothing is missed in between.
                let settled = self.settled.notified();
                if !self.shared.hurry(&self.settled) {
                    return;
                }
                settled.await;
            }
        })
    }

    fn abort(&self, reason: DropReason) {
        for claim in self.shared.take(&self.settled) {
            claim.settle(Outcome::Dropped(reason));
        }
    }
}

/// The queue between the shards and the writing thread.
struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    max_bytes: usize,
}

#[derive(Default)]
struct Queue {
    /// Numbers of the records that wait, with the records.
    waiting: VecDeque<(u64, Record)>,
    /// Claims of unwritten records, by number.
    claims: HashMap<u64, Claim>,
    next: u64,
    /// Bytes of all records that are not written.
    bytes: usize,
    /// Whether the thread sleeps, and must be told.
    sleeping: bool,
    /// Whether nothing is to wait for more.
    hurry: bool,
    ended: bool,
}

/// A record that is not written, and who waits for it.
struct Claim {
    /// `None` for a response, which the ledger does not count.
    ticket: Option<Ticket>,
    bytes: usize,
    settled: Arc<Notify>,
}

impl Claim {
    fn settle(self, outcome: Outcome) {
        if let Some(ticket) = self.ticket {
            ticket.settle(outcome);
        }
        self.settled.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, record: Record, ticket: Option<Ticket>, settled: &Arc<Notify>) {
        let bytes = record.size();
        let mut queue = self.lock();
        let after = queue.bytes.saturating_add(bytes);
        if after > self.max_bytes {
            drop(queue);
            if let Some(ticket) = ticket {
                ticket.settle(Outcome::Dropped(DropReason::QueueFull));
            }
            return;
        }
        queue.bytes = after;
        let number = queue.next;
        queue.next += 1;
        queue.waiting.push_back((number, record));
        queue.claims.insert(
            number,
            Claim {
                ticket,
                bytes,
                settled: settled.clone(),
            },
        );
        if std::mem::take(&mut queue.sleeping) {
            self.more.notify_one();
        }
    }

    /// Whether records of a shard are not written yet; nothing waits for more then.
    fn hurry(&self, shard: &Arc<Notify>) -> bool {
        let mut queue = self.lock();
        let any = queue
            .claims
            .values()
            .any(|claim| Arc::ptr_eq(&claim.settled, shard));
        if any {
            queue.hurry = true;
            if std::mem::take(&mut queue.sleeping) {
                self.more.notify_one();
            }
        }
        any
    }

    /// Takes what is owed to one shard, so that it can settle it itself. The records are not written, except those the
    /// thread is busy with.
    fn take(&self, shard: &Arc<Notify>) -> Vec<Claim> {
        let mut queue = self.lock();
        let is_its = |claim: &Claim| Arc::ptr_eq(&claim.settled, shard);
        let taken: Vec<(u64, Claim)> = queue.claims.extract_if(|_, claim| is_its(claim)).collect();
        queue.bytes -= taken.iter().map(|(_, claim)| claim.bytes).sum::<usize>();
        let Queue { waiting, claims, .. } = &mut *queue;
        waiting.retain(|(number, _)| claims.contains_key(number));
        taken.into_iter().map(|(_, claim)| claim).collect()
    }

    fn settle(&self, numbers: impl IntoIterator<Item = u64>, outcome: Outcome) {
        let mut queue = self.lock();
        // Still locked while they are settled: a shard that finds none of its records may take them for settled.
        for number in numbers {
            if let Some(claim) = queue.claims.remove(&number) {
                queue.bytes -= claim.bytes;
                claim.settle(outcome);
            }
        }
    }
}

/// The thread.
struct Writing<S> {
    shared: Arc<Shared>,
    sink: S,
    pairs: Option<Pairing>,
    /// Numbers of what was added and not committed.
    unsettled: Vec<u64>,
}

impl<S: Sink> Writing<S> {
    /// Ends when the output is dropped and all is written.
    fn run(mut self) {
        let mut batch = Vec::new();
        let mut whole = Vec::new();
        while let Some(hurry) = self.next_batch(&mut batch) {
            let now = Instant::now();
            for (number, record) in batch.drain(..) {
                match &mut self.pairs {
                    None => whole.push((record.into(), vec![number])),
                    Some(pairs) => pairs.push(record, number, now, &mut whole),
                }
                self.add_all(&mut whole);
            }
            if let Some(pairs) = &mut self.pairs {
                let crowded = self.shared.lock().bytes > self.shared.max_bytes / 2;
                pairs.give_up(now, hurry || crowded, &mut whole);
                self.add_all(&mut whole);
            }
            if self.sink.due().is_some_and(|due| hurry || due <= now) {
                self.commit();
            }
        }
    }

    fn add_all(&mut self, whole: &mut Vec<Numbered>) {
        for (recorded, numbers) in whole.drain(..) {
            if self.sink.is_full() {
                self.commit();
            }
            match self.sink.add(&recorded) {
                Ok(()) => self.unsettled.extend(numbers),
                Err(reason) => self.shared.settle(numbers, Outcome::Dropped(reason)),
            }
        }
    }

    fn commit(&mut self) {
        let outcome = match self.sink.commit() {
            Ok(()) => Outcome::Delivered,
            Err(reason) => Outcome::Dropped(reason),
        };
        self.shared.settle(self.unsettled.drain(..), outcome);
    }

    /// Waits for records, or until something is due, and moves some of them into `batch`. Tells whether nothing is to
    /// wait for more, and `None` when there will be none.
    fn next_batch(&mut self, batch: &mut Vec<(u64, Record)>) -> Option<bool> {
        let mut queue = self.shared.lock();
        while queue.waiting.is_empty() {
            let pending = self.pairs.as_ref().and_then(Pairing::until);
            let due = [self.sink.due(), pending].into_iter().flatten().min();
            let hurry = queue.hurry || queue.ended;
            let Some(due) = due else {
                if queue.ended {
                    return None;
                }
                queue.hurry = false;
                queue.sleeping = true;
                queue = self
                    .shared
                    .more
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = due.saturating_duration_since(Instant::now());
            if hurry || left.is_zero() {
                queue.sleeping = false;
                return Some(hurry);
            }
            queue.sleeping = true;
            let waited = self.shared.more.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.sleeping = false;
        let mut bytes = 0;
        while bytes < BATCH
            && let Some((number, record)) = queue.waiting.pop_front()
        {
            bytes += record.size();
            batch.push((number, record));
        }
        // Until the queue is empty there is more to come with them.
        Some(queue.waiting.is_empty() && (queue.hurry || queue.ended))
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
