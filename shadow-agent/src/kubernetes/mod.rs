//! Kubernetes: from `k8s://` addresses and `HTTPRoute`s to pods on this node and mirrors.
//!
//! [`Cluster`] keeps copies of the objects that matter ([`reflector`]), works out what they ask for ([`pods`], [`routes`])
//! whenever one changes, and tells the run ([`Desired`]). What is not known for certain is not captured; while the API is
//! away, the last that was known stays.

mod api_error;
mod client;
mod cluster;
mod conditions;
mod desired;
mod leader;
mod objects;
mod pod_filter;
mod pod_table;
mod pods;
mod reflector;
mod route_watch;
pub mod routes;
pub(crate) mod selector;
mod settings;
mod status_writer;
mod watched;

pub use api_error::Trouble;
pub use cluster::{CGROUPS, Cluster, ClusterHooks};
pub use desired::{Concern, Condition, Desired, DesiredPod};
pub use pod_filter::PodFilter;
pub use settings::{
    KubernetesSettings, LeaseSettings, PodPort, PodSelector, Pods, RouteNamespaces, WorkloadKind,
};
