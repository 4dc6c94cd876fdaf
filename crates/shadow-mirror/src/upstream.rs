//! An upstream as both the settings of an output and the routes of a cluster describe it: its addresses, and the Host header of
//! what it gets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Addresses that are connected to in turn, and that may change meanwhile. Clones are the same ones, and only those are
/// equal: an output stays the same when its endpoints change.
#[derive(Clone, Debug, Default)]
pub struct Endpoints(Arc<Mutex<Arc<[SocketAddr]>>>);

impl Endpoints {
    /// The addresses of the moment; empty while there are none.
    pub fn get(&self) -> Arc<[SocketAddr]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts others in their place.
    pub fn set(&self, addresses: &[SocketAddr]) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if **current != *addresses {
            *current = addresses.into();
        }
    }
}

impl PartialEq for Endpoints {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Treatments of the Host header of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// The upstream's host and port.
    Upstream,
    /// As the client sent it.
    Original,
    /// As the client sent it, with a suffix on the host (`-shadow` gives Istio's form).
    Suffix(String),
}
