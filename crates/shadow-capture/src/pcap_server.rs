//! Which end of a connection in a capture file is the server.
//!
//! With a list of ports: the end whose port is listed. When that does not tell (no list, or both are
//! listed): the end that a SYN was sent to, or that answered one; while none was seen, the end with the lower
//! port, or, with equal ports, the one that received the first packet. The choice is kept for the connection,
//! as changing it would tear its streams apart, until a SYN says otherwise.

use std::hash::RandomState;

use hashlink::LinkedHashMap;
use shadow_tcp::{Direction, Endpoint, FlowKey, TcpFlags};

use super::packet::TcpPacket;

/// Most connections whose server is remembered; some 12 MiB. Beyond, the one quiet for longest is forgotten.
const MAX_REMEMBERED: usize = 131_072;

/// Chooses servers.
#[derive(Debug)]
pub(super) struct Servers {
    /// Server ports; empty for any.
    ports: Vec<u16>,
    /// The two ends, the lower first, and whether that one is the server.
    remembered: LinkedHashMap<(Endpoint, Endpoint), bool, RandomState>,
}

impl Servers {
    pub fn new(ports: Vec<u16>) -> Self {
        Self {
            ports,
            remembered: LinkedHashMap::default(),
        }
    }

    /// Whose packet this is and which way it goes; `None` when neither port is listed.
    pub fn orient(&mut self, packet: &TcpPacket) -> Option<(FlowKey, Direction)> {
        let to_server = match (self.lists(packet.destination), self.lists(packet.source)) {
            (true, false) => true,
            (false, true) => false,
            (false, false) => return None,
            (true, true) => self.destination_is_server(packet),
        };
        let (client, server, direction) = if to_server {
            (packet.source, packet.destination, Direction::Request)
        } else {
            (packet.destination, packet.source, Direction::Response)
        };
        let flow = FlowKey {
            client,
            server,
            scope: 0,
        };
        Some((flow, direction))
    }

    fn lists(&self, endpoint: Endpoint) -> bool {
        self.ports.is_empty() || self.ports.contains(&endpoint.port)
    }

    fn destination_is_server(&mut self, packet: &TcpPacket) -> bool {
        let destination_lower = packet.destination < packet.source;
        let ends = if destination_lower {
            (packet.destination, packet.source)
        } else {
            (packet.source, packet.destination)
        };
        let said = packet
            .flags
            .contains(TcpFlags::SYN)
            .then(|| !packet.flags.contains(TcpFlags::ACK));
        if let Some(lower_is_server) = self.remembered.to_back(&ends) {
            if let Some(to_server) = said {
                *lower_is_server = to_server == destination_lower;
            }
            return *lower_is_server == destination_lower;
        }
        let to_server = said.unwrap_or(packet.destination.port <= packet.source.port);
        if self.remembered.len() >= MAX_REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.insert(ends, to_server == destination_lower);
        to_server
    }
}
