//! The cluster's objects as they are kept: only what choosing pods and ports needs, so that a large cluster fits in little
//! memory.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector as ApiSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::selector::LabelSelector;

/// Ports of one pod that are kept: named container ports. A pod with more is nobody's.
const MAX_PORTS: usize = 256;

/// Containers of one pod whose images are kept.
const MAX_IMAGES: usize = 64;

/// Set by kubelet on the API's copy of a static pod (a mirror pod), both to the hash of its manifest. Its cgroup has that
/// in its name instead of the UID.
const STATIC_POD_HASH: [&str; 2] = ["kubernetes.io/config.hash", "kubernetes.io/config.mirror"];
/// Length of such a hash.
const HASH_LENGTH: usize = 32;

/// A pod of this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    pub uid: String,
    /// The UID that its cgroup is named by.
    pub cgroup_uid: String,
    pub namespace: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// UID and kind of the object that controls it.
    pub controller: Option<Owner>,
    /// Named TCP ports of its containers.
    pub ports: BTreeMap<String, u16>,
    /// The image of its first container, and those of the containers that name a port, by it.
    pub images: (String, BTreeMap<u16, String>),
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
        let controller = controller(&metadata);
        let hash = static_pod_hash(&metadata, controller.as_ref());
        // Sidecars are init containers that go on (restartPolicy: Always).
        let containers = spec
            .containers
            .iter()
            .chain(spec.init_containers.iter().flatten());
        let ports = containers
            .flat_map(|container| container.ports.iter().flatten())
            .filter(|port| is_tcp(port.protocol.as_deref()))
            .filter_map(|port| Some((port.name.clone()?, u16::try_from(port.container_port).ok()?)))
            .take(MAX_PORTS)
            .collect();
        Self {
            cgroup_uid: hash.unwrap_or_else(|| uid.clone()),
            uid,
            controller,
            namespace: metadata.namespace.unwrap_or_default(),
            name: metadata.name.unwrap_or_default(),
            labels: metadata.labels.unwrap_or_default(),
            ports,
            images: images(&spec.containers),
            node: spec.node_name.unwrap_or_default(),
            phase: status.phase.unwrap_or_default(),
            ip: status.pod_ip.unwrap_or_default(),
            restart_policy: spec.restart_policy.unwrap_or_default(),
            scheduler: spec.scheduler_name.unwrap_or_default(),
            service_account: spec.service_account_name.unwrap_or_default(),
        }
    }

    /// The image of the container that serves at a port: the one that names it, else the first. Ports need not be named in a pod.
    pub fn image_at(&self, port: u16) -> &str {
        let (first, by_port) = &self.images;
        by_port.get(&port).unwrap_or(first)
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
    /// Its own selector. `None` where it has none.
    pub selector: Option<LabelSelector>,
}

impl Workload {
    fn of(metadata: &ObjectMeta, selector: Option<&ApiSelector>) -> Self {
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            controller: controller(metadata),
            // One that is not understood selects nothing.
            selector: selector
                .map(|selector| LabelSelector::of(selector).unwrap_or_else(LabelSelector::nothing)),
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

/// The image of the first container, and those of all that name a port.
fn images(containers: &[core::Container]) -> (String, BTreeMap<u16, String>) {
    let image = |container: &core::Container| container.image.clone().unwrap_or_default();
    let first = containers.first().map(image).unwrap_or_default();
    let mut by_port = BTreeMap::new();
    for container in containers.iter().take(MAX_IMAGES) {
        for port in container.ports.iter().flatten().take(MAX_PORTS) {
            if let Ok(number) = u16::try_from(port.container_port) {
                by_port.entry(number).or_insert_with(|| image(container));
            }
        }
    }
    (first, by_port)
}

/// Whether a port of this protocol is one for TCP, which is what a port without a protocol is for.
pub fn is_tcp(protocol: Option<&str>) -> bool {
    protocol.is_none_or(|protocol| protocol == "TCP")
}

/// The TCP ports of a Service: HTTP is sent to no other.
pub fn tcp_ports(service: &core::Service) -> impl Iterator<Item = &core::ServicePort> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref());
    let ports = ports.unwrap_or_default().iter();
    ports.filter(|port| is_tcp(port.protocol.as_deref()))
}

/// The TCP ports of a Service, and where they lead.
pub fn service_ports(service: &core::Service) -> Vec<ServicePort> {
    tcp_ports(service)
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
        .take(MAX_PORTS)
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

/// The hash that a static pod's cgroup is named by. Anybody who may make a pod may annotate it, and name another pod's
/// cgroup so: only what kubelet alone writes counts. The API server lets no one but a node make a pod that has
/// `config.mirror` (the `NodeRestriction` admission), a node controls it, and no UID has a hash's form.
fn static_pod_hash(metadata: &ObjectMeta, controller: Option<&Owner>) -> Option<String> {
    let annotations = metadata.annotations.as_ref()?;
    let [hash, mirror] = STATIC_POD_HASH.map(|name| annotations.get(name));
    let hash = hash.filter(|hash| Some(*hash) == mirror)?;
    let is_hash = hash.len() == HASH_LENGTH && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hash && controller?.kind == "Node").then(|| hash.clone())
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef";

    fn cgroup_of(annotations: &serde_json::Value, owner: &str) -> String {
        let pod = json!({
            "metadata": {
                "name": "x", "uid": "uid", "annotations": annotations,
                "ownerReferences": [{"apiVersion": "v1", "kind": owner, "name": "n", "uid": "n", "controller": true}],
            },
        });
        Pod::slim(serde_json::from_value(pod).unwrap()).cgroup_uid
    }

    #[test]
    fn a_port_has_the_image_of_the_container_that_names_it() {
        let pod = json!({
            "spec": {"containers": [
                {"name": "app", "image": "shop:v2"},
                {"name": "proxy", "image": "proxy:v1", "ports": [{"containerPort": 8080}, {"containerPort": 99999}]},
            ]},
        });
        let pod = Pod::slim(serde_json::from_value(pod).unwrap());
        assert_eq!(pod.image_at(8080), "proxy:v1");
        assert_eq!(pod.image_at(80), "shop:v2");
        assert_eq!(Pod::default().image_at(80), "");
    }

    #[test]
    fn a_static_pods_cgroup_has_its_hash_and_cannot_be_claimed() {
        let both =
            |hash: &str| json!({"kubernetes.io/config.hash": hash, "kubernetes.io/config.mirror": hash});
        assert_eq!(cgroup_of(&both(HASH), "Node"), HASH);
        for (annotations, owner) in [
            (both(HASH), "ReplicaSet"),
            (both("0f3c1f66-8a4e-4d8c-9a57-21c1a2b7e39d"), "Node"),
            (json!({"kubernetes.io/config.hash": HASH}), "Node"),
            (
                json!({"kubernetes.io/config.hash": HASH, "kubernetes.io/config.mirror": "other"}),
                "Node",
            ),
        ] {
            assert_eq!(cgroup_of(&annotations, owner), "uid", "{annotations} {owner}");
        }
    }
}
