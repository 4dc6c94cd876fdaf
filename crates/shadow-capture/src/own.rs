//! The agent's own connections to the shadow, kept out of capture.
//!
//! The local address and port of a replay connection are put in a kernel map before its SYN leaves, and the
//! programs pass over packets from there. This needs no capability once the map is open (Linux 5.19; before,
//! `CAP_BPF` where `kernel.unprivileged_bpf_disabled` is set), and holds across network namespaces, where a
//! socket mark is cleared. A loopback address is that of the agent's namespace alone; where sockets are looked at
//! (cgroup engine), the kernel must tell their namespaces for that (Linux 6.15), and a connection in another one that
//! happens to have the same loopback address and port is passed over on older ones. Behind a source NAT on the way it does not hold: the marker header guards there.

use std::collections::HashMap as Counts;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aya::maps::{HashMap, MapData, MapError};
use shadow_common::{Address, MAX_OWN, OwnKey};
use shadow_tcp::Endpoint;
use thiserror::Error;

/// The register of the agent's own connections; clones share it. The default one belongs to no capture and
/// takes everything.
#[derive(Clone, Default)]
pub struct OwnConnections {
    shared: Option<Arc<Mutex<Register>>>,
}

/// Why a connection could not be entered. It must not be opened then: capture would mirror it.
#[derive(Debug, Error)]
pub enum OwnConnectionError {
    /// The socket is not bound to an address yet, so its packets cannot be told.
    #[error("the local address {local} is not one a packet can come from: bind the socket first")]
    Unbound {
        /// As given.
        local: SocketAddr,
    },
    /// The map is full.
    #[error("{} connections of the agent itself are open, which is the limit", MAX_OWN)]
    Full,
    /// The kernel refused the change.
    #[error("cannot change the kernel map OWN: {source}")]
    Map {
        /// The failure.
        source: MapError,
    },
}

/// The kernel's map, and how many hold each of its entries: the port of a connection that has closed may be
/// given to the next one before the first lets go of its entry.
struct Register {
    map: HashMap<MapData, OwnKey, u8>,
    holders: Counts<OwnKey, u32>,
}

impl OwnConnections {
    pub(super) fn new(map: HashMap<MapData, OwnKey, u8>) -> Self {
        let register = Register {
            map,
            holders: Counts::new(),
        };
        Self {
            shared: Some(Arc::new(Mutex::new(register))),
        }
    }

    /// Enters the local end of a bound socket that is about to connect. Keep the answer until the socket is
    /// closed: packets are captured from the moment it is dropped.
    ///
    /// # Errors
    ///
    /// For a socket that is not bound yet, and where the map is full.
    pub fn register(&self, local: SocketAddr) -> Result<OwnConnection, OwnConnectionError> {
        let Some(shared) = &self.shared else {
            return Ok(OwnConnection { entry: None });
        };
        if local.ip().is_unspecified() || local.port() == 0 {
            return Err(OwnConnectionError::Unbound { local });
        }
        let address = Address::from_octets(Endpoint::from(local).address);
        let key = OwnKey::new(address, local.port());
        let mut register = lock(shared);
        if let Some(holders) = register.holders.get_mut(&key) {
            *holders += 1;
        } else {
            register.map.insert(key, 1, 0).map_err(refused)?;
            register.holders.insert(key, 1);
        }
        Ok(OwnConnection {
            entry: Some((Arc::clone(shared), key)),
        })
    }
}

impl fmt::Debug for OwnConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.shared.as_ref().map(|shared| lock(shared).holders.len());
        f.debug_struct("OwnConnections")
            .field("entries", &entries)
            .finish()
    }
}

/// An entry in [`OwnConnections`]; dropping it takes it out.
#[must_use = "the connection is captured as soon as this is dropped"]
pub struct OwnConnection {
    entry: Option<(Arc<Mutex<Register>>, OwnKey)>,
}

impl Drop for OwnConnection {
    fn drop(&mut self) {
        let Some((shared, key)) = self.entry.take() else {
            return;
        };
        let mut register = lock(&shared);
        let Some(holders) = register.holders.get_mut(&key) else {
            return;
        };
        *holders -= 1;
        if *holders == 0 {
            register.holders.remove(&key);
            if let Err(error) = register.map.remove(&key) {
                tracing::debug!(%error, "cannot remove an entry from the kernel map OWN");
            }
        }
    }
}

impl fmt::Debug for OwnConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.entry.as_ref().map(|(_, key)| key);
        f.debug_tuple("OwnConnection").field(&key).finish()
    }
}

fn lock(shared: &Mutex<Register>) -> MutexGuard<'_, Register> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(source: MapError) -> OwnConnectionError {
    match &source {
        MapError::SyscallError(error) if error.io_error.raw_os_error() == Some(libc::E2BIG) => {
            OwnConnectionError::Full
        }
        _ => OwnConnectionError::Map { source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_live_capture_everything_is_taken() {
        let own = OwnConnections::default();
        let connection = own.register(SocketAddr::from(([0, 0, 0, 0], 0))).unwrap();
        drop(connection);
    }
}
