//! Mirrors the HTTP requests that production serves to a shadow release, from the kernel, silently.
//!
//! Data goes one way through the rooms, and a lower room never imports a higher one:
//! [`capture`] (segments from the kernel or a file) -> [`tcp`] (ordered bytes and gaps) -> [`http`] (whole
//! messages) -> [`mirror`] (identify, guard, account) -> [`output`] (the shadow upstream, standard output) -> [`compare`]
//! (production's answer against the shadow's). What was recorded or relayed before comes in at [`input`], and joins at
//! [`mirror`].
//! [`tcp`], [`tls`] and [`http`] are sans-IO: no sockets, no clock; time comes in as an argument.
//!
//! The promise that orders everything: production is never touched, and nothing is lost silently. Every
//! request ends in exactly one counted outcome (see [`mirror::ledger`]).
#![deny(unsafe_code)]

pub use shadow_capture as capture;
pub use shadow_cluster as kubernetes;
pub use shadow_compare as compare;
pub use shadow_core::{
    budget, cluster_metrics, health, latency, listen, named_file, privileges, secret, time,
};
pub use shadow_correlate as correlate;
pub use shadow_grpc as grpc;
pub use shadow_hand_over as hand_over;
pub use shadow_hooks as hooks;
pub use shadow_http as http;
pub use shadow_mirror as mirror;
pub use shadow_record::{recording, relay};
pub use shadow_tcp as tcp;
pub use shadow_tls as tls;

pub mod admin;
pub mod agent;
pub mod cli;
pub mod demo;
pub mod descriptors;
pub mod input;
pub mod middleware;
pub mod output;
pub mod pem;
pub mod replay;
pub mod report;
pub mod settings;
pub mod status;
pub mod trust;
pub mod ui;
