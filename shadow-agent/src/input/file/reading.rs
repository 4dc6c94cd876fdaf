//! The thread that reads recordings: a disk, or a pipe that nobody writes to, holds up nothing but the recording. It is left
//! behind where the run ends while it waits.

use anyhow::Context;
use tokio::sync::mpsc;

use super::merge::{Counts, Merge};
use crate::recording::Record;

/// Records handed on at once.
const BATCH: usize = 64;
/// Bytes of records handed on at once, roughly.
const BATCH_BYTES: usize = 256 * 1024;
/// Batches that may wait: one is taken while the next is read.
const BATCHES: usize = 2;

/// State of reading the recordings.
#[derive(Default)]
pub(super) struct Batch {
    pub records: Vec<Record>,
    /// Whether these are the last before the recordings begin anew, or end.
    pub ends_round: bool,
    /// Counts up to here.
    pub counts: Counts,
}

/// Reads from now on, on a thread that may do what this one may.
pub(super) fn start(merge: Merge, repeat: bool) -> anyhow::Result<mpsc::Receiver<Batch>> {
    let (batches, inbox) = mpsc::channel(BATCHES);
    std::thread::Builder::new()
        .name("input-file".to_owned())
        .spawn(move || read(merge, repeat, &batches))
        .context("--input-file: cannot start a thread")?;
    Ok(inbox)
}

fn read(mut merge: Merge, repeat: bool, batches: &mpsc::Sender<Batch>) {
    let mut is_empty = true;
    loop {
        let batch = next(&mut merge);
        is_empty &= batch.records.is_empty();
        let ends_round = batch.ends_round;
        // Nobody waits for it where the run has ended.
        if batches.blocking_send(batch).is_err() {
            return;
        }
        if ends_round {
            // What has no record in it has none the next time.
            if !repeat || is_empty {
                return;
            }
            is_empty = true;
            merge.restart();
        }
    }
}

fn next(merge: &mut Merge) -> Batch {
    let mut batch = Batch::default();
    let mut bytes = 0;
    // What comes by a pipe is not kept until there is more.
    let most = if merge.has_pipe() { 1 } else { BATCH };
    while batch.records.len() < most && bytes < BATCH_BYTES {
        let Some(record) = merge.next_record() else {
            batch.ends_round = true;
            break;
        };
        bytes += record.size();
        batch.records.push(record);
    }
    batch.counts = merge.counts().clone();
    batch
}
