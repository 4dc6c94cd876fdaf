//! Reading live capture, which never ends by itself and cannot wait.
//!
//! Capture comes first on the thread: a batch is bounded, so that replay gets its turn, but a full ring is
//! always drained before the thread sleeps.

use anyhow::Context as _;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::context::{ShardContext, TICK};
use super::secrets_look::SecretsLook;
use crate::capture::{RingReader, VxlanReader};
use crate::mirror::ledger::DropReason;
use crate::tcp::Segment;
use crate::time::{Timestamp, monotonic_now};

/// Records taken from a ring before replay gets a turn: some 2 ms of parsing at most.
const RECORDS_PER_TURN: usize = 512;

/// A reader of live capture.
pub(super) trait LiveReader {
    /// Waits until draining is worth while.
    async fn readable(&mut self) -> std::io::Result<()>;

    /// Hands on what is there, in so many pieces at most; in how many. Never waits.
    fn drain(&mut self, most: usize, each: impl FnMut(Segment<'_>)) -> usize;

    /// Does the reader's own chores at each tick: it follows a pause, and puts what it counts in the report.
    fn tick(&mut self, _context: &ShardContext) {}

    /// Capture has ended: what is there now is the last of it.
    fn end(&mut self) {}
}

impl LiveReader for RingReader {
    async fn readable(&mut self) -> std::io::Result<()> {
        RingReader::readable(self).await
    }

    fn drain(&mut self, most: usize, each: impl FnMut(Segment<'_>)) -> usize {
        RingReader::drain(self, most, each)
    }
}

impl LiveReader for VxlanReader {
    async fn readable(&mut self) -> std::io::Result<()> {
        VxlanReader::readable(self).await
    }

    fn drain(&mut self, most: usize, each: impl FnMut(Segment<'_>)) -> usize {
        VxlanReader::drain(self, most, each)
    }

    fn tick(&mut self, context: &ShardContext) {
        self.set_paused(context.is_paused());
        context.report().vxlan = Some(self.counts());
    }

    fn end(&mut self) {
        VxlanReader::end(self);
    }
}

/// Reads `source` until the run ends.
pub(super) async fn read_live(mut source: impl LiveReader, context: &mut ShardContext) -> anyhow::Result<()> {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticked = Instant::now();
    let mut secrets = SecretsLook::new();
    let mut due = false;
    let mut read = Ok(());
    let mut running = true;
    while running && read.is_ok() {
        let waiting = context.waiting_for_secrets();
        tokio::select! {
            biased;
            // Capture is detached before the phase changes: what the ring holds now is the last of it.
            _ = context.phase.changed() => {
                running = false;
                source.end();
            }
            ready = source.readable() => read = ready.context("cannot wait for captured packets"),
            _ = tick.tick() => due = true,
            () = secrets.due(waiting) => {}
        }
        loop {
            let ShardContext { shard, table, .. } = context;
            let drained = source.drain(RECORDS_PER_TURN, |segment| table.push(shard, &segment));
            secrets.look(context);
            // Also while the ring stays ahead of its reader: that is when there are holes to give up.
            if due || ticked.elapsed() >= TICK {
                due = false;
                ticked = Instant::now();
                on_tick(context, monotonic_now());
                source.tick(context);
                context.follow_plan(monotonic_now());
            }
            if drained < RECORDS_PER_TURN {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    source.tick(context);
    secrets.last(context).await;
    context.close_all(monotonic_now());
    read
}

/// Gives up what is overdue, or everything during a pause, and reports.
fn on_tick(context: &mut ShardContext, now: Timestamp) {
    context.table.tick(&mut context.shard, now);
    if context.waiting_for_secrets() > 0 {
        // Those that have waited for too long.
        context.look_for_secrets(now);
    }
    context.operation.heart.beat();
    if context.is_paused() {
        // Nothing of what was captured before a pause is left for after it. Connections go too: what comes on them
        // meanwhile is not seen, and behind that a start must be proved again.
        context.close_all(now);
        context.abort_all(DropReason::Paused);
    }
    context.publish();
}
