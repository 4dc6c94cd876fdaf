//! `--output-stdout`: records in `GoReplay`'s format, written by one thread.
//!
//! Shards put finished records in a queue bounded in bytes; the writer takes all that is there, writes it,
//! and settles the tickets. A reader that is slow fills the queue, and a full queue is a counted drop. After
//! a write that fails (a closed pipe, a full disk) nothing can be written any more without tearing a record,
//! so all that follows is dropped as [`DropReason::WriteError`]; the agent lives.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context;
use tokio::sync::Notify;

use super::record::Record;
use super::{OutputStatus, ShardOutput};
use crate::mirror::ledger::{DropReason, Outcome, Ticket};
use crate::mirror::{Exchange, ExchangeResponse, MessageKind};

/// Bytes written at once, roughly.
const BATCH: usize = 256 * 1024;

/// The half that all shards share.
pub(super) struct StdoutOutput {
    writer: Arc<Writer>,
}

impl StdoutOutput {
    /// Starts the writer on this process's standard output.
    pub(super) fn new(queue_bytes: usize) -> anyhow::Result<Self> {
        // The file behind it, not `io::stdout()`, which would look for line ends in every body.
        let file = io::stdout()
            .as_fd()
            .try_clone_to_owned()
            .context("--output-stdout: standard output is closed")?;
        Self::with_sink(File::from(file), queue_bytes)
    }

    fn with_sink(sink: impl Write + Send + 'static, queue_bytes: usize) -> anyhow::Result<Self> {
        let writer = Arc::new(Writer {
            queue: Mutex::default(),
            more: Condvar::new(),
            max_bytes: queue_bytes,
        });
        let of_thread = writer.clone();
        thread::Builder::new()
            .name("stdout".to_owned())
            .spawn(move || of_thread.run(sink))
            .context("--output-stdout: no thread for it")?;
        Ok(Self { writer })
    }

    pub(super) fn status(&self) -> OutputStatus {
        let queue = self.writer.lock();
        OutputStatus {
            queued: queue.waiting.len(),
            active: queue.writing.len(),
            ..OutputStatus::default()
        }
    }

    /// The half for one shard.
    pub(super) fn shard(&self, wall_offset: u64) -> StdoutShard {
        StdoutShard {
            writer: self.writer.clone(),
            wall_offset,
            settled: Arc::new(Notify::new()),
        }
    }
}

impl Drop for StdoutOutput {
    fn drop(&mut self) {
        self.writer.lock().ended = true;
        self.writer.more.notify_one();
    }
}

/// The half that lives on one shard's thread.
pub(super) struct StdoutShard {
    writer: Arc<Writer>,
    wall_offset: u64,
    /// Told when tickets of this shard are settled; also tells its tickets from those of other shards.
    settled: Arc<Notify>,
}

impl StdoutShard {
    fn put(&self, record: Record<'_>, ticket: Option<Ticket>) {
        // Asked before the record is made: a full queue must not cost a copy of every body.
        let bytes: usize = record.payload.iter().map(|part| part.len()).sum();
        if let Err(reason) = self.writer.has_room(bytes) {
            return drop_ticket(ticket, reason);
        }
        let entry = Entry {
            bytes: record.to_bytes(self.wall_offset),
            claim: ticket.map(|ticket| Claim {
                ticket,
                settled: self.settled.clone(),
            }),
        };
        if let Err((entry, reason)) = self.writer.put(entry) {
            drop_ticket(entry.claim.map(|claim| claim.ticket), reason);
        }
    }
}

impl ShardOutput for StdoutShard {
    fn offer(&self, exchange: &Rc<Exchange>, ticket: Ticket) {
        let request = &exchange.request;
        let record = Record {
            kind: MessageKind::Request,
            id: &exchange.id,
            first_byte: request.first_byte,
            last_byte: request.last_byte,
            pod: exchange.pod.as_deref(),
            incomplete: request.incomplete,
            payload: [&request.head, &request.body],
        };
        self.put(record, Some(ticket));
    }

    fn has_room(&self) -> bool {
        let queue = self.writer.lock();
        queue.broken || queue.bytes < self.writer.max_bytes / 2
    }

    fn offer_response(&self, response: &ExchangeResponse<'_>) {
        let record = Record {
            kind: response.kind,
            id: response.id,
            first_byte: response.first_byte,
            last_byte: response.last_byte,
            pod: None,
            incomplete: None,
            payload: [response.head, response.body],
        };
        self.put(record, None);
    }

    fn drain(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async {
            loop {
                // Listens before it looks, so that nothing is missed in between.
                let settled = self.settled.notified();
                if !self.writer.lock().holds(&self.settled) {
                    return;
                }
                settled.await;
            }
        })
    }

    fn abort(&self, reason: DropReason) {
        for claim in self.writer.take(&self.settled) {
            claim.settle(Outcome::Dropped(reason));
        }
    }
}

