//! What is captured, and how.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Listen, PodSelector};
use crate::capture::BpfFilter;

/// One `--input-raw`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawInput {
    /// Live traffic.
    Live {
        /// Watched targets.
        scope: LiveScope,
        /// TCP ports that requests are sent to, ascending; never empty in settings.
        ports: Vec<u16>,
    },
    /// Pods of this node, as the Kubernetes API has them.
    Kubernetes(PodSelector),
    /// A pcap or pcapng file, read to its end.
    File {
        /// The file.
        path: PathBuf,
        /// TCP ports that requests are sent to; empty for every port.
        ports: Vec<u16>,
    },
}

impl fmt::Display for RawInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = match self {
            RawInput::Kubernetes(pods) => return f.write_str(&pods.typed),
            RawInput::File { path, ports } => {
                write!(f, "{}", path.display())?;
                ports
            }
            RawInput::Live { scope, ports } => {
                match scope {
                    LiveScope::Any => f.write_str("any address")?,
                    LiveScope::Interfaces(name) => write!(f, "interface {name}")?,
                    LiveScope::Addresses(addresses) => {
                        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                        f.write_str(&texts.join(", "))?;
                    }
                }
                ports
            }
        };
        for (index, port) in ports.iter().enumerate() {
            write!(f, "{}{port}", if index == 0 { ", port " } else { ", " })?;
        }
        Ok(())
    }
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
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Clone, Debug, Default)]
pub struct CaptureSettings {
    /// The hook; chosen from the addresses when `None`.
    pub engine: Option<Engine>,
    /// Whether responses are captured too.
    pub responses: bool,
    /// Whether they are handed on to every output, and not only compared.
    pub track_response: bool,
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
    /// A header that is set to the client's address on each request.
    pub client_header: Option<String>,
    /// Whether what is there of a request whose rest was lost is handed on.
    pub allow_incomplete: bool,
    /// Whether connections are gone on with whose place is not known, at what looks like a request.
    pub resume: bool,
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

/// Bounds of the connection table, over all shards.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionSettings {
    /// Connections followed at once; beyond, the one quiet for longest is evicted.
    pub max_connections: usize,
    /// A connection without a segment for so long is forgotten.
    pub idle_timeout: Duration,
    /// How long a hole may stay open while later bytes wait behind it.
    pub gap_timeout: Duration,
    /// Bytes that may wait behind a hole in one direction of one connection.
    pub max_out_of_order: usize,
}
