//! Kubernetes: pods as inputs, routes, and what is asked of the API.

use super::pod_filter::PodFilter;

/// The pods of one `k8s://` input, and their ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSelector {
    /// As typed, for messages.
    pub typed: String,
    /// Their namespace; all when `None`.
    pub namespace: Option<String>,
    /// The pods.
    pub pods: Pods,
    /// Ports of the pods, or of the Service; never empty.
    pub ports: Vec<PodPort>,
}

/// How pods are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pods {
    /// Those of one object.
    Named {
        /// Its kind.
        kind: WorkloadKind,
        /// Its name.
        name: String,
    },
    /// Those whose labels match: `app=web,tier in (a,b)`.
    Labels(String),
    /// Those whose fields match: `metadata.name=web-0`.
    Fields(String),
}

/// Kinds of objects that have pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// A pod itself.
    Pod,
    /// apps/v1.
    Deployment,
    /// apps/v1.
    StatefulSet,
    /// apps/v1.
    DaemonSet,
    /// apps/v1.
    ReplicaSet,
    /// batch/v1.
    Job,
    /// batch/v1.
    CronJob,
    /// v1: the pods behind it; its ports, not theirs.
    Service,
}

impl WorkloadKind {
    /// Every kind, with all its names: singular, plural, as in manifests, short.
    pub const NAMES: [(WorkloadKind, &'static [&'static str]); 8] = [
        (Self::Pod, &["pod", "pods", "po"]),
        (Self::Deployment, &["deployment", "deployments", "deploy"]),
        (Self::StatefulSet, &["statefulset", "statefulsets", "sts"]),
        (Self::DaemonSet, &["daemonset", "daemonsets", "ds"]),
        (Self::ReplicaSet, &["replicaset", "replicasets", "rs"]),
        (Self::Job, &["job", "jobs"]),
        (Self::CronJob, &["cronjob", "cronjobs", "cj"]),
        (Self::Service, &["service", "services", "svc"]),
    ];

    /// The kind by any of its names, in any case.
    pub fn by_name(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let named = |(_, names): &&(Self, &[&str])| names.contains(&text.as_str());
        Self::NAMES.iter().find(named).map(|(kind, _)| *kind)
    }

    /// The singular.
    pub fn word(self) -> &'static str {
        let mut names = Self::NAMES.iter();
        names
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, names)| names[0])
    }

    /// Whether its pods are controlled by other objects, which it controls.
    pub fn has_objects_between(self) -> bool {
        matches!(self, Self::Deployment | Self::CronJob)
    }
}

/// A port of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodPort {
    /// By number.
    Number(u16),
    /// By the name that the container, or the Service, gives it.
    Name(String),
}

impl std::fmt::Display for PodPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(port) => write!(f, "{port}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Settings of the Kubernetes client.
#[derive(Clone, Debug, PartialEq)]
pub struct KubernetesSettings {
    /// The node whose pods are watched (`NODE_NAME`).
    pub node: String,
    /// Which of the pods that inputs and routes lead to are captured.
    pub pods: PodFilter,
    /// Labels of pods that travel with their requests.
    pub labels: Vec<String>,
    /// Whose `HTTPRoute`s are followed, if any.
    pub routes: Option<RouteNamespaces>,
    /// The lease by which one agent is elected to write the status of routes.
    pub lease: LeaseSettings,
}

/// Namespaces whose routes are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteNamespaces {
    /// All of them.
    All,
    /// These; never empty.
    These(Vec<String>),
}

/// A Lease of coordination.k8s.io, and who asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSettings {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// This agent's name, another for each.
    pub identity: String,
}
