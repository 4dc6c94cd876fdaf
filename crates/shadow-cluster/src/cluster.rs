//! The thread that follows the cluster, and what it tells the run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use shadow_capture::PodCgroups;
use shadow_core::health::Heart;
use tokio::sync::{Notify, oneshot, watch};

use super::client::client;
use super::cluster_hooks::ClusterHooks;
use super::conditions::{NOT_YET, not_listed, of_pods};
use super::desired::{CGROUPS, Condition, Desired};
use super::objects::Pod;
use super::pod_filter::PodFilter;
use super::pod_table::{PodTable, WatchedPods};
use super::reflector::Reflector;
use super::route_watch::RouteWatch;
use super::settings::{KubernetesSettings, PodSelector};
use super::watched::{Source, WatchedInput};

/// Changes come in bursts (a rollout): they are given this long to gather.
const GATHER: Duration = Duration::from_millis(20);

/// How often the thread shows that it lives.
const BEAT: Duration = Duration::from_secs(1);

/// Follows the cluster for as long as it lives.
pub struct Cluster {
    desired: watch::Receiver<Arc<Desired>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Cluster {
    /// Starts to follow what `inputs` and the routes of `settings` mean.
    ///
    /// # Errors
    ///
    /// Where no cluster is known, or no thread can be started. That a cluster does not answer is none.
    pub fn start(
        settings: &KubernetesSettings,
        inputs: Vec<PodSelector>,
        telling: ClusterHooks,
    ) -> anyhow::Result<Self> {
        let ClusterHooks {
            metrics,
            heart,
            lower_priority,
        } = telling;
        let cgroups = PodCgroups::find()?;
        let (tell, desired) = watch::channel(Arc::default());
        let (stop, stopped) = oneshot::channel();
        let (started, report) = std::sync::mpsc::sync_channel(1);
        let settings = settings.clone();
        let thread = std::thread::Builder::new()
            .name("kubernetes".to_owned())
            .spawn(move || {
                lower_priority();
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = match runtime.context("cannot start the runtime") {
                    Ok(runtime) => runtime,
                    Err(error) => {
                        let _ = started.send(Err(error));
                        return;
                    }
                };
                runtime.block_on(async {
                    let client = match client().await {
                        Ok(client) => client,
                        Err(error) => {
                            let _ = started.send(Err(error));
                            return;
                        }
                    };
                    let source = Source {
                        client,
                        changed: Arc::new(Notify::new()),
                        metrics: metrics.clone(),
                    };
                    let keeper = ClusterPlanner::start(
                        &settings,
                        inputs,
                        source,
                        PodTable::new(cgroups, settings.labels.clone(), metrics),
                    );
                    let _ = started.send(Ok(()));
                    keeper.keep(&tell, stopped, &heart).await;
                });
                runtime.shutdown_background();
            })
            .context("cannot start the thread that watches the cluster")?;
        report
            .recv()
            .context("the thread that watches the cluster ended")??;
        Ok(Self {
            desired,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Resolves when the cluster asks for something else.
    pub async fn changed(&mut self) -> Arc<Desired> {
        if self.desired.changed().await.is_err() {
            // The thread has ended, which it only does when it is told to.
            std::future::pending::<()>().await;
        }
        self.desired.borrow_and_update().clone()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Owns the copies and works out what they ask for.
struct ClusterPlanner {
    changed: Arc<Notify>,
    filter: PodFilter,
    pods: Reflector<Pod>,
    inputs: Vec<WatchedInput>,
    routes: Option<RouteWatch>,
    table: PodTable,
}

impl ClusterPlanner {
    fn start(
        settings: &KubernetesSettings,
        inputs: Vec<PodSelector>,
        source: Source,
        table: PodTable,
    ) -> Self {
        let namespace = match settings.routes {
            Some(_) => None,
            None => common_namespace(&inputs),
        };
        let pods = source.pods_of(&settings.node, namespace.as_deref());
        let inputs = inputs
            .into_iter()
            .map(|input| WatchedInput::start(input, &source))
            .collect();
        let routes = settings
            .routes
            .as_ref()
            .map(|namespaces| RouteWatch::start(namespaces, &settings.lease, source.clone()));
        Self {
            changed: source.changed,
            filter: settings.pods.clone(),
            pods,
            inputs,
            routes,
            table,
        }
    }

    async fn keep(
        mut self,
        tell: &watch::Sender<Arc<Desired>>,
        mut stopped: oneshot::Receiver<()>,
        heart: &Heart,
    ) {
        loop {
            let (desired, look_again) = self.desired(Instant::now());
            if !tell.borrow().asks_the_same(&desired) {
                say_what_changed(&tell.borrow(), &desired);
                tell.send_replace(Arc::new(desired));
            }
            // Woken also to show that it lives.
            loop {
                heart.beat();
                let beat = Instant::now() + BEAT;
                let until = look_again.map_or(beat, |at| at.min(beat));
                tokio::select! {
                    _ = &mut stopped => return self.end().await,
                    () = self.changed.notified() => {
                        tokio::time::sleep(GATHER).await;
                        break;
                    }
                    () = tokio::time::sleep_until(until.into()) => {
                        if look_again.is_some_and(|at| Instant::now() >= at) {
                            break;
                        }
                    }
                }
            }
        }
    }

    async fn end(mut self) {
        if let Some(routes) = self.routes.take() {
            routes.end().await;
        }
    }

    /// Works out what is asked for by what is known now, and when to look again though nothing changes.
    fn desired(&mut self, now: Instant) -> (Desired, Option<Instant>) {
        let mut meant = WatchedPods::new();
        let mut conditions = BTreeMap::new();
        let mut pods = self.pods.known().clone();
        self.filter.narrow(&mut pods.objects);
        let mut listed = pods.listed;
        for (index, input) in self.inputs.iter().enumerate() {
            let condition = input.with_selected(&pods, |selected, trouble| {
                let Some(selected) = selected else {
                    listed = false;
                    return not_listed(trouble);
                };
                for (pod, ports) in &selected.pods {
                    add(&mut meant, pod, ports, |concern| {
                        concern.inputs.insert(index);
                    });
                }
                of_pods(&selected.pods, selected.why, trouble)
            });
            conditions.insert(input.selector.typed.clone(), condition);
        }
        let mut mirrors = Vec::new();
        if let Some(routes) = &mut self.routes {
            conditions.insert("--input-k8s-routes".to_owned(), routes.renew(&pods));
            for behind in routes.pods(&pods) {
                add(&mut meant, &behind.pod, &behind.ports, |concern| {
                    concern.routes.insert(behind.key.to_owned());
                    if behind.is_shadow {
                        concern.shadow_of.insert(behind.key.to_owned());
                    }
                });
            }
            mirrors = routes.mirrors().to_vec();
            listed &= routes.is_listed();
        }
        let found = self.table.find(&meant, now);
        if let Some(reason) = found.without_cgroup {
            conditions.insert(CGROUPS.to_owned(), Condition::Bad(reason));
        }
        let desired = Desired {
            pods: found.pods,
            mirrors,
            conditions,
            listed,
        };
        (desired, found.look_again)
    }
}

/// The namespace that all inputs name: then no pods of others need be read.
fn common_namespace(inputs: &[PodSelector]) -> Option<String> {
    let namespaces: BTreeSet<_> = inputs.iter().map(|input| input.namespace.as_ref()).collect();
    match namespaces.into_iter().collect::<Vec<_>>().as_slice() {
        [Some(namespace)] => Some((*namespace).clone()),
        _ => None,
    }
}

fn add(
    meant: &mut WatchedPods,
    pod: &Arc<Pod>,
    ports: &BTreeSet<u16>,
    concern: impl Fn(&mut super::Concern),
) {
    let (_, its_ports) = meant
        .entry(pod.uid.clone())
        .or_insert_with(|| (pod.clone(), BTreeMap::new()));
    for port in ports {
        concern(its_ports.entry(*port).or_default());
    }
}

fn say_what_changed(before: &Desired, now: &Desired) {
    for (name, condition) in &now.conditions {
        if before.conditions.get(name) == Some(condition) {
            continue;
        }
        match condition {
            Condition::Good => tracing::info!(input = name, "as it should be"),
            Condition::Remark(reason) => tracing::warn!(input = name, reason, "not all of it is followed"),
            Condition::Idle(reason) => tracing::info!(input = name, reason, "nothing to capture here"),
            Condition::Bad(reason) if reason == NOT_YET => {}
            Condition::Bad(reason) => tracing::warn!(input = name, reason, "not as it should be"),
        }
    }
}
