//! What a run does about comparisons: it tells them what it alone knows, and has the word at its end.

use std::time::Duration;

use tokio::time::Instant;

use super::Account;
use super::run::Run;
use crate::compare::document::CopyDelay;
use crate::time::unix_now;

/// The condition of comparing.
const COMPARING: &str = "comparing";
/// The comparing thread has so long at least for what still waits when the shards have ended.
const LAST_LOOK: Duration = Duration::from_secs(2);

impl Run {
    /// Tells the comparing thread what only the run knows.
    pub(super) fn tell_comparer(&mut self) {
        if !self.comparer.is_active() {
            return;
        }
        let account = self.account_of_mirrors();
        let missed = account.capture.kernel.map_or(0, |kernel| kernel.lost_packets())
            + account.capture.vxlan.map_or(0, |vxlan| vxlan.lost);
        let copied = account.capture.kernel.map_or(0, |kernel| kernel.copied_packets());
        let loss = if missed == 0 {
            0.0
        } else {
            missed as f64 / (missed + copied) as f64
        };
        let production: Vec<String> = self.settings.sources().collect();
        let now = unix_now() / 1_000_000;
        let slots = self.slots();
        for one in self.mirrors.compared(&slots) {
            self.comparer.tell(&one.intake, |facts| {
                facts.counted_ms = now;
                facts.counts = one.counts;
                facts.extra = one.extra;
                if let Some(delay) = CopyDelay::new(&one.copy_delay) {
                    facts.copy_delay = Some(delay);
                }
                facts.production.clone_from(&production);
                facts.capture_lost_packets = missed;
                facts.capture_loss = loss;
                facts.ended_ms = one.has_ended.then(|| facts.ended_ms.unwrap_or(now));
            });
        }
        let ledgers: Vec<_> = self.shards.iter().map(|shard| shard.ledger.clone()).collect();
        self.mirrors.settle(&ledgers, &slots);
    }

    /// Says so where the comparing thread makes no progress, and where it does again.
    pub(super) fn watch_comparing(&self) {
        match self.comparer.progress() {
            None => {}
            Some(Ok(())) => {
                tracing::warn!("the comparison thread makes progress again");
                // Where it has panicked, it goes on counting, and compares nothing.
                if !self.comparer.has_failed() {
                    self.report_comparing();
                }
            }
            Some(Err(complaint)) => {
                tracing::error!(
                    "{complaint} (please report this bug): nothing is compared, and the verdict is NOT ENOUGH DATA \
                     until it goes on; mirroring continues"
                );
                let why = format!("{complaint}: nothing is compared, mirroring continues; see the log");
                self.operation.readiness.set(COMPARING, Err(why));
            }
        }
    }

    /// Says that what is to be compared is.
    pub(super) fn report_comparing(&self) {
        if self.comparer.is_active() {
            self.operation.readiness.set(COMPARING, Ok(()));
        }
    }

    /// Says that nothing is compared any more, by a fault of this program.
    pub(super) fn report_comparing_failed(&self) {
        let why =
            "the comparison thread panicked: nothing is compared any more, mirroring continues; see the log";
        self.operation.readiness.set(COMPARING, Err(why.to_owned()));
    }

    /// The last word on what was compared goes into `account`, once nothing is handed over any more: by `end`, or a little
    /// later where shards took as long.
    pub(super) fn end_comparing(&mut self, account: &mut Account, end: Instant) -> anyhow::Result<()> {
        self.tell_comparer();
        if !self.settings.compares() && !self.comparer.is_active() {
            return Ok(());
        }
        let left = end.saturating_duration_since(Instant::now());
        let (document, ended) = self.comparer.finish(left.max(LAST_LOOK));
        account.verdict = Some(Box::new(document));
        ended
    }
}
