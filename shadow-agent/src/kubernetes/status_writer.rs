//! Writes what this agent says of routes into their status: one agent of the cluster does, the one that holds the lease.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::leader::{Election, RETRY_PERIOD, Step};
use super::routes::{RouteStatus, merge_status};
use super::trouble::Trouble;
use crate::admin::ClusterMetrics;
use crate::settings::LeaseSettings;

/// What is to be said of routes, and the routes that it is said of.
#[derive(Clone, Debug, Default)]
pub struct RouteReport {
    pub statuses: Vec<RouteStatus>,
    pub routes: Vec<Arc<Value>>,
}

/// Asks for the lease, and writes statuses while it is held, until the sender of reports is gone.
pub async fn write_statuses(
    client: Client,
    settings: LeaseSettings,
    httproutes: ApiResource,
    mut reports: watch::Receiver<RouteReport>,
    metrics: ClusterMetrics,
) {
    let mut holder = Holder {
        leases: Api::namespaced(client.clone(), &settings.namespace),
        election: Election::new(settings.identity.clone()),
        settings,
        metrics: metrics.clone(),
        led: false,
    };
    let mut writer = Writer {
        client,
        httproutes,
        metrics,
        said: HashMap::new(),
    };
    let mut unwritten = true;
    let mut next = Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => next = holder.step().await,
            changed = reports.changed() => {
                if changed.is_err() {
                    return holder.release().await;
                }
                unwritten = true;
            }
        }
        if unwritten && holder.leads() {
            let report = reports.borrow_and_update().clone();
            // What could not be written is tried again with the next renewal of the lease.
            unwritten = !writer.write(&report).await;
        }
    }
}

/// This agent's part in the election.
struct Holder {
    leases: Api<Lease>,
    election: Election,
    settings: LeaseSettings,
    metrics: ClusterMetrics,
    led: bool,
}

impl Holder {
    fn leads(&self) -> bool {
        self.election.leads(Instant::now())
    }

    /// Reads the lease and does what is to be done about it; when to come again.
    async fn step(&mut self) -> Instant {
        let next = match self.try_step().await {
            Ok(next) => next,
            Err(error) => {
                let trouble = Trouble::of(&error);
                // That another was faster is what the lease is for.
                if trouble.reason != "conflict" {
                    self.metrics.api_error(trouble.reason);
                    tracing::debug!(
                        reason = trouble.reason,
                        error = trouble.words,
                        "the lease cannot be had"
                    );
                }
                Instant::now() + RETRY_PERIOD
            }
        };
        let leads = self.leads();
        if leads != self.led {
            self.led = leads;
            tracing::info!(leads, lease = self.settings.name, "writing the status of routes");
        }
        next
    }

    async fn try_step(&mut self) -> kube::Result<Instant> {
        let lease = self.leases.get_opt(&self.settings.name).await?;
        let now = Instant::now();
        match self.election.decide(lease.as_ref(), now, wall()) {
            Step::RenewAt(at) | Step::WaitUntil(at) => Ok(at),
            Step::Write(spec) => {
                let mut written = lease.clone().unwrap_or_default();
                written.spec = Some((*spec).clone());
                if lease.is_some() {
                    // With the resourceVersion that was read: of two, one fails.
                    self.leases
                        .replace(&self.settings.name, &PostParams::default(), &written)
                        .await?;
                } else {
                    written.metadata.name = Some(self.settings.name.clone());
                    self.leases.create(&PostParams::default(), &written).await?;
                }
                self.election.written(*spec, now);
                Ok(now + RETRY_PERIOD)
            }
        }
    }

    async fn release(mut self) {
        let Some(spec) = self.election.release(Instant::now(), wall()) else {
            return;
        };
        let released = async {
            let mut lease = self.leases.get(&self.settings.name).await?;
            lease.spec = Some(spec);
            self.leases
                .replace(&self.settings.name, &PostParams::default(), &lease)
                .await
        };
        if let Err(error) = released.await {
            tracing::debug!(%error, "the lease is left to expire");
        }
        self.led = false;
    }
}

struct Writer {
    client: Client,
    httproutes: ApiResource,
    metrics: ClusterMetrics,
    /// Why the status of a route could not be written when that was last said, by the route's UID.
    said: HashMap<String, &'static str>,
}

impl Writer {
    /// Writes what is not written yet; whether all of it is.
    async fn write(&mut self, report: &RouteReport) -> bool {
        let is_here = |uid: &String| report.statuses.iter().any(|status| status.uid == *uid);
        self.said.retain(|uid, _| is_here(uid));
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut all = true;
        for ours in &report.statuses {
            let is_it = |route: &&Arc<Value>| {
                route.pointer("/metadata/uid").and_then(Value::as_str) == Some(ours.uid.as_str())
            };
            let Some(route) = report.routes.iter().find(is_it) else {
                continue;
            };
            let Some(status) = merge_status(route.get("status"), ours, &now) else {
                continue;
            };
            // With the resourceVersion that the status was made from: what others wrote meanwhile is not undone, and
            // their write brings a new report.
            let patch = json!({
                "metadata": {"resourceVersion": route.pointer("/metadata/resourceVersion")},
                "status": status,
            });
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), &ours.namespace, &self.httproutes);
            let written = api
                .patch_status(&ours.name, &PatchParams::default(), &Patch::Merge(&patch))
                .await;
            match written {
                Ok(_) => {
                    self.said.remove(&ours.uid);
                    tracing::debug!(namespace = ours.namespace, route = ours.name, "status written");
                }
                Err(error) => {
                    let trouble = Trouble::of(&error);
                    all = false;
                    if trouble.reason != "conflict" {
                        self.metrics.api_error(trouble.reason);
                        if self.said.insert(ours.uid.clone(), trouble.reason) == Some(trouble.reason) {
                            continue;
                        }
                        tracing::warn!(
                            namespace = ours.namespace,
                            route = ours.name,
                            reason = trouble.reason,
                            error = trouble.words,
                            "the status of a route cannot be written"
                        );
                    }
                }
            }
        }
        all
    }
}

fn wall() -> MicroTime {
    MicroTime(Timestamp::now())
}
