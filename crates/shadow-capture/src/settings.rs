//! Settings of capture: what is captured, and how.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shadow_core::listen::Listen;
use shadow_tcp::BpfFilter;

/// A live input: what is watched, and its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveInput {
    /// Watched targets.
    pub scope: LiveScope,
    /// Server ports.
    pub ports: Vec<u16>,
}

/// The part of this host's traffic that a live input watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveScope {
    /// Any address of this host.
    Any,
    /// These addresses (a host name may have several).
    Addresses(Vec<IpAddr>),
    /// Interfaces by name; `*` matches any run of characters, also in interfaces that appear later.
    Interfaces(String),
}

/// Which kernel hook captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Traffic control on interfaces: tcx, clsact on kernels before 6.6.
    Tc,
    /// `cgroup_skb` at the cgroup v2 root: what sockets see.
    Cgroup,
}

/// How traffic is captured, and what of it.
#[derive(Clone, Debug, Default)]
pub struct CaptureSettings {
    /// The hook; chosen from the addresses when `None`.
    pub engine: Option<Engine>,
    /// Whether what servers send is captured too: to be handed on, to be compared, or for the handshakes of TLS in it.
    pub responses: bool,
    /// Bytes of each ring; a power of two and a multiple of the page size.
    pub ring_bytes: u32,
    /// Rings, and threads that read them: a power of two.
    pub shards: usize,
    /// Share of connections that is captured, of 2^32 (`None`: all).
    pub sample_connections: Option<u32>,
    /// Which connections are taken; all when `None`.
    pub filter: Option<Arc<BpfFilter>>,
    /// Interfaces that are left alone; `*` matches any run of characters.
    pub ignored_interfaces: Vec<String>,
    /// Which packets are taken by their VLAN tags.
    pub vlans: VlanScope,
    /// Where packets of live inputs come from, when that is not this host's kernel.
    pub vxlan: Option<VxlanSettings>,
    /// Where secrets of TLS connections come from; `None` where TLS is not read.
    pub tls: Option<TlsSettings>,
}

/// Where secrets of production's TLS connections come from, and how long they are waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Whether the processes that listen on the ports of live inputs are looked for.
    pub find: bool,
    /// Libraries and executables that secrets are taken from besides.
    pub libraries: Vec<PathBuf>,
    /// Whether they are taken where that is expensive, too.
    pub insist: bool,
    /// NSS key log files and FIFOs.
    pub key_logs: Vec<PathBuf>,
    /// How long what is encrypted waits for its secret.
    pub wait: Duration,
    /// Most secrets that are kept.
    pub max_secrets: usize,
}

impl TlsSettings {
    /// Whether secrets are taken from processes.
    pub fn hooks(&self) -> bool {
        self.find || !self.libraries.is_empty()
    }
}

/// Which packets are taken by their VLAN tags (IEEE 802.1Q); of several tags the outermost counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VlanScope {
    /// All, with tags and without.
    #[default]
    Any,
    /// Those with a tag.
    Tagged,
    /// Those of these VLANs, by their 12-bit identifiers; never empty.
    These(BTreeSet<u16>),
}

impl VlanScope {
    /// Whether a packet with this outermost tag is taken.
    pub fn has(&self, vlan: Option<u16>) -> bool {
        match self {
            Self::Any => true,
            Self::Tagged => vlan.is_some(),
            Self::These(vlans) => vlan.is_some_and(|vlan| vlans.contains(&vlan)),
        }
    }
}

/// VXLAN datagrams (RFC 7348) that carry the packets of live inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VxlanSettings {
    /// The UDP port that they are sent to.
    pub listen: Listen,
    /// Network identifiers that are taken; empty for all.
    pub taken: BTreeSet<u32>,
    /// Network identifiers that are left out.
    pub left_out: BTreeSet<u32>,
}
