//! From captured frames to segments: what capture files and VXLAN datagrams have in common.
//!
//! Every frame ends in one of the [`FileCounters`].

use std::ops::Range;

use serde::Serialize;
use shadow_core::time::Timestamp;
use shadow_tcp::{Direction, FlowKey, Segment, TcpFlags};

use super::packet::{self, LinkType, NoSegment, TcpPacket};
use super::pcap_server::Servers;
use super::settings::VlanScope;

/// Counts of the packets of a file, or of datagrams, by what became of them: `packets` is the sum of those above
/// `cut_packets`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileCounters {
    /// Packets there were.
    pub packets: u64,
    /// Packets handed on.
    pub selected: u64,
    /// TCP, but not of a selected port, or address.
    pub not_selected: u64,
    /// Without the VLAN tag that is asked for.
    pub other_vlan: u64,
    /// Of a response, and responses are not watched. Those that open or end a connection are handed on all the same,
    /// without payload, and are among the `selected`.
    pub unwatched: u64,
    /// Not IPv4 or IPv6.
    pub not_ip: u64,
    /// IP, but not TCP.
    pub not_tcp: u64,
    /// Fragments of IP packets, which are not put together.
    pub fragments: u64,
    /// Captured only up to somewhere in their headers.
    pub headers_cut: u64,
    /// With headers that contradict themselves.
    pub malformed: u64,
    /// From an interface whose link type is not supported.
    pub unsupported_link: u64,
    /// Packets handed on whose payload was not captured whole (snap length); the rest becomes a gap.
    pub cut_packets: u64,
    /// Payload bytes missing from those.
    pub cut_bytes: u64,
    /// Bytes at the end of the file that are no whole packet.
    pub torn_bytes: u64,
}

impl FileCounters {
    /// Whether each packet ended in one count.
    pub fn balanced(&self) -> bool {
        let ends = self.selected
            + self.not_selected
            + self.other_vlan
            + self.unwatched
            + self.not_ip
            + self.not_tcp
            + self.fragments
            + self.headers_cut
            + self.malformed
            + self.unsupported_link;
        ends == self.packets
    }

    /// Adds another file's counts.
    pub fn add(&mut self, other: &FileCounters) {
        self.packets += other.packets;
        self.selected += other.selected;
        self.not_selected += other.not_selected;
        self.other_vlan += other.other_vlan;
        self.unwatched += other.unwatched;
        self.not_ip += other.not_ip;
        self.not_tcp += other.not_tcp;
        self.fragments += other.fragments;
        self.headers_cut += other.headers_cut;
        self.malformed += other.malformed;
        self.unsupported_link += other.unsupported_link;
        self.cut_packets += other.cut_packets;
        self.cut_bytes += other.cut_bytes;
        self.torn_bytes += other.torn_bytes;
    }
}

/// Finds the segments in frames.
#[derive(Debug)]
pub struct Frames {
    servers: Servers,
    pub(super) watch_responses: bool,
    pub(super) vlans: VlanScope,
    pub(super) counters: FileCounters,
    /// FIN of the latest packet, when it stands behind bytes that were not captured.
    late_fin: Option<Segment<'static>>,
}

impl Frames {
    /// `ports` are the servers'; with none, every TCP connection is taken and its server found by itself. Of packets to
    /// clients, only those that open or end a connection are taken unless `watch_responses`, as the kernel programs do.
    pub fn new(ports: Vec<u16>, watch_responses: bool) -> Self {
        Self {
            servers: Servers::new(ports),
            watch_responses,
            vlans: VlanScope::default(),
            counters: FileCounters::default(),
            late_fin: None,
        }
    }

