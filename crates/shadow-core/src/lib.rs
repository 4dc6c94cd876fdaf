//! The ground that any room of shadow-agent may stand on, and that knows of none: time, the memory budget, latency, files that a
//! user named, whether threads make progress and what they may do, ports, counts of a cluster, and values that are never printed.
#![deny(unsafe_code)]

pub mod budget;
pub mod cluster_metrics;
pub mod health;
pub mod latency;
pub mod listen;
pub mod named_file;
pub mod privileges;
pub mod secret;
pub mod time;
