//! Packets out of VXLAN datagrams (RFC 7348), as mirroring sessions of clouds and switches send them. Pure: no socket.
//!
//! Trusts nothing: whoever reaches the port can send anything. Every datagram ends in one of the [`VxlanCounts`].

use std::net::IpAddr;

use serde::Serialize;
use shadow_core::time::Timestamp;
use shadow_tcp::Segment;

use super::frames::{FileCounters, Frames};
use super::packet::LinkType;
use super::settings::{CaptureSettings, LiveInput, LiveScope, VxlanSettings};

/// Bytes of a VXLAN header (RFC 7348 section 5).
const HEADER: usize = 8;
/// The flag that says that there is a network identifier.
const HAS_VNI: u8 = 0x08;

/// Counts of datagrams, by what became of them: `datagrams` is the sum of `not_vxlan`, `other_vni`, `paused` and `packets`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VxlanCounts {
    /// Datagrams received.
    pub datagrams: u64,
    /// Those that are not VXLAN.
    pub not_vxlan: u64,
    /// Those of a network identifier that is not asked for.
    pub other_vni: u64,
    /// Those that came while mirroring was paused.
    pub paused: u64,
    /// Datagrams that the kernel dropped because they were not read in time: what they held is lost.
    pub lost: u64,
    /// Counts of the packets in them.
    #[serde(flatten)]
    pub packets: FileCounters,
}

/// Takes packets out of datagrams.
#[derive(Debug)]
pub struct Decapsulator {
    settings: VxlanSettings,
    /// Servers by their addresses (none for any) and ports.
    servers: Vec<(Vec<IpAddr>, Vec<u16>)>,
    frames: Frames,
    counts: VxlanCounts,
}

impl Decapsulator {
    /// Of the packets in datagrams those are taken that go to a server of `inputs`, or come from one where responses
    /// are tracked.
    pub fn new(inputs: &[LiveInput], vxlan: &VxlanSettings, capture: &CaptureSettings) -> Self {
        let mut servers = Vec::new();
        for input in inputs {
            let addresses = match &input.scope {
                LiveScope::Addresses(addresses) => addresses.iter().map(IpAddr::to_canonical).collect(),
                LiveScope::Any | LiveScope::Interfaces(_) => Vec::new(),
            };
            servers.push((addresses, input.ports.clone()));
        }
        let ports = servers.iter().flat_map(|(_, ports)| ports.iter().copied());
        let mut frames = Frames::new(ports.collect(), capture.responses);
        frames.vlans = capture.vlans.clone();
        Self {
            settings: vxlan.clone(),
            servers,
            frames,
            counts: VxlanCounts::default(),
        }
    }

    /// The counts so far.
    pub fn counts(&self) -> VxlanCounts {
        VxlanCounts {
            packets: self.frames.counters,
            ..self.counts
        }
    }

    /// Passes over a datagram: mirroring is paused.
    pub fn skip_datagram(&mut self) {
        self.counts.datagrams += 1;
        self.counts.paused += 1;
    }

    /// Hands what a datagram that came at `time` holds to `each`: a segment, or two where the packet was cut before its
    /// FIN, or none.
    pub fn take(&mut self, datagram: &[u8], time: Timestamp, mut each: impl FnMut(Segment<'_>)) {
        self.counts.datagrams += 1;
        let Some((vni, frame)) = decapsulate(datagram) else {
            self.counts.not_vxlan += 1;
            return;
        };
        let VxlanSettings { taken, left_out, .. } = &self.settings;
        if left_out.contains(&vni) || !(taken.is_empty() || taken.contains(&vni)) {
            self.counts.other_vni += 1;
            return;
        }
        let taken = self
            .frames
            .take(Some(LinkType::Ethernet), frame, frame.len(), time);
        let Some((segment, payload)) = taken else { return };
        let late_fin = self.frames.late_fin();
        let server = segment.flow.server.socket_addr();
        let is_meant = |(addresses, ports): &(Vec<IpAddr>, Vec<u16>)| {
            (addresses.is_empty() || addresses.contains(&server.ip())) && ports.contains(&server.port())
        };
        if !self.servers.iter().any(is_meant) {
            self.frames.counters.selected -= 1;
            self.frames.counters.not_selected += 1;
            return;
        }
        each(Segment {
            payload: frame.get(payload).unwrap_or_default(),
            ..segment
        });
        if let Some(fin) = late_fin {
            each(fin);
        }
    }
}

/// The network identifier and the Ethernet frame in a datagram.
fn decapsulate(datagram: &[u8]) -> Option<(u32, &[u8])> {
    let (header, frame) = datagram.split_first_chunk::<HEADER>()?;
    let [flags, _, _, _, a, b, c, _] = *header;
    (flags & HAS_VNI != 0).then(|| (u32::from_be_bytes([0, a, b, c]), frame))
}

#[cfg(test)]
#[path = "vxlan_tests.rs"]
mod tests;
