//! A shard that takes whole messages: its source says which is next, and the shard goes on with all else meanwhile.

use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep};

use super::context::{SOURCE_PAUSE, ShardContext, TICK};
use crate::input::MessageSource;

/// Messages taken before replay gets a turn.
const MESSAGES_PER_TURN: usize = 256;

/// A source of messages on its shard.
pub(super) struct Messages<'a> {
    name: String,
    source: Box<dyn MessageSource>,
    context: &'a mut ShardContext,
}

impl<'a> Messages<'a> {
    /// `name` is the input's in the ledger.
    pub fn new(name: String, source: Box<dyn MessageSource>, context: &'a mut ShardContext) -> Self {
        Self {
            name,
            source,
            context,
        }
    }

    /// Takes messages until there are no more or the run ends.
    pub async fn read(mut self) -> anyhow::Result<()> {
        self.context.report().progress = self.source.progress();
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
                        _ = self.context.phase.changed() => return Ok(()),
                        _ = tick.tick() => self.context.rest(),
                    }
                }
            };
            let Some(message) = message else { return Ok(()) };
            self.context.shard.take(&message);
            in_turn += 1;
            if published.elapsed() >= TICK {
                published = Instant::now();
                self.publish();
            }
            if in_turn >= MESSAGES_PER_TURN {
                in_turn = 0;
                self.context.rest();
                tokio::task::yield_now().await;
                if !self.context.is_running() {
                    return Ok(());
                }
            }
            while self.is_held_up() {
                sleep(SOURCE_PAUSE).await;
                self.context.rest();
                if !self.context.is_running() {
                    return Ok(());
                }
            }
        }
    }

    /// Whether the source is to wait, and can.
    fn is_held_up(&self) -> bool {
        self.source.can_wait() && self.context.is_held_up()
    }

    fn publish(&self) {
        self.context.publish();
        let said = self.source.report();
        self.context.report().input = (!said.is_null()).then(|| (self.name.clone(), said));
    }
}
