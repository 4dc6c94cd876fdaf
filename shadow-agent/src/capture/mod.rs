//! Where segments come from: the kernel programs' rings, and capture files.

mod own;

pub use own::{OwnConnection, OwnConnections};
