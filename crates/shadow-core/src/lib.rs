//! What any room of shadow-agent may need, and what knows of none: time, the memory budget, latency, files that a user named,
//! whether threads make progress, and values that are never printed.
#![forbid(unsafe_code)]

pub mod budget;
pub mod health;
pub mod latency;
pub mod named_file;
pub mod secret;
pub mod time;
