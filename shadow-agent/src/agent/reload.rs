//! New settings under a run: refused whole, or in force whole.
//!
//! What stays the same goes on untouched: a mirror with the same output keeps its queue and its connections, a target
//! that the kernel watches stays watched, an output that is taken out finishes what it holds. The shards know of what is
//! new before the kernel watches it, and a cluster that is asked for something else has answered once before what it
//! said earlier is let go.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::mirror_specs::MirrorSpecs;
use super::phase::Phase;
use super::restart::needing_restart;
use super::run::Run;
use super::settings_file::{Loaded, Reloading};
use crate::kubernetes::{Cluster, Desired};
use crate::settings::Settings;

/// The condition of the configuration file.
const CONFIG: &str = "config";

/// Settings that wait until what they ask of a cluster has been read.
pub(super) struct Pending {
    settings: Settings,
    cluster: Cluster,
}

impl Pending {
    /// Resolves when the cluster has said once what it asks for. May be dropped and called again.
    pub async fn ready(&mut self) -> Arc<Desired> {
        loop {
            let desired = self.cluster.changed().await;
            if desired.listed {
                return desired;
            }
        }
    }
}

impl Run {
    /// Has the configuration file read again.
    pub(super) fn reload_now(&self) {
        if let Some(reloading) = &self.reloading {
            tracing::info!("SIGHUP: reloading the configuration file");
            Reloading::read_now(reloading);
        }
    }

    /// Puts what the file came to in force, or says why it cannot be.
    pub(super) async fn reload(&mut self, loaded: Loaded) {
        if *self.phase.borrow() != Phase::Running {
            return;
        }
        // Whatever it is, it comes after what still waits.
        if let Some(Pending { cluster, .. }) = self.pending.take() {
            end_in_background(cluster);
        }
        let taken = match loaded {
            Ok(settings) => self.take(settings).await,
            Err(reason) => Err(reason),
        };
        self.report_on_file(taken);
    }

    /// The cluster has answered: what waited for it is put in force.
    pub(super) async fn end_waiting(&mut self, desired: Arc<Desired>) {
        let Some(Pending { settings, cluster }) = self.pending.take() else {
            return;
        };
        let taken = self.put_settings_in_force(settings, desired).await;
        match &taken {
            Ok(()) => {
                if let Some(before) = self.cluster.replace(cluster) {
                    end_in_background(before);
                }
            }
            Err(_) => end_in_background(cluster),
        }
        self.report_on_file(taken);
    }

    async fn take(&mut self, settings: Settings) -> Result<(), String> {
        let keys = needing_restart(&self.settings, &settings, self.capture.is_some());
        if !keys.is_empty() {
            return Err(format!(
                "{} cannot be changed without a restart: restart the agent, or undo the change; until then no \
                 change of the file is applied",
                keys.join(", ")
            ));
        }
        if asks_the_same(&self.settings, &settings) {
            tracing::info!("configuration file reloaded: nothing changed");
            return Ok(());
        }
        let wanted = MirrorSpecs::of(&settings);
        if settings.kubernetes == self.settings.kubernetes && wanted.pods == self.wanted.pods {
            let desired = Arc::clone(&self.desired);
            return self.put_settings_in_force(settings, desired).await;
        }
        let Some(kubernetes) = &settings.kubernetes else {
            self.put_settings_in_force(settings, Arc::default()).await?;
            if let Some(before) = self.cluster.take() {
                end_in_background(before);
            }
            return Ok(());
        };
        let telling = self.operation.for_cluster();
        let cluster =
            Cluster::start(&kubernetes.client, wanted.pods, telling).map_err(|error| format!("{error:#}"))?;
        tracing::info!(
            "the configuration file changes what is watched in the cluster: applying it once the Kubernetes API \
             has responded"
        );
        self.pending = Some(Pending { settings, cluster });
        Ok(())
    }

    async fn put_settings_in_force(
        &mut self,
        settings: Settings,
        desired: Arc<Desired>,
    ) -> Result<(), String> {
        let wanted_before = std::mem::replace(&mut self.wanted, MirrorSpecs::of(&settings));
        let desired_before = std::mem::replace(&mut self.desired, desired);
        if let Err(error) = self.follow_desired().await {
            self.wanted = wanted_before;
            self.desired = desired_before;
            if let Err(error) = self.follow_desired().await {
                tracing::error!(
                    error = format!("{error:#}"),
                    "cannot restore the previous configuration completely"
                );
            }
            return Err(format!("{error:#}"));
        }
        self.forget(&desired_before);
        if self
            .operation
            .change(&self.settings.operation, &settings.operation)
        {
            // The budget that rested is no more.
            self.log_gate();
        }
        // The hook that captures stays, whatever is left to the agent.
        let capture = self.settings.capture.clone();
        self.settings = Arc::new(Settings { capture, ..settings });
        let mirrors = self.settings.mirrors.len();
        tracing::info!(
            mirrors,
            outputs = self.wanted.mirrors.len(),
            "configuration file applied"
        );
        Ok(())
    }

    /// Forgets what was told of inputs and pods that are wanted no more.
    fn forget(&self, before: &Desired) {
        let operation = &self.operation;
        for name in before.conditions.keys() {
            if !self.desired.conditions.contains_key(name) {
                operation.readiness.remove(name);
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
                operation
                    .cluster
                    .pod_gone(&pod.identity.namespace, &pod.identity.name);
            }
        }
        operation.cluster.set_watched(self.desired.pods.len());
    }

    fn report_on_file(&self, taken: Result<(), String>) {
        let state = match taken {
            Ok(()) if self.pending.is_some() => Err(
                "waiting for the Kubernetes API to apply the configuration file; keeping the previous \
                    one"
                .to_owned(),
            ),
            Ok(()) => Ok(()),
            Err(reason) => {
                tracing::error!(
                    reason,
                    "cannot apply the configuration file; keeping the previous one"
                );
                Err(reason)
            }
        };
        self.operation.readiness.set(CONFIG, state);
    }

    /// Says that the file is in force, at the start.
    pub(super) fn report_file(&self) {
        if self.reloading.is_some() {
            self.operation.readiness.set(CONFIG, Ok(()));
        }
    }
}

/// Whether two settings are the same in all that may change under a run.
fn asks_the_same(one: &Settings, other: &Settings) -> bool {
    one.mirrors == other.mirrors
        && one.kubernetes == other.kubernetes
        && one.operation.expire_after == other.operation.expire_after
        && one.operation.max_cpu_millis == other.operation.max_cpu_millis
}

/// Ends a cluster's thread without waiting for it: it may have a lease to give back.
fn end_in_background(cluster: Cluster) {
    let ending = std::thread::Builder::new()
        .name("kubernetes-end".to_owned())
        .spawn(move || drop(cluster));
    if let Err(error) = ending {
        tracing::warn!(%error, "cannot start a thread to stop watching the cluster");
    }
}
