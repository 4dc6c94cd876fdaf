//! Kubernetes: from `k8s://` addresses, `HTTPRoute`s and `GRPCRoute`s to pods on this node and mirrors.
//!
//! [`Cluster`] keeps copies of the objects that matter ([`reflector`]), works out what they ask for ([`pods`], [`routes`])
//! whenever one changes, and tells the run ([`Desired`]). What is not known for certain is not captured; while the API is
//! away, the last that was known stays.
//!
//! Without the feature `cluster` only what settings and the run name is built: an agent that is asked for pods says that it
//! cannot follow them.
#![forbid(unsafe_code)]

mod cluster_hooks;
mod desired;
mod pod_filter;
// Without the cluster, selectors are checked and nothing is asked of them.
#[cfg_attr(not(feature = "cluster"), allow(dead_code))]
pub mod selector;
mod settings;

#[cfg(not(feature = "cluster"))]
mod absent;
#[cfg(feature = "cluster")]
mod api_error;
#[cfg(feature = "cluster")]
mod client;
#[cfg(feature = "cluster")]
mod cluster;
#[cfg(feature = "cluster")]
mod conditions;
#[cfg(feature = "cluster")]
mod leader;
#[cfg(feature = "cluster")]
mod objects;
#[cfg(feature = "cluster")]
mod pod_table;
#[cfg(feature = "cluster")]
mod pods;
#[cfg(feature = "cluster")]
mod reflector;
#[cfg(feature = "cluster")]
mod route_lists;
#[cfg(feature = "cluster")]
mod route_watch;
#[cfg(feature = "cluster")]
pub mod routes;
#[cfg(feature = "cluster")]
mod status_writer;
#[cfg(feature = "cluster")]
mod watched;

#[cfg(not(feature = "cluster"))]
pub use absent::Cluster;
#[cfg(feature = "cluster")]
pub use api_error::Trouble;
#[cfg(feature = "cluster")]
pub use cluster::Cluster;
pub use cluster_hooks::ClusterHooks;
pub use desired::{CGROUPS, Concern, Condition, Desired, DesiredMirror, DesiredPod};
pub use pod_filter::PodFilter;
pub use settings::{
    KubernetesSettings, LeaseSettings, PodPort, PodSelector, Pods, RouteNamespaces, WorkloadKind,
};
