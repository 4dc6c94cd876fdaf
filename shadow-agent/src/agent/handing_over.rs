//! How a run takes over from another agent of its node, and lets another take over when it is told to end
//! (`--hand-over`; who has which request: [`crate::hand_over`]).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::phase::Phase;
use super::run::Run;
use crate::hand_over::{HandOver, OVERLAP};

/// The condition of the hand-over.
const HAND_OVER: &str = "hand-over";

/// How often an agent that waits looks whether it may take over, and one that ends whether it is done.
const LOOK: Duration = Duration::from_millis(25);

/// After so long an agent that waits says so again: a rollout takes a fraction of it.
const LONG: Duration = Duration::from_mins(2);

/// How long an agent that ends waits for another to take over. One that is there does so at its next look.
const NOBODY: Duration = Duration::from_millis(300);

/// How long it waits for the rest of requests that had begun, and for what was already on its way to the shadow.
const REST: Duration = Duration::from_secs(3);

/// One run's part.
pub(super) struct HandingOver {
    shared: Arc<HandOver>,
    step: Step,
    /// When to look again; `None` while there is nothing to look for.
    next: Option<Instant>,
}

/// Where it is.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Another agent mirrors. If it still does then, that is said.
    Waiting { until: Option<Instant> },
    /// This one does.
    Mirroring,
    /// It has let go, and somebody may take over until then; so many had before.
    LettingGo { until: Instant, owners: u64 },
    /// Another has taken over, and takes all from then on.
    Overlapping { until: Instant },
    /// Requests in flight may finish until then.
    Finishing { until: Instant },
}

impl HandingOver {
    /// Takes over at once where no other agent mirrors.
    pub fn start(shared: HandOver) -> anyhow::Result<Self> {
        let mirrors = shared.try_take_over()?;
        if !mirrors {
            tracing::info!("another agent on this node is mirroring; this one takes over when it stops");
        }
        Ok(Self {
            shared: Arc::new(shared),
            step: if mirrors {
                Step::Mirroring
            } else {
                let until = Some(Instant::now() + LONG);
                Step::Waiting { until }
            },
            next: (!mirrors).then(|| Instant::now() + LOOK),
        })
    }

    /// The state that each shard reads.
    pub fn shared(&self) -> Arc<HandOver> {
        Arc::clone(&self.shared)
    }
}

/// Resolves when it is time for [`Run::next_of_hand_over`]; never, where nothing is handed over.
pub(super) async fn due(handing: Option<&HandingOver>) {
    match handing.and_then(|handing| handing.next) {
        Some(next) => sleep_until(next).await,
        None => std::future::pending().await,
    }
}

impl Run {
    /// Ends the run, once another agent has taken over where one is there to do so. Told a second time, it ends at once.
    pub(super) fn leave(&mut self) {
        let running = *self.phase.borrow() == Phase::Running;
        let Some(handing) = self.hand_over.as_mut().filter(|_| running) else {
            return self.stop();
        };
        let Step::Mirroring = handing.step else {
            handing.next = None;
            return self.stop();
        };
        match handing.shared.release() {
            Ok(owners) => {
                let now = Instant::now();
                handing.step = Step::LettingGo {
                    until: now + NOBODY,
                    owners,
                };
                handing.next = Some(now);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot hand over");
                self.stop();
            }
        }
    }

    /// Looks whether the next step may be taken.
    pub(super) fn next_of_hand_over(&mut self) {
        let now = Instant::now();
        let done = self.nothing_in_flight();
        let Some(handing) = &mut self.hand_over else {
            return;
        };
        handing.next = Some(now + LOOK);
        match handing.step {
            Step::Waiting { until } => match handing.shared.try_take_over() {
                Ok(false) if until.is_some_and(|until| now >= until) => {
                    handing.step = Step::Waiting { until: None };
                    tracing::warn!(
                        "this agent has been on standby for {} s, because another agent on this node is \
                         mirroring: if it is not meant to take over from that one, use another --hand-over file",
                        LONG.as_secs()
                    );
                }
                Ok(false) => {}
                Ok(true) => {
                    tracing::info!("took over: the previous agent has stopped mirroring");
                    handing.step = Step::Mirroring;
                    handing.next = None;
                    self.report_on_hand_over();
                }
                Err(error) => {
                    let error = format!("cannot take the lock: {error}");
                    self.operation.readiness.set(HAND_OVER, Err(error));
                }
            },
            Step::Mirroring => handing.next = None,
            Step::LettingGo { owners, .. } if handing.shared.owners() != owners => {
                tracing::info!("handed over to another agent on this node");
                handing.shared.leave();
                handing.step = Step::Overlapping { until: now + OVERLAP };
            }
            Step::LettingGo { until, .. } if now < until => {}
            Step::Overlapping { until } if now >= until => {
                handing.step = Step::Finishing { until: now + REST };
            }
            Step::Overlapping { .. } => {}
            Step::Finishing { until } if now < until && !done => {}
            Step::LettingGo { .. } | Step::Finishing { .. } => {
                handing.next = None;
                self.stop();
            }
        }
    }

    /// Says whether this agent mirrors or waits.
    pub(super) fn report_on_hand_over(&self) {
        let readiness = &self.operation.readiness;
        match self.hand_over.as_ref().map(|handing| handing.step) {
            None => {}
            Some(Step::Waiting { .. }) => readiness.set_idle(
                HAND_OVER,
                "another agent on this node is mirroring; this one takes over when it stops".to_owned(),
            ),
            Some(_) => readiness.set(HAND_OVER, Ok(())),
        }
    }

    fn nothing_in_flight(&self) -> bool {
        self.shards.iter().all(|shard| {
            let counts = shard.ledger.snapshot();
            counts.outputs.iter().all(|output| output.in_flight == 0)
        })
    }
}