    /// The segment that the latest frame still has to give: it comes before the next.
    pub fn late_fin(&mut self) -> Option<Segment<'static>> {
        self.late_fin.take()
    }

    /// The segment of a frame that was `original_len` bytes long, without its payload, and where in the frame that is.
    pub fn take(
        &mut self,
        link: Option<LinkType>,
        frame: &[u8],
        original_len: usize,
        time: Timestamp,
    ) -> Option<(Segment<'static>, Range<usize>)> {
        self.counters.packets += 1;
        let Some(link) = link else {
            self.counters.unsupported_link += 1;
            return None;
        };
        let packet = match packet::parse(link, frame, original_len) {
            Ok(packet) => packet,
            Err(reason) => {
                self.count(reason);
                return None;
            }
        };
        let Some((flow, direction)) = self.servers.orient(&packet) else {
            self.counters.not_selected += 1;
            return None;
        };
        if !self.vlans.has(packet.vlan) {
            self.counters.other_vlan += 1;
            return None;
        }
        if direction == Direction::Response && !self.watch_responses {
            if !opens_or_ends(packet.flags) {
                self.counters.unwatched += 1;
                return None;
            }
            self.counters.selected += 1;
            return Some((without_payload(&packet, flow, time), 0..0));
        }
        self.counters.selected += 1;
        let segment = self.segment(&packet, flow, direction, time);
        Some((segment, packet.payload))
    }

    /// The segment of a packet, without its payload.
    fn segment(
        &mut self,
        packet: &TcpPacket,
        flow: FlowKey,
        direction: Direction,
        time: Timestamp,
    ) -> Segment<'static> {
        let mut segment = Segment {
            flow,
            direction,
            sequence: packet.sequence,
            acknowledgment: packet.acknowledgment,
            flags: packet.flags,
            continuation: false,
            payload: &[],
            time,
        };
        if packet.cut > 0 {
            self.counters.cut_packets += 1;
            self.counters.cut_bytes += packet.cut as u64;
            // FIN stands behind all of the payload: on the bytes that were captured it would end the stream
            // before those that were not.
            if packet.flags.contains(TcpFlags::FIN) && !packet.flags.contains(TcpFlags::RST) {
                let syn = u32::from(packet.flags.contains(TcpFlags::SYN));
                let len = packet.payload.len() + packet.cut;
                self.late_fin = Some(Segment {
                    sequence: packet.sequence.wrapping_add(len as u32).wrapping_add(syn),
                    flags: TcpFlags(packet.flags.0 & !TcpFlags::SYN.0),
                    ..segment
                });
                segment.flags = TcpFlags(packet.flags.0 & !TcpFlags::FIN.0);
            }
        }
        segment
    }

    fn count(&mut self, reason: NoSegment) {
        let counter = match reason {
            NoSegment::NotIp => &mut self.counters.not_ip,
            NoSegment::NotTcp => &mut self.counters.not_tcp,
            NoSegment::Fragment => &mut self.counters.fragments,
            NoSegment::HeadersCut => &mut self.counters.headers_cut,
            NoSegment::Malformed => &mut self.counters.malformed,
        };
        *counter += 1;
    }
}

/// Whether a packet of a server is taken although responses are not watched: it accepts a connection or ends one.
fn opens_or_ends(flags: TcpFlags) -> bool {
    flags.contains(TcpFlags::SYN | TcpFlags::ACK)
        || flags.contains(TcpFlags::FIN)
        || flags.contains(TcpFlags::RST)
}

/// A server's segment as [`MARK_RESPONSE`](shadow_common::MARK_RESPONSE) has it where responses are not tracked.
fn without_payload(packet: &TcpPacket, flow: FlowKey, time: Timestamp) -> Segment<'static> {
    let flags = packet.flags;
    let behind =
        flags.contains(TcpFlags::FIN) && !flags.contains(TcpFlags::SYN) && !flags.contains(TcpFlags::RST);
    let left_out = if behind {
        packet.payload.len() + packet.cut
    } else {
        0
    };
    Segment {
        flow,
        direction: Direction::Response,
        sequence: packet.sequence.wrapping_add(left_out as u32),
        acknowledgment: packet.acknowledgment,
        flags,
        continuation: left_out > 0,
        payload: &[],
        time,
    }
}
