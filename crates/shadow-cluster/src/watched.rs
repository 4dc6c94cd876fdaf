//! The copies of the cluster's objects that the inputs of a run need, and no others.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1 as core;
use kube::api::Api;
use kube::{Client, Resource};
use shadow_core::cluster_metrics::ClusterMetrics;
use tokio::sync::Notify;

use super::api_error::Trouble;
use super::objects::{Pod, Workload, slim_service};
use super::pods::{Selected, World, select};
use super::reflector::{Choice, Known, ObjectKey, Reflector};
use super::settings::{PodSelector, Pods, WorkloadKind};

/// Everything that each copy is made with.
#[derive(Clone)]
pub struct Source {
    pub client: Client,
    pub changed: Arc<Notify>,
    pub metrics: ClusterMetrics,
}

impl Source {
    /// Keeps a copy of the objects of one kind in one namespace, or in all.
    pub fn reflect<K, V>(&self, namespace: Option<&str>, choice: Choice, slim: fn(K) -> V) -> Reflector<V>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + serde::de::DeserializeOwned
            + std::fmt::Debug
            + Send
            + 'static,
        V: Clone + PartialEq + Send + Sync + 'static,
    {
        let api: Api<K> = match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        Reflector::start(
            vec![api],
            choice,
            slim,
            self.changed.clone(),
            self.metrics.clone(),
        )
    }

    /// The pods of one node: nobody needs those of others.
    pub fn pods_of(&self, node: &str, namespace: Option<&str>) -> Reflector<Pod> {
        let on_node = Choice {
            fields: Some(format!("spec.nodeName={node}")),
            labels: None,
        };
        self.reflect::<core::Pod, _>(namespace, on_node, Pod::slim)
    }
}

/// One `k8s://` input and the copies it needs besides the pods.
pub struct WatchedInput {
    pub selector: PodSelector,
    named: Option<Reflector<Workload>>,
    between: Option<Reflector<Workload>>,
    services: Option<Reflector<core::Service>>,
}

/// A copy of what is known, taken at once.
struct Snapshot<V> {
    objects: Arc<BTreeMap<ObjectKey, Arc<V>>>,
    listed: bool,
    trouble: Option<Trouble>,
}

impl<V> Default for Snapshot<V> {
    fn default() -> Self {
        Self {
            objects: Arc::default(),
            listed: true,
            trouble: None,
        }
    }
}

impl<V: Clone + PartialEq + Send + Sync + 'static> Snapshot<V> {
    fn of(reflector: Option<&Reflector<V>>) -> Self {
        reflector.map_or_else(Self::default, |reflector| {
            let known = reflector.known();
            Self {
                objects: known.objects.clone(),
                listed: known.listed,
                trouble: known.trouble.clone(),
            }
        })
    }
}

impl WatchedInput {
    /// Starts to keep what `selector` needs.
    pub fn start(selector: PodSelector, source: &Source) -> Self {
        let namespace = selector.namespace.clone();
        let namespace = namespace.as_deref();
        let mut watched = Self {
            named: None,
            between: None,
            services: None,
            selector,
        };
        let Pods::Named { kind, name } = &watched.selector.pods else {
            return watched;
        };
        let fields = Choice {
            fields: Some(format!("metadata.name={name}")),
            labels: None,
        };
        match kind {
            WorkloadKind::Pod => {}
            WorkloadKind::Service => {
                watched.services = Some(source.reflect(namespace, fields, slim_service));
            }
            WorkloadKind::Deployment => {
                watched.named =
                    Some(source.reflect::<Deployment, _>(namespace, fields, Workload::of_deployment));
                watched.between = Some(source.reflect::<ReplicaSet, _>(
                    namespace,
                    Choice::default(),
                    Workload::of_replica_set,
                ));
            }
            WorkloadKind::CronJob => {
                watched.named = Some(source.reflect::<CronJob, _>(namespace, fields, Workload::of_cron_job));
                watched.between =
                    Some(source.reflect::<Job, _>(namespace, Choice::default(), Workload::of_job));
            }
            WorkloadKind::StatefulSet => {
                watched.named =
                    Some(source.reflect::<StatefulSet, _>(namespace, fields, Workload::of_stateful_set));
            }
            WorkloadKind::DaemonSet => {
                watched.named =
                    Some(source.reflect::<DaemonSet, _>(namespace, fields, Workload::of_daemon_set));
            }
            WorkloadKind::ReplicaSet => {
                watched.named =
                    Some(source.reflect::<ReplicaSet, _>(namespace, fields, Workload::of_replica_set));
            }
            WorkloadKind::Job => {
                watched.named = Some(source.reflect::<Job, _>(namespace, fields, Workload::of_job));
            }
        }
        watched
    }

    /// Passes on what the input means by what is known now, and what is wrong with what is known. Nothing is meant before
    /// everything it depends on has been listed once.
    pub fn with_selected<R>(
        &self,
        pods: &Known<Pod>,
        use_it: impl FnOnce(Option<Selected<'_>>, Option<Trouble>) -> R,
    ) -> R {
        let named = Snapshot::of(self.named.as_ref());
        let between = Snapshot::of(self.between.as_ref());
        let services = Snapshot::of(self.services.as_ref());
        let trouble = pods
            .trouble
            .clone()
            .or(named.trouble)
            .or(between.trouble)
            .or(services.trouble);
        if !(pods.listed && named.listed && between.listed && services.listed) {
            return use_it(None, trouble);
        }
        let world = World {
            pods: &pods.objects,
            named: &named.objects,
            between: &between.objects,
            services: &services.objects,
        };
        use_it(Some(select(&self.selector, &world)), trouble)
    }
}
