//! Everything a shard's reader works with beside its source: the mirroring half of the shard, its connections, the plan
//! that it follows, and the run that it is part of.

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::agent::ConnectionReport;
use crate::agent::operation::ShardOperation;
use crate::agent::phase::Phase;
use crate::agent::plan_follower::PlanFollower;
use crate::capture::{FileCounters, VxlanCounts};
use crate::input::Progress;
use crate::mirror::ledger::DropReason;
use crate::mirror::{CapturedConnection, Shard, ShardOutput};
use crate::tcp::FlowTable;
use crate::time::{Timestamp, unix_now};

/// How often connections are looked at for holes and idleness.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// How often a source that waits for an output looks again.
pub(super) const SOURCE_PAUSE: Duration = Duration::from_millis(2);

/// A shard's last report.
#[derive(Clone, Debug, Default)]
pub(in crate::agent) struct ShardReport {
    pub connections: ConnectionReport,
    /// Counts of the file, if the source is one.
    pub file: Option<FileCounters>,
    /// Counts of VXLAN datagrams, if the source is a session.
    pub vxlan: Option<VxlanCounts>,
    /// Report of a source of messages, under its name.
    pub input: Option<(String, Value)>,
    /// How far such a source is, where it has an end.
    pub progress: Option<Arc<Progress>>,
}

/// A shard on its thread, for whichever reader its source has.
pub(super) struct ShardContext {
    pub shard: Shard,
    /// The connections of sources of packets; empty for others.
    pub table: FlowTable<CapturedConnection>,
    pub plans: PlanFollower,
    pub report: Arc<Mutex<ShardReport>>,
    pub operation: ShardOperation,
    pub phase: watch::Receiver<Phase>,
}

impl ShardContext {
    pub fn is_running(&self) -> bool {
        *self.phase.borrow() == Phase::Running
    }

    pub fn is_paused(&self) -> bool {
        self.operation.gate.is_paused()
    }

    /// Whether a source that can wait has to: production need not be kept up with, so nothing is dropped for a full queue.
    pub fn is_held_up(&self) -> bool {
        self.is_paused() || !self.shard.mirrors().outputs().all(|output| output.has_room())
    }

    /// Adopts the newest plan, unless it is followed already.
    pub fn follow_plan(&mut self, now: Timestamp) {
        if self.plans.is_behind() {
            self.plans.follow(&mut self.shard, now);
        }
    }

    /// Does a shard's chores between two messages, whatever its source does.
    pub fn rest(&mut self) {
        self.operation.heart.beat();
        if self.is_paused() {
            self.abort_all(DropReason::Paused);
        }
        self.follow_plan(Timestamp(unix_now()));
    }

    /// Drops everything that is under way or waits in an output.
    pub fn abort_all(&self, reason: DropReason) {
        self.shard.dispatcher().abort(reason);
        for output in self.outputs() {
            output.abort(reason);
        }
    }

    /// All outputs that may hold something.
    pub fn outputs(&self) -> Vec<Rc<dyn ShardOutput>> {
        self.shard
            .mirrors()
            .outputs()
            .cloned()
            .chain(self.plans.retiring())
            .collect()
    }

    pub fn report(&self) -> MutexGuard<'_, ShardReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections wait for secrets of TLS.
    pub fn waiting_for_secrets(&mut self) -> usize {
        let waiting = self.shard.tls_mut().map_or(0, |tls| tls.waiting());
        waiting + self.table.kept()
    }

    /// Whether secrets came since connections looked for theirs.
    pub fn secrets_came(&mut self) -> bool {
        self.shard.tls_mut().is_some_and(|tls| tls.secrets_came())
    }

    /// Lets connections that wait for secrets look for them, and give up what has waited for too long.
    pub fn look_for_secrets(&mut self, now: Timestamp) {
        let Some(tls) = self.shard.tls_mut() else { return };
        for key in tls.look() {
            self.table.revisit(&mut self.shard, &key, now);
        }
        self.table.revisit_kept(&mut self.shard, now);
    }

    /// Ends all connections.
    pub fn close_all(&mut self, now: Timestamp) {
        self.look_for_secrets(now);
        self.table.shutdown(&mut self.shard, now);
    }

    /// Puts the counts of connections in the report, and says once what they show of the traffic.
    pub fn publish(&self) {
        let connections = ConnectionReport {
            table: self.table.counters(),
            streams: self.shard.counters(),
        };
        let before = std::mem::replace(&mut self.report().connections, connections);
        if before.table.one_way == 0
            && connections.table.one_way > 0
            && let Some(server) = self.table.out_of_sight()
        {
            info!(
                server = %server.socket_addr(),
                "only the client side of this traffic is visible here: requests are mirrored whether or not the \
                 server responds (connections.one_way)"
            );
        }
        if before.streams.encrypted == 0 && connections.streams.encrypted > 0 {
            say_that_tls_is_not_read();
        }
        if before.table.unanswered == 0 && connections.table.unanswered > 0 {
            warn!(
                "production did not accept these connections: their requests are not mirrored \
                 (connections.unanswered)"
            );
        }
    }
}

/// Says it once in a run, whichever shard sees it first.
fn say_that_tls_is_not_read() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        info!(
            "connections on these ports speak TLS, and are not read: --input-raw-tls auto decrypts them, see \
             docs/tls.md (connections.encrypted)"
        );
    });
}
