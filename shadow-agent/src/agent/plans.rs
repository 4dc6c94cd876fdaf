//! A run goes over to another plan: what the settings and the cluster ask for is put in force, or what was before stays.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::phase::Phase;
use super::plan_follower::ActivePlan;
use super::pods::{self, Slots};
use super::run::Run;
use crate::kubernetes::{Cluster, Desired};
use crate::mirror::plan::Plan;

/// How long shards may take to go over to another plan; they do at their next tick, a tenth of a second away.
const MAX_FOLLOWING: Duration = Duration::from_millis(500);

/// When what could not be had is tried again.
const RETRY: Duration = Duration::from_secs(5);

impl Run {
    /// Mirrors what the cluster asks for now, or goes on as before where that cannot be.
    pub(super) async fn follow_cluster(&mut self, desired: Arc<Desired>) {
        let before = std::mem::replace(&mut self.desired, Arc::clone(&desired));
        let followed = self.follow_desired().await.map_err(|error| format!("{error:#}"));
        if let Err(error) = &followed {
            tracing::error!(
                error,
                "cannot apply the cluster's configuration; keeping the previous one"
            );
            self.desired = before;
            if let Err(error) = self.follow_desired().await {
                let error = format!("{error:#}");
                tracing::error!(error, "cannot restore the previous configuration completely");
            }
        }
        self.retry = followed
            .is_err()
            .then(|| (Instant::now() + RETRY, desired.clone()));
        self.report_on_cluster(&desired);
        self.report_on_following(followed);
    }

    /// Mirrors what the settings and the cluster ask for. The shards know of a pod before the kernel watches it, and go
    /// on knowing it for a while when it is watched no more.
    pub(super) async fn follow_desired(&mut self) -> anyhow::Result<()> {
        if *self.phase.borrow() != Phase::Running {
            return Ok(());
        }
        let desired = Arc::clone(&self.desired);
        let mut wanted = self.wanted.mirrors.clone();
        wanted.extend(self.wanted.of_routes(&desired));
        let ledgers: Vec<_> = self.shards.iter().map(|shard| shard.ledger.clone()).collect();
        let mirrors = self.mirrors.set(&wanted, &ledgers)?;
        let (own, of_routes) = mirrors.split_at(self.wanted.mirrors.len());
        let slots = Slots::new(self.wanted.slots_of_pods(own), &desired, of_routes);
        let plan = Plan {
            generation: self.plans.borrow().plan.generation + 1,
            addresses: self.wanted.addresses(own),
            live: self.wanted.live_scopes(own),
            admissions: self.wanted.admissions(own),
            splits: self.wanted.splits(own),
            pods: pods::scopes(&desired, &slots, &self.wanted.pod_limits),
            mirrors,
        };
        self.put_in_force(plan).await;
        if let Some(capture) = &mut self.capture {
            capture.watch(&self.wanted.live)?;
            capture.watch_pods(&pods::targets(&desired))?;
        }
        self.report_on_cluster(&desired);
        let routes: BTreeSet<String> = desired.mirrors.iter().map(|mirror| mirror.key.clone()).collect();
        if self.routes != routes {
            tracing::info!(mirrors = routes.len(), "mirrors of routes applied");
            self.routes = routes;
        }
        let watched: BTreeSet<String> = desired.pods.iter().map(|pod| pod.identity.uid.clone()).collect();
        if self.watched != watched {
            tracing::info!(
                pods = watched.len(),
                came = watched.difference(&self.watched).count(),
                went = self.watched.difference(&watched).count(),
                "watching pods"
            );
            self.watched = watched;
        }
        Ok(())
    }

    /// Gives every shard a plan and waits until all follow it.
    async fn put_in_force(&mut self, plan: Plan) {
        let generation = plan.generation;
        let outputs = self.mirrors.outputs();
        self.plans.send_replace(Arc::new(ActivePlan { plan, outputs }));
        let shards = &mut self.shards;
        let all = async {
            for shard in shards {
                // One that has failed has closed it.
                let _ = shard.followed.wait_for(|followed| *followed >= generation).await;
            }
        };
        // A shard that is held up is not waited for any longer: signals and orders wait meanwhile.
        let _ = tokio::time::timeout(MAX_FOLLOWING, all).await;
    }
}

/// Resolves when what could not be had is to be tried again; never, where there is nothing of the kind.
pub(super) async fn tried_again(retry: &mut Option<(Instant, Arc<Desired>)>) -> Arc<Desired> {
    let Some((at, desired)) = retry else {
        return std::future::pending().await;
    };
    tokio::time::sleep_until(*at).await;
    Arc::clone(desired)
}

/// Resolves when the cluster asks for something else; never, where there is none.
pub(super) async fn asked_for(cluster: &mut Option<Cluster>) -> Arc<Desired> {
    match cluster {
        Some(cluster) => cluster.changed().await,
        None => std::future::pending().await,
    }
}
