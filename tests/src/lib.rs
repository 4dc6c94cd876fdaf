//! The ground that the end-to-end tests share: namespaces, servers, load, and the agent under test.
//!
//! A test opens a [`Stage`] with [`stage!`], naming what it needs; without it the test is skipped, by name and
//! counted. On the stage stand [`Netns`] (network namespaces joined by veth pairs), [`Nginx`] on both sides,
//! the [`Agent`] between them, clients ([`client`], [`load`], [`Wrk`]) and servers that misbehave ([`fault`])
//! or differ as planted ([`shop`]), [`applications`] that nobody here wrote, and servers that speak [`tls`].
//! For Kubernetes there are an [`ApiServer`] and a [`Node`] with [`Pod`]s, without a cluster.
//! In the end the access logs of both sides are compared request by request ([`AccessLog`]) and the agent's
//! [`Ledger`] must balance. Nothing sleeps where an event can be awaited, and every wait has a deadline.
//!
//! What is shipped beside the agent is read as users would: [`manifests`] renders those for Kubernetes, and [`rbac`]
//! tells what they allow.

mod access_log;
mod agent;
mod apache;
pub mod api_server;
pub mod applications;
pub mod cgroup;
pub mod client;
pub mod fault;
mod finished;
pub mod frames;
mod go;
mod grpc_shop;
mod grpc_talk;
mod h2load;
pub mod http2;
mod ledger;
pub mod load;
pub mod manifests;
pub mod metrics;
mod netns;
mod nginx;
mod place;
mod pod;
pub mod process;
pub mod rbac;
mod report;
pub mod segment;
pub mod shop;
mod stage;
pub mod stat;
pub mod tls;
mod wait;
mod wrk;

pub use access_log::{AccessLog, Entry};
pub use agent::Agent;
pub use api_server::ApiServer;
pub use finished::Finished;
pub use grpc_shop::{GrpcShop, GrpcStack};
pub use grpc_talk::Talk;
pub use h2load::H2Load;
pub use ledger::Ledger;
pub use netns::{End, Netns, Veth};
pub use nginx::{Nginx, NginxSetup};
pub use place::Place;
pub use pod::{Container, Node, Pod, PodSetup};
pub use process::{Output, Process, program};
pub use report::Report;
pub use shop::Shop;
pub use stage::Stage;
pub use wait::{DEADLINE, until};
pub use wrk::{Wrk, WrkResult};

/// Opens a [`Stage`] for the test it stands in, or skips the test (returns from it) when something it needs is
/// not here: `"root"`, `"agent"` (a built agent), `"kubectl"` (one that renders our manifests) or the name of a program.
#[macro_export]
macro_rules! stage {
    ($($need:expr),* $(,)?) => {{
        fn here() {}
        match $crate::Stage::open($crate::test_name(&here), &[$($need),*]) {
            Some(stage) => stage,
            None => return,
        }
    }};
}

/// The name of the test that a function is defined in, as the test harness prints it.
#[doc(hidden)]
pub fn test_name<T>(here: &T) -> &'static str {
    let _ = here;
    let path = std::any::type_name::<T>();
    let path = path.strip_suffix("::here").unwrap_or(path);
    path.split_once("::").map_or(path, |(_, test)| test)
}
