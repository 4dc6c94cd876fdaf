//! How a run takes over from another agent of its node, and lets another take over when it is told to end
//! (`--hand-over`; who has which request: [`crate::hand_over`]).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::admin::Readiness;
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
    readiness: Readiness,
}

/// Whether the run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    Stop,
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
    pub fn start(shared: HandOver, readiness: Readiness) -> anyhow::Result<Self> {
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
            readiness,
        })
    }

    /// The state that each shard reads.
    pub fn shared(&self) -> Arc<HandOver> {
        Arc::clone(&self.shared)
    }

    /// Begins to let another agent take over, where one is there to do so. Told a second time, the run ends at once.
    pub fn leave(&mut self) -> Next {
        let Step::Mirroring = self.step else {
            self.next = None;
            return Next::Stop;
        };
        match self.shared.release() {
            Ok(owners) => {
                let now = Instant::now();
                self.step = Step::LettingGo {
                    until: now + NOBODY,
                    owners,
                };
                self.next = Some(now);
                Next::GoOn
            }
            Err(error) => {
                tracing::warn!(%error, "cannot hand over");
                Next::Stop
            }
        }
    }

    /// Looks whether the next step may be taken. `done`: whether nothing is in flight.
    pub fn look(&mut self, done: bool) -> Next {
        let now = Instant::now();
        self.next = Some(now + LOOK);
        match self.step {
            Step::Waiting { until } => self.try_take_over(until.is_some_and(|until| now >= until)),
            Step::Mirroring => self.next = None,
            Step::LettingGo { owners, .. } if self.shared.owners() != owners => {
                tracing::info!("handed over to another agent on this node");
                self.shared.leave();
                self.step = Step::Overlapping { until: now + OVERLAP };
            }
            Step::LettingGo { until, .. } if now < until => {}
            Step::Overlapping { until } if now >= until => {
                self.step = Step::Finishing { until: now + REST };
            }
            Step::Overlapping { .. } => {}
            Step::Finishing { until } if now < until && !done => {}
            Step::LettingGo { .. } | Step::Finishing { .. } => {
                self.next = None;
                return Next::Stop;
            }
        }
        Next::GoOn
    }

    /// Takes over if the other agent has let go. `long`: whether it is time to say that it has not.
    fn try_take_over(&mut self, long: bool) {
        match self.shared.try_take_over() {
            Ok(false) if long => {
                self.step = Step::Waiting { until: None };
                tracing::warn!(
                    "this agent has been on standby for {} s, because another agent on this node is \
                     mirroring: if it is not meant to take over from that one, use another --hand-over file",
                    LONG.as_secs()
                );
            }
            Ok(false) => {}
            Ok(true) => {
                tracing::info!("took over: the previous agent has stopped mirroring");
                self.step = Step::Mirroring;
                self.next = None;
                self.report();
            }
            Err(error) => {
                let error = format!("cannot take the lock: {error}");
                self.readiness.set(HAND_OVER, Err(error));
            }
        }
    }

    /// Says whether this agent mirrors or waits.
    pub fn report(&self) {
        match self.step {
            Step::Waiting { .. } => self.readiness.set_idle(
                HAND_OVER,
                "another agent on this node is mirroring; this one takes over when it stops".to_owned(),
            ),
            _ => self.readiness.set(HAND_OVER, Ok(())),
        }
    }
}

/// Resolves when it is time for [`HandingOver::look`]; never, where nothing is handed over.
pub(super) async fn due(handing: Option<&HandingOver>) {
    match handing.and_then(|handing| handing.next) {
        Some(next) => sleep_until(next).await,
        None => std::future::pending().await,
    }
}
