//! The segment, which capture sources hand to reassembly: one TCP segment, and whose it is.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use shadow_common::SCOPE_POD;
use shadow_core::time::Timestamp;

/// An address and a port. IPv4 addresses are kept IPv4-mapped (RFC 4291 section 2.5.5.2), so that a key has
/// one shape.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The address, network order; IPv4 as `::ffff:a.b.c.d`.
    pub address: [u8; 16],
    /// The TCP port, host order.
    pub port: u16,
}

/// In two steps, as connections are looked for with each packet.
impl Hash for Endpoint {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.address));
        state.write_u16(self.port);
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        let octets = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Self {
            address: octets,
            port: address.port(),
        }
    }
}

impl Endpoint {
    /// The same as a socket address, IPv4-mapped addresses as IPv4.
    pub fn socket_addr(&self) -> SocketAddr {
        SocketAddr::new(Ipv6Addr::from(self.address).to_canonical(), self.port)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.socket_addr())
    }
}

/// Names a TCP connection while it lives: who asked, who answers, and where the two were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    /// The side that sends requests.
    pub client: Endpoint,
    /// The side whose port is watched.
    pub server: Endpoint,
    /// Tells equal address pairs in different network namespaces apart (0 when there is only one), and names the pod
    /// where one is watched.
    pub scope: u64,
}

/// In one step: keys are hashed for each packet, and a hasher takes the longer for each part.
impl Hash for FlowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut bytes = [0; 44];
        let (ports, rest) = bytes.split_at_mut(4);
        let (scope, addresses) = rest.split_at_mut(8);
        ports[..2].copy_from_slice(&self.client.port.to_ne_bytes());
        ports[2..].copy_from_slice(&self.server.port.to_ne_bytes());
        scope.copy_from_slice(&self.scope.to_ne_bytes());
        addresses[..16].copy_from_slice(&self.client.address);
        addresses[16..].copy_from_slice(&self.server.address);
        state.write(&bytes);
    }
}

impl FlowKey {
    /// The id of the cgroup of the watched pod that the server belongs to.
    pub fn pod(&self) -> Option<u64> {
        (self.scope & SCOPE_POD != 0).then_some(self.scope & !SCOPE_POD)
    }
}

/// Which way a segment travels, by who listens, not by interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Client to server: requests.
    Request,
    /// Server to client: responses.
    Response,
}

/// The TCP control bits (RFC 9293 section 3.1) that reassembly looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// The sender has no more data.
    pub const FIN: TcpFlags = TcpFlags(0x01);
    /// Synchronise: the first sequence number of a direction.
    pub const SYN: TcpFlags = TcpFlags(0x02);
    /// Reset.
    pub const RST: TcpFlags = TcpFlags(0x04);
    /// The acknowledgment number is meant.
    pub const ACK: TcpFlags = TcpFlags(0x10);

    /// Whether all bits of `other` are set.
    pub fn contains(self, other: TcpFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for TcpFlags {
    type Output = TcpFlags;
    fn bitor(self, other: TcpFlags) -> TcpFlags {
        TcpFlags(self.0 | other.0)
    }
}

/// One TCP segment, or a part of one: the kernel cuts packets of 64 KiB and more into several, each with
/// its own sequence number.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The connection.
    pub flow: FlowKey,
    /// Which way it goes.
    pub direction: Direction,
    /// Sequence number of the first payload byte (of the SYN itself when that is set).
    pub sequence: u32,
    /// Acknowledgment number; meaningless without [`TcpFlags::ACK`].
    pub acknowledgment: u32,
    /// Control bits. A packet cut into parts carries FIN and RST on its last part, SYN on its first.
    pub flags: TcpFlags,
    /// Whether this is a later part of a packet that was cut: its first byte is not where a sender's segment
    /// began.
    pub continuation: bool,
    /// Payload bytes.
    pub payload: &'a [u8],
    /// When the packet was seen.
    pub time: Timestamp,
}
