//! The feed of comparisons: a run tells them what it alone knows, and asks for the verdict at its end.

use std::time::Duration;

use tokio::time::Instant;

use super::CaptureReport;
use super::mirrors::Mirrors;
use super::shards::Shards;
use crate::admin::Readiness;
use crate::compare::Comparer;
use crate::compare::document::{CopyDelay, Document};
use crate::settings::Settings;
use crate::time::unix_now;

/// The condition of comparing.
const COMPARING: &str = "comparing";
/// The comparing thread has so long at least for what still waits when the shards have ended.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// A run's side of its comparisons.
pub(super) struct ComparisonFeed {
    comparer: Comparer,
    readiness: Readiness,
    /// Whether it was said that comparing has failed.
    reported: bool,
}

impl ComparisonFeed {
    pub fn new(comparer: Comparer, readiness: Readiness) -> Self {
        Self {
            comparer,
            readiness,
            reported: false,
        }
    }

    pub fn is_active(&self) -> bool {
        self.comparer.is_active()
    }

    /// Tells the comparing thread what only the run knows.
    pub fn tell(
        &mut self,
        settings: &Settings,
        capture: &CaptureReport,
        shards: &Shards,
        mirrors: &mut Mirrors,
    ) {
        let missed = capture.kernel.map_or(0, |kernel| kernel.lost_packets())
            + capture.vxlan.map_or(0, |vxlan| vxlan.lost);
        let copied = capture.kernel.map_or(0, |kernel| kernel.copied_packets());
        let loss = if missed == 0 {
            0.0
        } else {
            missed as f64 / (missed + copied) as f64
        };
        let production: Vec<String> = settings.sources().collect();
        let now = unix_now() / 1_000_000;
        let slots = shards.counts(mirrors.slots());
        for one in mirrors.compared(&slots) {
            self.comparer.tell(&one.intake, |facts| {
                facts.counted_ms = now;
                facts.counts = one.counts;
                facts.extra = one.extra;
                if let Some(delay) = CopyDelay::new(&one.copy_delay) {
                    facts.copy_delay = Some(delay);
                }
                facts.production.clone_from(&production);
                facts.names = one.images.names();
                facts.capture_lost_packets = missed;
                facts.capture_loss = loss;
                facts.ended_ms = one.has_ended.then(|| facts.ended_ms.unwrap_or(now));
            });
        }
        mirrors.settle(&shards.ledgers(), &slots);
    }

    /// Says so where the comparing thread makes no progress, and where it does again.
    pub fn watch(&self) {
        match self.comparer.progress() {
            None => {}
            Some(Ok(())) => {
                tracing::warn!("the comparison thread makes progress again");
                // Where it has panicked, it goes on counting, and compares nothing.
                if !self.comparer.has_failed() {
                    self.report_ready();
                }
            }
            Some(Err(complaint)) => {
                tracing::error!(
                    "{complaint} (please report this bug): nothing is compared, and the verdict is NOT ENOUGH DATA \
                     until it goes on; mirroring continues"
                );
                let why = format!("{complaint}: nothing is compared, mirroring continues; see the log");
                self.readiness.set(COMPARING, Err(why));
            }
        }
    }

    /// Says that what is to be compared is.
    pub fn report_ready(&self) {
        if self.comparer.is_active() {
            self.readiness.set(COMPARING, Ok(()));
        }
    }

    /// Resolves once, when nothing is compared any more by a fault of this program. May be dropped and called again.
    pub async fn failed(&self) {
        if self.reported {
            return std::future::pending().await;
        }
        self.comparer.failed().await;
    }

    /// Says that nothing is compared any more.
    pub fn report_failed(&mut self) {
        self.reported = true;
        let why =
            "the comparison thread panicked: nothing is compared any more, mirroring continues; see the log";
        self.readiness.set(COMPARING, Err(why.to_owned()));
    }

    /// The verdict, once nothing is handed over any more: by `end`, or a little later where shards took as long.
    /// `compares`: whether the settings ask for a comparison, which may have had nothing to compare.
    pub fn finish(&mut self, compares: bool, end: Instant) -> Option<(Document, anyhow::Result<()>)> {
        if !compares && !self.comparer.is_active() {
            return None;
        }
        let left = end.saturating_duration_since(Instant::now());
        Some(self.comparer.finish(left.max(LAST_LOOK)))
    }
}
