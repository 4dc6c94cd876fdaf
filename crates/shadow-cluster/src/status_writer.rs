//! Writes what this agent says of routes into their status: one agent of the cluster does, the one that holds the lease.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use shadow_core::cluster_metrics::ClusterMetrics;
use shadow_mirror::Draws;
use tokio::sync::watch;

use super::api_error::Trouble;
use super::leader::{Election, RETRY_PERIOD, Step};
use super::route_lists::resource_of;
use super::routes::{RouteStatus, merge_status};
use super::settings::LeaseSettings;

/// Statuses written before the lease gets its turn: a slow API takes a second for them, and the lease lasts fifteen.
const AT_ONCE: u32 = 8;

/// How long nothing is written once that was refused: somebody has to change a role.
const REFUSED: Duration = Duration::from_mins(1);

/// Statuses to be written, and the routes that they are of.
#[derive(Clone, Debug, Default)]
pub struct RouteReport {
    pub statuses: Vec<RouteStatus>,
    pub routes: Vec<Arc<Value>>,
}

/// Asks for the lease, and writes statuses while it is held, until the sender of reports is gone.
pub async fn write_statuses(
    client: Client,
    settings: LeaseSettings,
    mut reports: watch::Receiver<RouteReport>,
    metrics: ClusterMetrics,
) {
    let mut holder = Holder {
        leases: Api::namespaced(client.clone(), &settings.namespace),
        election: Election::new(settings.identity.clone()),
        settings,
        metrics: metrics.clone(),
        led: false,
        said: None,
        draws: Draws::new(),
    };
    let mut writer = Writer {
        client,
        metrics,
        said: HashMap::new(),
        failed: false,
        refused_until: None,
    };
    let mut next = Instant::now();
    // Where the writer is in the report: the lease comes first, so a long report is written in pieces.
    let mut position = Some(0);
    loop {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(next.into()) => {
                next = holder.step().await;
                // What could not be written is tried again with each renewal.
                position = position.or((writer.failed && writer.may_write()).then_some(0));
            }
            changed = reports.changed() => {
                if changed.is_err() {
                    return holder.release().await;
                }
                position = Some(0);
            }
            () = std::future::ready(()), if position.is_some() && holder.leads() && writer.may_write() => {
                let report = reports.borrow_and_update().clone();
                position = writer.write(&report, position.unwrap_or(0)).await;
            }
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
    /// Why the lease could not be had when that was last said.
    said: Option<&'static str>,
    draws: Draws,
}

/// When an agent that does not lead looks at the lease again: the next leader begins within 15 s of the last one's end (30
/// where it could not say so), and 500 nodes ask fifty times a second.
fn look_again(draws: &mut Draws) -> Duration {
    let part = f64::from(draws.draw()) / f64::from(u32::MAX);
    Duration::from_secs(5) + Duration::from_secs(10).mul_f64(part)
}

impl Holder {
    fn leads(&self) -> bool {
        self.election.leads(Instant::now())
    }

    /// Reads the lease and does what is to be done about it; when to come again.
    async fn step(&mut self) -> Instant {
        let next = match self.try_step().await {
            Ok(next) => {
                self.said = None;
                next
            }
            Err(error) => {
                let trouble = Trouble::of(&error);
                // That another was faster is what the lease is for.
                if trouble.reason != "conflict" {
                    self.metrics.api_error(trouble.reason);
                    if self.said.replace(trouble.reason) != Some(trouble.reason) {
                        tracing::warn!(
                            reason = trouble.reason,
                            error = trouble.words,
                            "cannot get the lease: this agent does not write the status of routes"
                        );
                    }
                }
                // Who leads must not lose it to one error.
                let pause = if self.led {
                    RETRY_PERIOD
                } else {
                    look_again(&mut self.draws)
                };
                Instant::now() + pause
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
            Step::RenewAt(at) => Ok(at),
            // Every node of a cluster asks: not often, and not in step. Nothing is in a hurry, mirroring least.
            Step::WaitUntil(_) => Ok(now + look_again(&mut self.draws)),
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
            tracing::debug!(
                error = Trouble::of(&error).words,
                "cannot release the lease; it will expire"
            );
        }
        self.led = false;
    }
}

struct Writer {
    client: Client,
    metrics: ClusterMetrics,
    /// Why the status of a route could not be written when that was last said, by the route's UID.
    said: HashMap<String, &'static str>,
    /// Whether something of the report could not be written.
    failed: bool,
    /// Nothing is written before: it is not allowed.
    refused_until: Option<Instant>,
}

impl Writer {
    fn may_write(&self) -> bool {
        self.refused_until.is_none_or(|until| Instant::now() >= until)
    }

    /// Writes what is not written yet, from `position` on and so many statuses at most; where to go on, if it is not
    /// done.
    async fn write(&mut self, report: &RouteReport, position: usize) -> Option<usize> {
        if position == 0 {
            self.failed = false;
        }
        let is_here = |uid: &String| report.statuses.iter().any(|status| status.uid == *uid);
        self.said.retain(|uid, _| is_here(uid));
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let routes: HashMap<&str, &Arc<Value>> = report
            .routes
            .iter()
            .filter_map(|route| Some((route.pointer("/metadata/uid")?.as_str()?, route)))
            .collect();
        let mut written = 0;
        for (index, ours) in report.statuses.iter().enumerate().skip(position) {
            if written == AT_ONCE {
                return Some(index);
            }
            let Some(route) = routes.get(ours.uid.as_str()) else {
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
            let resource = resource_of(ours.kind);
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), &ours.namespace, &resource);
            written += 1;
            let answer = api
                .patch_status(&ours.name, &PatchParams::default(), &Patch::Merge(&patch))
                .await;
            match answer {
                Ok(_) => {
                    self.said.remove(&ours.uid);
                    tracing::debug!(
                        kind = ours.kind.name(),
                        namespace = ours.namespace,
                        route = ours.name,
                        "status written"
                    );
                }
                Err(error) => {
                    let trouble = Trouble::of(&error);
                    self.failed = true;
                    if trouble.reason != "conflict" {
                        self.metrics.api_error(trouble.reason);
                        let refused = matches!(trouble.reason, "forbidden" | "unauthorized");
                        if refused {
                            self.refused_until = Some(Instant::now() + REFUSED);
                        }
                        let said = self.said.insert(ours.uid.clone(), trouble.reason) == Some(trouble.reason);
                        if said && refused {
                            return None;
                        } else if said {
                            continue;
                        }
                        tracing::warn!(
                            kind = ours.kind.name(),
                            namespace = ours.namespace,
                            route = ours.name,
                            reason = trouble.reason,
                            error = trouble.words,
                            "cannot write the status of a route"
                        );
                    }
                }
            }
        }
        None
    }
}

fn wall() -> MicroTime {
    MicroTime(Timestamp::now())
}
