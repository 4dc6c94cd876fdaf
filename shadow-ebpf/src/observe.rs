//! The steps of every program with a packet: parse, select, copy, count.

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{bpf_get_netns_cookie, bpf_ktime_get_ns};
use shadow_common::{
    Address, Counter, MARK_CONTINUATION, MARK_RESPONSE, MatchOn, RecordHeader, SCOPE_POD, Side,
    connection_hash,
};

use crate::count::count;
use crate::emit::{ACK, FIN, RST, SYN, Segment, emit};
use crate::maps::{NETNS_COOKIE, SAMPLE, SEED, SHARD_MASK, TRACK_RESPONSE, VLAN_MODE};
use crate::parse::{Layer, Packet, forget, fragment, parse, vlan};
use crate::select::{is_own, pod_of, port_is_watched, targets_of, vlan_is_taken};

/// Bytes of the fixed TCP header.
const TCP_HEADER: u32 = 20;

/// `skb->pkt_type` of a frame to another host's hardware address (`linux/if_packet.h`). The kernel sets it as the
/// frame is received, and drops the packet in `ip_rcv` and `ipv6_rcv`.
const PACKET_OTHERHOST: u32 = 3;

/// Looks at one packet at a hook.
#[inline(always)]
pub fn observe(skb: *mut __sk_buff, layer: Layer, side: Side) {
    let Some(packet) = parse(skb, layer) else { return };
    let source_port = u16::from_be(packet.tcp.source);
    let destination_port = u16::from_be(packet.tcp.destination);
    // SAFETY: `skb` is the program's context.
    let ifindex = unsafe { (*skb).ifindex };

    let to_another_host = side == Side::Ingress
        && layer == Layer::Ethernet
        // SAFETY: `skb` is the program's context.
        && unsafe { (*skb).pkt_type } == PACKET_OTHERHOST;

    let place = Place { skb, layer, ifindex };
    let request = place.select(
        &packet.destination,
        destination_port,
        MatchOn::requests(side),
        to_another_host.then_some(MatchOn::REQUESTS_TO_OTHERS),
    );
    let (response, selection) = match request {
        Selection::No if TRACK_RESPONSE.load() != 0 || opens_or_ends(packet.tcp.flags) => (
            true,
            place.select(
                &packet.source,
                source_port,
                MatchOn::responses(side),
                to_another_host.then_some(MatchOn::RESPONSES_TO_OTHERS),
            ),
        ),
        request => (false, request),
    };
    let pod = match selection {
        Selection::Pod(cgroup) => cgroup,
        _ => 0,
    };
    match selection {
        Selection::No => return,
        Selection::Yes | Selection::Pod(_) => count(Counter::PacketsSelected, 1),
        Selection::OtherHost => {
            count(Counter::PacketsSelected, 1);
            return count(Counter::PacketsOtherHost, 1);
        }
    }

    if VLAN_MODE.load() != 0 && !vlan_is_taken(vlan(skb, layer)) {
        return count(Counter::PacketsOtherVlan, 1);
    }

    let response = forget(skb, u32::from(response)) != 0;
    let mut header = RecordHeader {
        sequence: u32::from_be(packet.tcp.sequence),
        acknowledgment: u32::from_be(packet.tcp.acknowledgment),
        flags: packet.tcp.flags,
        marks: u8::from(response) * MARK_RESPONSE,
        ifindex,
        ..RecordHeader::default()
    };
    if response {
        header.client = packet.destination;
        header.client_port = destination_port;
        header.server = packet.source;
        header.server_port = source_port;
    } else {
        header.client = packet.source;
        header.client_port = source_port;
        header.server = packet.destination;
        header.server_port = destination_port;
    }
    let own_namespace = NETNS_COOKIE.load();
    if layer == Layer::Socket && own_namespace != 0 {
        // SAFETY: `skb` is the program's context; the agent has checked that the kernel has the helper.
        header.scope = unsafe { bpf_get_netns_cookie(skb.cast()) };
    }
    // A loopback address of another namespace is another host's. (Interfaces are those of the agent's namespace.)
    let elsewhere = layer == Layer::Socket && header.scope != own_namespace && header.client.is_loopback();
    if !elsewhere && is_own(&header.client, header.client_port) {
        return count(Counter::PacketsOwn, 1);
    }
    if pod != 0 {
        header.scope = pod | SCOPE_POD;
    }
    match packet.fragment {
        fragment::NO => {}
        fragment::FIRST_V4 => return count(Counter::FragmentsFirstV4, 1),
        _ => return count(Counter::FragmentsFirstV6, 1),
    }
    // SAFETY: `skb` is the program's context.
    let Some((offset, mut length)) = payload(&packet, unsafe { (*skb).len }) else {
        return count(Counter::BadLengths, 1);
    };
    if response && TRACK_RESPONSE.load() == 0 {
        leave_payload_out(&mut header, length);
        length = 0;
    }
    let hash = connection_hash(
        SEED.load(),
        &header.client,
        header.client_port,
        &header.server,
        header.server_port,
    );
    if hash >> 32 >= SAMPLE.load() {
        return count(
            if header.flags & SYN != 0 && !response {
                Counter::ConnectionsSampledOut
            } else {
                Counter::PacketsSampledOut
            },
            1,
        );
    }
    if length == 0 && header.flags & (SYN | FIN | RST) == 0 {
        return count(Counter::PacketsEmpty, 1);
    }
    #[cfg(feature = "log")]
    say(skb, &header, length);
    // SAFETY: the helper has no conditions.
    header.time = unsafe { bpf_ktime_get_ns() };
    let mut segment = Segment {
        header,
        offset,
        length,
        shard: hash as u32 & SHARD_MASK.load(),
    };
    emit(skb, &mut segment);
}

