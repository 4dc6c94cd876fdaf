//! Which endpoints a mirror has to do with.

use std::net::IpAddr;

/// Some endpoints, and the mirrors that have to do with them.
#[derive(Clone, Debug, Default)]
pub struct AddressScope {
    /// Server addresses; empty for any.
    pub addresses: Vec<IpAddr>,
    /// Server ports; empty for any.
    pub ports: Vec<u16>,
    /// Slots of the mirrors, ascending.
    pub slots: Vec<usize>,
}

impl AddressScope {
    /// Whether a server's endpoint is meant.
    pub fn has(&self, address: IpAddr, port: u16) -> bool {
        (self.ports.is_empty() || self.ports.contains(&port))
            && (self.addresses.is_empty() || self.addresses.contains(&address))
    }
}
