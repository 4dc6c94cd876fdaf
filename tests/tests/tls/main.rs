//! HTTPS end to end: servers on many TLS stacks, clients that speak it in many ways, and the agent that opens what they say.
//!
//! A binary of its own, so that its parts can be run alone: they install servers and build one.

mod clients;
mod files;
mod hardening;
mod harness;
mod later;
mod refused;
mod scene;
mod stacks;
