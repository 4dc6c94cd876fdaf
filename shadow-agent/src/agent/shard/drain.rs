//! The end of a shard: its outputs finish what they hold, within the bound of the run.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::context::{ShardContext, TICK};
use crate::agent::phase::Phase;
use crate::mirror::ledger::DropReason;

/// Lets the outputs finish what they hold, and drops the rest at the deadline of the run. `timeout`: how long that is,
/// for the log.
pub(super) async fn drain(context: &ShardContext, timeout: Duration) {
    let mut phase = context.phase.clone();
    let all = async {
        context.shard.dispatcher().settle().await;
        for output in context.outputs() {
            output.drain().await;
        }
        // Answers of the shadow have passed through it, too.
        context.shard.dispatcher().drain().await;
        for output in context.outputs() {
            output.drain().await;
        }
    };
    tokio::pin!(all);
    let mut told = true;
    loop {
        context.operation.heart.beat();
        if context.is_paused() {
            context.abort_all(DropReason::Paused);
        }
        let now = *phase.borrow_and_update();
        // A file that ended by itself may take as long as its last requests need, each bounded by its own
        // timeout; a run that was told to end may not.
        let deadline = match now {
            Phase::Running => Instant::now() + Duration::from_hours(24),
            Phase::Draining(deadline) => deadline,
        };
        tokio::select! {
            biased;
            () = &mut all => return,
            // The deadline may be set, and moved: a second signal ends the wait at once.
            changed = phase.changed(), if told => told = changed.is_ok(),
            _ = timeout_at(deadline, std::future::pending::<()>()) => break,
            () = tokio::time::sleep(TICK) => {}
        }
    }
    tracing::warn!(
        ?timeout,
        "requests were still in flight at the end of the shutdown timeout; they are counted as dropped"
    );
    context.abort_all(DropReason::Shutdown);
}