/// Whether a packet of a server is taken although responses are not tracked: it accepts a connection (SYN and ACK) or
/// ends one. Most packets do neither, and go no further.
#[inline(always)]
fn opens_or_ends(flags: u8) -> bool {
    flags & (FIN | RST) != 0 || flags & (SYN | ACK) == SYN | ACK
}

/// Makes `header` that of the same segment without its `length` bytes of payload. A FIN stands behind them; a SYN before
/// them, and what is in a RST takes no sequence numbers (RFC 9293 section 3.4).
#[inline(always)]
fn leave_payload_out(header: &mut RecordHeader, length: u32) {
    if length > 0 && header.flags & (FIN | SYN | RST) == FIN {
        header.sequence = header.sequence.wrapping_add(length);
        header.marks |= MARK_CONTINUATION;
    }
}

/// Whether a packet is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Selection {
    No,
    Yes,
    /// Its socket belongs to a watched pod, whose cgroup this is.
    Pod(u64),
    /// Its endpoint is watched, but its frame is for another host.
    OtherHost,
}

/// Where a packet is seen.
struct Place {
    skb: *mut __sk_buff,
    layer: Layer,
    ifindex: u32,
}

impl Place {
    /// Looks for a pod or a target that takes an endpoint's packets as `wanted` says; as `to_others` says, where the
    /// frame is for another host.
    #[inline(always)]
    fn select(&self, address: &Address, port: u16, wanted: MatchOn, to_others: Option<MatchOn>) -> Selection {
        if !port_is_watched(port) {
            return Selection::No;
        }
        if self.layer == Layer::Socket {
            let pod = pod_of(self.skb, port, wanted);
            if pod != 0 {
                return Selection::Pod(pod);
            }
        }
        let enough = to_others.unwrap_or(wanted);
        let taken = targets_of(address, port, self.ifindex, enough);
        if taken.intersects(enough) {
            Selection::Yes
        } else if taken.intersects(wanted) {
            Selection::OtherHost
        } else {
            Selection::No
        }
    }
}

/// Offset and length of the payload; `None` when the headers contradict each other or the packet.
#[inline(always)]
fn payload(packet: &Packet, skb_length: u32) -> Option<(u32, u32)> {
    let header = u32::from(packet.tcp.data_offset >> 4) * 4;
    let offset = packet.tcp_offset + header;
    if header < TCP_HEADER || offset > packet.end || packet.end > skb_length {
        return None;
    }
    Some((offset, packet.end - offset))
}

/// Logs a packet that is about to be copied.
#[cfg(feature = "log")]
fn say(skb: *mut __sk_buff, header: &RecordHeader, length: u32) {
    aya_log_ebpf::debug!(
        &aya_ebpf::programs::TcContext::new(skb),
        "{}:{} to {}:{}, marks {}: sequence {}, flags {:x}, {} bytes, interface {}",
        core::net::Ipv6Addr::from(header.client.octets()),
        header.client_port,
        core::net::Ipv6Addr::from(header.server.octets()),
        header.server_port,
        header.marks,
        header.sequence,
        header.flags,
        length,
        header.ifindex
    );
}