fn drop_ticket(ticket: Option<Ticket>, reason: DropReason) {
    if let Some(ticket) = ticket {
        ticket.settle(Outcome::Dropped(reason));
    }
}

/// The queue between the shards and the writing thread.
struct Writer {
    queue: Mutex<Queue>,
    more: Condvar,
    max_bytes: usize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Entry>,
    /// Bytes of `waiting` and of the batch that is being written.
    bytes: usize,
    /// Claims of the batch that is being written.
    writing: Vec<Claim>,
    /// Whether the thread sleeps, and must be told.
    sleeping: bool,
    broken: bool,
    ended: bool,
}

struct Entry {
    bytes: Vec<u8>,
    /// `None` for a response, which the ledger does not count.
    claim: Option<Claim>,
}

struct Claim {
    ticket: Ticket,
    settled: Arc<Notify>,
}

impl Claim {
    fn settle(self, outcome: Outcome) {
        self.ticket.settle(outcome);
        self.settled.notify_one();
    }

    fn is_of(&self, shard: &Arc<Notify>) -> bool {
        Arc::ptr_eq(&self.settled, shard)
    }
}

impl Queue {
    fn holds(&self, shard: &Arc<Notify>) -> bool {
        let waiting = self.waiting.iter().filter_map(|entry| entry.claim.as_ref());
        waiting.chain(&self.writing).any(|claim| claim.is_of(shard))
    }
}

impl Writer {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self, bytes: usize) -> Result<(), DropReason> {
        let queue = self.lock();
        if queue.broken {
            return Err(DropReason::WriteError);
        }
        match queue.bytes.checked_add(bytes) {
            Some(after) if after <= self.max_bytes => Ok(()),
            _ => Err(DropReason::QueueFull),
        }
    }

    fn put(&self, entry: Entry) -> Result<(), (Entry, DropReason)> {
        let mut queue = self.lock();
        if queue.broken {
            return Err((entry, DropReason::WriteError));
        }
        let after = queue.bytes.saturating_add(entry.bytes.len());
        if after > self.max_bytes {
            return Err((entry, DropReason::QueueFull));
        }
        queue.bytes = after;
        queue.waiting.push_back(entry);
        if std::mem::take(&mut queue.sleeping) {
            self.more.notify_one();
        }
        Ok(())
    }

    /// Takes the claims of one shard, so that it can settle them itself. The records are not written, except
    /// those the thread is busy with.
    fn take(&self, shard: &Arc<Notify>) -> Vec<Claim> {
        let mut queue = self.lock();
        let mut taken = Vec::new();
        for claim in std::mem::take(&mut queue.writing) {
            if claim.is_of(shard) {
                taken.push(claim);
            } else {
                queue.writing.push(claim);
            }
        }
        for mut entry in std::mem::take(&mut queue.waiting) {
            if entry.claim.as_ref().is_some_and(|claim| claim.is_of(shard)) {
                queue.bytes -= entry.bytes.len();
                taken.extend(entry.claim.take());
            } else {
                queue.waiting.push_back(entry);
            }
        }
        taken
    }

    /// The thread's life: ends when the output is dropped and all is written.
    fn run(&self, mut sink: impl Write) {
        let mut batch = Vec::new();
        while self.next_batch(&mut batch) {
            let written = sink.write_all(&batch).and_then(|()| sink.flush());
            let outcome = match &written {
                Ok(()) => Outcome::Delivered,
                Err(_) => Outcome::Dropped(DropReason::WriteError),
            };
            let mut queue = self.lock();
            queue.bytes -= batch.len();
            let mut ended = std::mem::take(&mut queue.writing);
            if let Err(error) = written {
                queue.broken = true;
                let waiting = std::mem::take(&mut queue.waiting);
                queue.bytes = 0;
                ended.extend(waiting.into_iter().filter_map(|entry| entry.claim));
                tracing::error!(%error, "standard output cannot be written: what follows is dropped");
            }
            // Still locked: a shard that finds none of its claims here may take them for settled.
            for claim in ended {
                claim.settle(outcome);
            }
        }
    }

    /// Waits for records and moves some of them into `batch`. `false` when there will be none.
    fn next_batch(&self, batch: &mut Vec<u8>) -> bool {
        batch.clear();
        batch.shrink_to(BATCH * 2);
        let mut queue = self.lock();
        while queue.waiting.is_empty() {
            if queue.ended || queue.broken {
                return false;
            }
            queue.sleeping = true;
            queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.sleeping = false;
        while batch.len() < BATCH
            && let Some(entry) = queue.waiting.pop_front()
        {
            batch.extend_from_slice(&entry.bytes);
            queue.writing.extend(entry.claim);
        }
        true
    }
}

#[cfg(test)]
mod tests;
