//! Selection of packets: the keys of the maps that the agent changes while the programs run.

use crate::Address;

/// Words of the port bitmap: 65,536 ports of 64 a word. Port `p` is bit `p % 64` of word `p / 64`.
pub const PORT_WORDS: u32 = 1024;

/// Words of the bitmap of VLANs: 4096 of 64 a word, as in that of ports.
pub const VLAN_WORDS: u32 = 64;

/// Which packets are taken by their VLAN tags: the values of a constant of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum VlanMode {
    /// All, with tags and without.
    Any = 0,
    /// Those with a tag.
    Tagged = 1,
    /// Those whose outermost tag is in the bitmap.
    Listed = 2,
}

/// A watched endpoint. A packet is looked up as (any address, port, any interface), (any address, port,
/// interface), (address, port, interface) and (address, port, any interface).
///
/// Made of whole words: the BPF back end sets and copies anything else byte by byte.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetKey {
    /// The server's address; [`Address::ANY`] for any.
    pub address: Address,
    /// Interface index in the high half (0 for any), the server's port in host order in the low one.
    place: u64,
}

impl TargetKey {
    /// A server's `address` and `port` as seen on `ifindex`; 0 for any interface.
    #[inline(always)]
    pub const fn new(address: Address, port: u16, ifindex: u32) -> Self {
        let place = (ifindex as u64) << 32 | port as u64;
        Self { address, place }
    }

    /// The server's port, host order.
    pub const fn port(&self) -> u16 {
        self.place as u16
    }

    /// Where the packet is seen; 0 for anywhere.
    pub const fn ifindex(&self) -> u32 {
        (self.place >> 32) as u32
    }
}

/// A watched pod: packets of sockets below its cgroup, at one of its ports.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodKey {
    cgroup: u64,
    port: u64,
}

impl PodKey {
    /// The id of the pod's cgroup, and a port in host order.
    #[inline(always)]
    pub const fn new(cgroup: u64, port: u16) -> Self {
        let port = port as u64;
        Self { cgroup, port }
    }

    /// The id of the pod's cgroup.
    pub const fn cgroup(&self) -> u64 {
        self.cgroup
    }

    /// The port, host order.
    pub const fn port(&self) -> u16 {
        self.port as u16
    }
}

/// An end of one of the agent's own connections.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnKey {
    address: Address,
    port: u64,
}

impl OwnKey {
    /// A local address and port (host order).
    #[inline(always)]
    pub const fn new(address: Address, port: u16) -> Self {
        let port = port as u64;
        Self { address, port }
    }
}

/// Which way a packet passes the hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Side {
    /// Received: by the interface (`tc`) or by the socket (`cgroup`).
    Ingress = 0,
    /// Sent.
    Egress = 1,
}

/// The value of a target: on which sides its requests and its responses are taken, as bits; and which of those that
/// are received are taken also from frames to another host's hardware address.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatchOn(pub u32);

impl MatchOn {
    /// Packets to the target, seen on `side`.
    #[inline(always)]
    pub const fn requests(side: Side) -> Self {
        Self(1 << side as u32)
    }

    /// Packets from the target, seen on `side`.
    #[inline(always)]
    pub const fn responses(side: Side) -> Self {
        Self(4 << side as u32)
    }

    /// Packets to the target, received in frames to another host; as a rule next to `requests(Ingress)`.
    pub const REQUESTS_TO_OTHERS: Self = Self(16);

    /// Packets from the target, received in frames to another host; as a rule next to `responses(Ingress)`.
    pub const RESPONSES_TO_OTHERS: Self = Self(32);

    /// Both sets of bits.
    #[inline(always)]
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a bit is common.
    #[inline(always)]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

#[cfg(feature = "user")]
mod user {
    use super::{MatchOn, OwnKey, PodKey, TargetKey};

    // SAFETY: repr(C), no padding (three words), any bytes are a value.
    unsafe impl aya::Pod for TargetKey {}
    // SAFETY: repr(C), no padding (two words), any bytes are a value.
    unsafe impl aya::Pod for PodKey {}
    // SAFETY: repr(C), no padding (three words), any bytes are a value.
    unsafe impl aya::Pod for OwnKey {}
    // SAFETY: a transparent u32.
    unsafe impl aya::Pod for MatchOn {}
}
