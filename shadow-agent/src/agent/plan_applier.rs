//! The plan of a run: what the settings and the cluster want mirrored is put in force, or what was before stays.
//!
//! The shards know of what is new before the kernel watches it, and go on knowing it for a while when it is watched no
//! more.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use super::capture_switch::CaptureSwitch;
use super::mirror_specs::MirrorSpecs;
use super::mirrors::Mirrors;
use super::plan_follower::ActivePlan;
use super::pods::{self, Slots};
use super::shards::Shards;
use crate::admin::Readiness;
use crate::cluster_metrics::ClusterMetrics;
use crate::kubernetes::{CGROUPS, Condition, Desired};
use crate::mirror::plan::Plan;

/// The plan in force, and what it was made of.
pub(super) struct PlanApplier {
    mirrors: Mirrors,
    /// The plan, told to every shard.
    plans: watch::Sender<Arc<ActivePlan>>,
    /// Mirrors of the settings.
    wanted: MirrorSpecs,
    /// The last configuration of the cluster.
    desired: Arc<Desired>,
    /// Keys of the mirrors of routes that are in force.
    routes: BTreeSet<String>,
    /// UIDs of the pods that are watched.
    watched: BTreeSet<String>,
    readiness: Readiness,
    metrics: ClusterMetrics,
}

impl PlanApplier {
    /// Begins with `plan`, in which `mirrors` are those of `wanted`.
    pub fn new(
        mirrors: Mirrors,
        wanted: MirrorSpecs,
        plan: Plan,
        readiness: Readiness,
        metrics: ClusterMetrics,
    ) -> Self {
        let outputs = mirrors.outputs();
        Self {
            mirrors,
            plans: watch::Sender::new(Arc::new(ActivePlan { plan, outputs })),
            wanted,
            desired: Arc::default(),
            routes: BTreeSet::new(),
            watched: BTreeSet::new(),
            readiness,
            metrics,
        }
    }

    /// The plan in force, for shards to follow.
    pub fn subscribe(&self) -> watch::Receiver<Arc<ActivePlan>> {
        self.plans.subscribe()
    }

    pub fn mirrors(&self) -> &Mirrors {
        &self.mirrors
    }

    pub fn mirrors_mut(&mut self) -> &mut Mirrors {
        &mut self.mirrors
    }

    pub fn wanted(&self) -> &MirrorSpecs {
        &self.wanted
    }

    pub fn desired(&self) -> &Arc<Desired> {
        &self.desired
    }

    /// Mirrors what the cluster asks for now, or goes on as before where that cannot be.
    pub async fn follow_cluster(
        &mut self,
        desired: &Arc<Desired>,
        shards: &mut Shards,
        capture: &mut CaptureSwitch,
    ) -> Result<(), String> {
        let before = std::mem::replace(&mut self.desired, Arc::clone(desired));
        let followed = self.apply(shards, capture).await;
        let followed = followed.map_err(|error| format!("{error:#}"));
        if let Err(error) = &followed {
            tracing::error!(
                error,
                "cannot apply the cluster's configuration; keeping the previous one"
            );
            self.desired = before;
            self.restore(shards, capture).await;
        }
        self.report_conditions(desired);
        followed
    }

    /// Mirrors what new settings want, and what the cluster asks for with them, or goes on as before where that cannot be.
    pub async fn follow_settings(
        &mut self,
        wanted: MirrorSpecs,
        desired: Arc<Desired>,
        shards: &mut Shards,
        capture: &mut CaptureSwitch,
    ) -> Result<(), String> {
        let wanted_before = std::mem::replace(&mut self.wanted, wanted);
        let desired_before = std::mem::replace(&mut self.desired, desired);
        if let Err(error) = self.apply(shards, capture).await {
            self.wanted = wanted_before;
            self.desired = desired_before;
            self.restore(shards, capture).await;
            return Err(format!("{error:#}"));
        }
        self.forget(&desired_before);
        Ok(())
    }

    /// Applies again what was in force before something could not be applied.
    async fn restore(&mut self, shards: &mut Shards, capture: &mut CaptureSwitch) {
        if let Err(error) = self.apply(shards, capture).await {
            let error = format!("{error:#}");
            tracing::error!(error, "cannot restore the previous configuration completely");
        }
    }

    /// Puts in force what the settings and the cluster ask for.
    async fn apply(&mut self, shards: &mut Shards, capture: &mut CaptureSwitch) -> anyhow::Result<()> {
        if !shards.is_running() {
            return Ok(());
        }
        let desired = Arc::clone(&self.desired);
        let mut wanted = self.wanted.mirrors.clone();
        wanted.extend(self.wanted.of_routes(&desired));
        let mirrors = self.mirrors.set(&wanted, &shards.ledgers())?;
        let (own, of_routes) = mirrors.split_at(self.wanted.mirrors.len());
        let slots = Slots::new(self.wanted.slots_of_pods(own), &desired, of_routes);
        self.mirrors.found_images(&pods::images(&desired, &slots));
        let plan = Plan {
            generation: self.plans.borrow().plan.generation + 1,
            addresses: self.wanted.addresses(own),
            live: self.wanted.live_scopes(own),
            admissions: self.wanted.admissions(own),
            splits: self.wanted.splits(own),
            pods: pods::scopes(&desired, &slots, &self.wanted.pod_limits),
            mirrors,
        };
        let generation = plan.generation;
        let outputs = self.mirrors.outputs();
        self.plans.send_replace(Arc::new(ActivePlan { plan, outputs }));
        shards.followed(generation).await;
        capture.watch(&self.wanted.live, &pods::targets(&desired))?;
        self.report_conditions(&desired);
        self.log(&desired);
        Ok(())
    }

    /// Logs how what is mirrored of the cluster changed.
    fn log(&mut self, desired: &Desired) {
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
    }

    /// Says how the inputs from the cluster do.
    fn report_conditions(&self, desired: &Desired) {
        let readiness = &self.readiness;
        for (name, condition) in &desired.conditions {
            match condition {
                Condition::Good => readiness.set(name.clone(), Ok(())),
                Condition::Remark(why) | Condition::Idle(why) => {
                    readiness.set_idle(name.clone(), why.clone());
                }
                Condition::Bad(why) => readiness.set(name.clone(), Err(why.clone())),
            }
        }
        if !desired.conditions.contains_key(CGROUPS) {
            readiness.remove(CGROUPS);
        }
    }

    /// Forgets what was told of inputs and pods that are wanted no more.
    fn forget(&self, before: &Desired) {
        for name in before.conditions.keys() {
            if !self.desired.conditions.contains_key(name) {
                self.readiness.remove(name);
            }
        }
        let stays: BTreeSet<&str> = self
            .desired
            .pods
            .iter()
            .map(|pod| pod.identity.uid.as_str())
            .collect();
        for pod in &before.pods {
            if !stays.contains(pod.identity.uid.as_str()) {
                self.metrics.pod_gone(&pod.identity.namespace, &pod.identity.name);
            }
        }
        self.metrics.set_watched(self.desired.pods.len());
    }
}
