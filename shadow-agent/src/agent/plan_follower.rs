//! How a shard follows the plan in force: its half of each output, and what becomes of outputs that are taken out.

use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use crate::mirror::Shard;
use crate::mirror::ShardOutput;
use crate::mirror::ledger::DropReason;
use crate::mirror::plan::Plan;
use crate::output::Output;
use crate::time::Timestamp;

/// A plan with the outputs of its mirrors, by slot.
#[derive(Default)]
pub(super) struct ActivePlan {
    pub plan: Plan,
    pub outputs: HashMap<usize, Arc<Output>>,
}

/// Follows the plans of a run on one shard's thread.
pub(super) struct PlanFollower {
    plans: watch::Receiver<Arc<ActivePlan>>,
    /// Told the generation of each plan that is followed.
    followed: watch::Sender<u64>,
    wall_offset: u64,
    /// How long an output that is taken out may go on with what it holds.
    drain: Duration,
    retiring: Vec<Retiring>,
}

/// An output that was taken out and goes on with what it holds.
struct Retiring {
    /// Held by the task alone, so that it goes with it.
    output: Weak<dyn ShardOutput>,
    task: JoinHandle<()>,
}

impl PlanFollower {
    pub fn new(
        plans: watch::Receiver<Arc<ActivePlan>>,
        followed: watch::Sender<u64>,
        wall_offset: u64,
        drain: Duration,
    ) -> Self {
        Self {
            plans,
            followed,
            wall_offset,
            drain,
            retiring: Vec::new(),
        }
    }

    /// Whether there is a plan that is not followed yet. Asked at each tick: waiting for one would cost at each wake-up.
    pub fn is_behind(&self) -> bool {
        self.plans.has_changed().unwrap_or(false)
    }

    /// Goes over to the newest plan.
    pub fn follow(&mut self, shard: &mut Shard, now: Timestamp) {
        let newest = self.plans.borrow_and_update().clone();
        let wall_offset = self.wall_offset;
        let dispatcher = Rc::downgrade(shard.dispatcher());
        let ended = shard.mirrors_mut().apply(&newest.plan, now, |slot| {
            // A plan comes with the outputs of all its mirrors.
            newest.outputs[&slot].shard(wall_offset, &dispatcher)
        });
        self.retiring.retain(|retiring| !retiring.task.is_finished());
        for output in ended {
            self.retiring.push(Retiring {
                output: Rc::downgrade(&output),
                task: spawn_local(retire(output, self.drain)),
            });
        }
        self.followed.send_replace(newest.plan.generation);
    }

    /// The outputs that were taken out and may still hold something.
    pub fn retiring(&self) -> impl Iterator<Item = Rc<dyn ShardOutput>> {
        self.retiring
            .iter()
            .filter_map(|retiring| retiring.output.upgrade())
    }

    /// The source has ended: there is nobody to follow another plan, and nobody need wait for it.
    pub fn end(&self) {
        self.followed.send_replace(u64::MAX);
    }
}

/// Lets an output finish what it holds; what it cannot is dropped and counted.
async fn retire(output: Rc<dyn ShardOutput>, limit: Duration) {
    let _ = timeout(limit, output.drain()).await;
    // Its shadow was too slow to take it.
    output.abort(DropReason::MirrorEnded);
}
