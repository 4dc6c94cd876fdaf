//! The end-to-end tests: real servers, real namespaces, real load, and the agent as users get it.
//!
//! One binary, so that they run one at a time: they share `lo` and the processors. `cargo xtask test` runs them.

mod admin;
mod capture;
mod capture_flags;
mod cluster;
mod command_line;
mod compare;
mod config;
mod dashboard;
mod faults;
mod files;
mod filters;
mod foreign;
mod goreplay;
mod hand_over;
mod harness;
mod http;
mod in_a_pod;
mod kept;
mod kubernetes;
mod lifecycle;
mod limits;
mod load;
mod loops;
mod middleware;
mod outputs;
mod pods;
mod privileges;
mod recording;
mod relay;
mod rights;
mod routes;
mod scanner;
mod scene;
mod secrets;
mod served;
mod stuck;
mod swallowed;
mod symptoms;
mod ui;
mod uploads;
