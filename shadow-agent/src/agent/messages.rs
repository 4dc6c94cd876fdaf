//! A shard that takes whole messages: its source says which is next, and the shard goes on with all else meanwhile.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep};

use super::operation::ShardOperation;
use super::plan_follower::PlanFollower;
use super::shard::{FILE_PAUSE, Phase, ShardReport, TICK, abort_all};
use crate::input::MessageSource;
use crate::mirror::Shard;
use crate::mirror::ledger::DropReason;
use crate::time::{Timestamp, unix_now};

/// Messages taken before replay gets a turn.
const MESSAGES_PER_TURN: usize = 256;

/// A source of messages on its shard.
pub(super) struct Messages<'a> {
    pub name: String,
    pub source: Box<dyn MessageSource>,
    pub shard: &'a mut Shard,
    pub plans: &'a mut PlanFollower,
    pub report: &'a Mutex<ShardReport>,
    pub operation: &'a ShardOperation,
    pub phase: watch::Receiver<Phase>,
}

impl Messages<'_> {
    /// Takes messages until there are no more or the run ends.
    pub async fn read(mut self) -> anyhow::Result<()> {
        self.report().progress = self.source.progress();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let read = self.read_all(&mut tick).await;
        self.source.end().await;
        self.publish();
        read
    }

    async fn read_all(&mut self, tick: &mut Interval) -> anyhow::Result<()> {
        let mut in_turn = 0;
        let mut published = Instant::now();
        loop {
            let message = {
                let mut next = self.source.next();
                loop {
                    tokio::select! {
                        biased;
                        message = &mut next => break message?,
                        _ = self.phase.changed() => return Ok(()),
                        _ = tick.tick() => {
                            rest(self.shard, self.plans, self.operation);
                        }
                    }
                }
            };
            let Some(message) = message else { return Ok(()) };
            self.shard.take(&message);
            in_turn += 1;
            if published.elapsed() >= TICK {
                published = Instant::now();
                self.publish();
            }
            if in_turn >= MESSAGES_PER_TURN {
                in_turn = 0;
                rest(self.shard, self.plans, self.operation);
                tokio::task::yield_now().await;
                if *self.phase.borrow() != Phase::Running {
                    return Ok(());
                }
            }
            while self.is_held_up() {
                sleep(FILE_PAUSE).await;
                rest(self.shard, self.plans, self.operation);
                if *self.phase.borrow() != Phase::Running {
                    return Ok(());
                }
            }
        }
    }

    /// Whether the source is to wait, and can.
    fn is_held_up(&self) -> bool {
        let full = || !self.shard.mirrors().outputs().all(|output| output.has_room());
        self.source.can_wait() && (self.operation.gate.is_paused() || full())
    }

    fn report(&self) -> MutexGuard<'_, ShardReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self) {
        let mut report = self.report();
        report.connections.streams = self.shard.counters();
        let said = self.source.report();
        report.input = (!said.is_null()).then(|| (self.name.clone(), said));
    }
}

/// Does a shard's chores at each tick, whatever its source does.
pub(super) fn rest(shard: &mut Shard, plans: &mut PlanFollower, operation: &ShardOperation) {
    operation.heart.beat();
    if operation.gate.is_paused() {
        abort_all(shard, plans, DropReason::Paused);
    }
    if plans.is_behind() {
        plans.follow(shard, Timestamp(unix_now()));
    }
}
