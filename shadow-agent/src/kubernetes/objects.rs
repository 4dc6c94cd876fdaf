//! What is kept of the cluster's objects: only what choosing pods and ports needs, so that a large cluster fits in little
//! memory.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector as ApiSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::selector::LabelSelector;

/// Ports of one pod that are kept: named container ports. A pod with more is nobody's.
const MOST_PORTS: usize = 256;

/// Set by kubelet on the API's copy of a static pod, whose cgroup has this in its name instead of the UID.
const STATIC_POD_HASH: &str = "kubernetes.io/config.hash";

/// A pod of this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    pub uid: String,
    /// What its cgroup is named by.
    pub cgroup_uid: String,
    pub namespace: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// UID and kind of the object that controls it.
    pub controller: Option<Owner>,
    /// Named TCP ports of its containers.
    pub ports: BTreeMap<String, u16>,
    pub node: String,
    pub phase: String,
    pub ip: String,
    pub restart_policy: String,
    pub scheduler: String,
    pub service_account: String,
}

/// The controlling owner of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub kind: String,
    pub uid: String,
}

impl Pod {
    /// Keeps what matters.
    pub fn slim(pod: core::Pod) -> Self {
        let metadata = pod.metadata;
        let spec = pod.spec.unwrap_or_default();
        let status = pod.status.unwrap_or_default();
        let uid = metadata.uid.clone().unwrap_or_default();
        let hash = metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(STATIC_POD_HASH));
        // Sidecars are init containers that go on (restartPolicy: Always).
        let containers = spec
            .containers
            .iter()
            .chain(spec.init_containers.iter().flatten());
        let ports = containers
            .flat_map(|container| container.ports.iter().flatten())
            .filter(|port| port.protocol.as_deref().unwrap_or("TCP") == "TCP")
            .filter_map(|port| Some((port.name.clone()?, u16::try_from(port.container_port).ok()?)))
            .take(MOST_PORTS)
            .collect();
        Self {
            cgroup_uid: hash.unwrap_or(&uid).clone(),
            uid,
            controller: controller(&metadata),
            namespace: metadata.namespace.unwrap_or_default(),
            name: metadata.name.unwrap_or_default(),
            labels: metadata.labels.unwrap_or_default(),
            ports,
            node: spec.node_name.unwrap_or_default(),
            phase: status.phase.unwrap_or_default(),
            ip: status.pod_ip.unwrap_or_default(),
            restart_policy: spec.restart_policy.unwrap_or_default(),
            scheduler: spec.scheduler_name.unwrap_or_default(),
            service_account: spec.service_account_name.unwrap_or_default(),
        }
    }

    /// Whether its containers have ended for good.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }

    /// A field that field selectors know; empty for any other.
    pub fn field(&self, name: &str) -> &str {
        match name {
            "metadata.name" => &self.name,
            "metadata.namespace" => &self.namespace,
            "spec.nodeName" => &self.node,
            "spec.restartPolicy" => &self.restart_policy,
            "spec.schedulerName" => &self.scheduler,
            "spec.serviceAccountName" => &self.service_account,
            "status.phase" => &self.phase,
            "status.podIP" => &self.ip,
            _ => "",
        }
    }
}

/// An object that has pods, or stands between one that does and its pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    pub uid: String,
    pub controller: Option<Owner>,
    /// Its own selector. `None` where it has none, or one that is not understood.
    pub selector: Option<LabelSelector>,
}

impl Workload {
    fn of(metadata: &ObjectMeta, selector: Option<&ApiSelector>) -> Self {
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            controller: controller(metadata),
            selector: selector.and_then(LabelSelector::of),
        }
    }

    pub fn of_deployment(object: Deployment) -> Self {
        Self::of(&object.metadata, object.spec.map(|spec| spec.selector).as_ref())
    }

    pub fn of_replica_set(object: ReplicaSet) -> Self {
        Self::of(&object.metadata, object.spec.map(|spec| spec.selector).as_ref())
    }

    pub fn of_stateful_set(object: StatefulSet) -> Self {
        Self::of(&object.metadata, object.spec.map(|spec| spec.selector).as_ref())
    }

    pub fn of_daemon_set(object: DaemonSet) -> Self {
        Self::of(&object.metadata, object.spec.map(|spec| spec.selector).as_ref())
    }

    pub fn of_job(object: Job) -> Self {
        Self::of(
            &object.metadata,
            object.spec.and_then(|spec| spec.selector).as_ref(),
        )
    }

    #[allow(clippy::needless_pass_by_value, reason = "one shape for every kind")]
    pub fn of_cron_job(object: CronJob) -> Self {
        Self::of(&object.metadata, None)
    }
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    pub name: Option<String>,
    pub port: u16,
    pub target: TargetPort,
}

/// Where a Service's port leads in a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    Number(u16),
    /// The container port of that name, which may be another number in each pod.
    Name(String),
}

impl TargetPort {
    /// The port in `pod`.
    pub fn in_pod(&self, pod: &Pod) -> Option<u16> {
        match self {
            Self::Number(port) => Some(*port),
            Self::Name(name) => pod.ports.get(name).copied(),
        }
    }
}

/// The TCP ports of a Service.
pub fn service_ports(service: &core::Service) -> Vec<ServicePort> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    ports
        .filter(|port| port.protocol.as_deref().unwrap_or("TCP") == "TCP")
        .filter_map(|port| {
            let number = u16::try_from(port.port).ok()?;
            let target = match &port.target_port {
                None | Some(IntOrString::Int(0)) => TargetPort::Number(number),
                Some(IntOrString::Int(target)) => TargetPort::Number(u16::try_from(*target).ok()?),
                Some(IntOrString::String(name)) => TargetPort::Name(name.clone()),
            };
            Some(ServicePort {
                name: port.name.clone(),
                port: number,
                target,
            })
        })
        .take(MOST_PORTS)
        .collect()
}

/// The selector of a Service; `None` where its endpoints are kept by hand.
pub fn service_selector(service: &core::Service) -> Option<LabelSelector> {
    let labels = service.spec.as_ref()?.selector.as_ref()?;
    (!labels.is_empty()).then(|| LabelSelector::exactly(labels))
}

/// A Service as kept: without what makes it large.
pub fn slim_service(mut service: core::Service) -> core::Service {
    service.metadata.managed_fields = None;
    service.metadata.annotations = None;
    service.status = None;
    service
}

fn controller(metadata: &ObjectMeta) -> Option<Owner> {
    let owners = metadata.owner_references.iter().flatten();
    owners
        .into_iter()
        .find(|owner| owner.controller == Some(true))
        .map(|owner| Owner {
            kind: owner.kind.clone(),
            uid: owner.uid.clone(),
        })
}
