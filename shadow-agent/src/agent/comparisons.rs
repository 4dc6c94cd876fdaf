//! What a run does about comparisons: it tells them what it alone knows, and has the word at its end.

use super::Account;
use super::run::Run;

impl Run {
    /// Tells the comparing thread what only the run knows.
    pub(super) fn tell_comparer(&self) {
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
        for (intake, counts, extra) in self.mirrors.compared(&self.slots()) {
            self.comparer.tell(&intake, |facts| {
                facts.counts = counts;
                facts.extra = extra;
                facts.production.clone_from(&production);
                facts.capture_lost_packets = missed;
                facts.capture_loss = loss;
            });
        }
    }

    /// The last word on what was compared goes into `account`, once nothing is handed over any more.
    pub(super) fn end_comparing(&self, account: &mut Account) -> anyhow::Result<()> {
        self.tell_comparer();
        if self.settings.compares() || self.comparer.is_active() {
            account.verdict = Some(Box::new(self.comparer.finish()?));
        }
        Ok(())
    }
}
