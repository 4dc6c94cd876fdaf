//! From an skb to the addresses and places of one TCP segment.
//!
//! Everything is read with `bpf_skb_load_bytes`, which works on linear and paged data alike, so the packet
//! is never pulled together. Lengths are only read here; they are checked once the packet is selected.

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use core::arch::asm;
use core::mem::MaybeUninit;
use shadow_common::{Address, Counter};

use crate::count::count;

const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
const ETH_P_8021Q: u16 = 0x8100;
const ETH_P_8021AD: u16 = 0x88a8;
const ETHERNET_HEADER: u32 = 14;
const VLAN_TAG: u32 = 4;
const IPV4_HEADER: u32 = 20;
const IPV6_HEADER: u32 = 40;

const IPPROTO_HOPOPTS: u8 = 0;
const IPPROTO_TCP: u8 = 6;
const IPPROTO_ROUTING: u8 = 43;
const IPPROTO_FRAGMENT: u8 = 44;
const IPPROTO_AH: u8 = 51;
const IPPROTO_DSTOPTS: u8 = 60;
const IPPROTO_MH: u8 = 135;
const IPPROTO_HIP: u8 = 139;
const IPPROTO_SHIM6: u8 = 140;

/// Extension headers that are followed. RFC 8200 lists six kinds, of which one may stand twice.
const MAX_EXTENSIONS: u32 = 8;

/// Where a packet begins at a hook.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// At the Ethernet header.
    Ethernet,
    /// At the IP header.
    Ip,
    /// At the IP header, seen by a socket: the network namespace is that of the socket.
    Socket,
}

/// The part of an IP packet that a segment is; numbers, so that the verifier can be made to forget which.
pub mod fragment {
    /// All of it.
    pub const NO: u32 = 0;
    /// The first of several IPv4 fragments.
    pub const FIRST_V4: u32 = 1;
    /// The first of several IPv6 fragments.
    pub const FIRST_V6: u32 = 2;
}

/// One TCP segment, lengths unchecked.
pub struct Packet {
    pub source: Address,
    pub destination: Address,
    pub tcp: TcpHeader,
    /// Offset of the TCP header.
    pub tcp_offset: u32,
    /// Offset behind the last byte that the IP header speaks of.
    pub end: u32,
    /// One of [`fragment`].
    pub fragment: u32,
}

/// The fixed TCP header, network byte order (RFC 9293 section 3.1).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TcpHeader {
    pub source: u16,
    pub destination: u16,
    pub sequence: u32,
    pub acknowledgment: u32,
    pub data_offset: u8,
    pub flags: u8,
    window: u16,
    checksum: u16,
    urgent: u16,
}

/// The fixed IPv4 header, network byte order (RFC 791 section 3.1).
#[repr(C)]
#[derive(Clone, Copy)]
struct Ipv4Header {
    version_ihl: u8,
    tos: u8,
    total_length: u16,
    identification: u16,
    fragment: u16,
    ttl: u8,
    protocol: u8,
    checksum: u16,
    source: u32,
    destination: u32,
}

/// The fixed IPv6 header, network byte order (RFC 8200 section 3).
#[repr(C)]
#[derive(Clone, Copy)]
struct Ipv6Header {
    version_class_label: u32,
    payload_length: u16,
    next_header: u8,
    hop_limit: u8,
    source: Address,
    destination: Address,
}

/// A fixed-size value at an offset of the packet; `None` behind its end.
#[inline(always)]
fn load<T: Copy>(skb: *mut __sk_buff, offset: u32) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper writes exactly size_of::<T>() bytes to `value`, or fails.
    let failed = unsafe {
        bpf_skb_load_bytes(
            skb.cast(),
            offset,
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
        )
    };
    // SAFETY: the helper has filled it; each T used here takes any bytes.
    (failed == 0).then(|| unsafe { value.assume_init() })
}

/// The same value, of which the verifier knows nothing any more.
///
/// It explores everything behind a point once for each different thing it knows there, and the ways through the
/// headers are many: without this, programs take ten times as long to load and come near its limit. It knows nothing
/// of a packet's length, and does not see that the second of two equal changes undoes the first. (Changes of byte order
/// it follows from Linux 7.0 on.)
#[inline(always)]
pub fn forget(skb: *mut __sk_buff, mut value: u32) -> u32 {
    // SAFETY: `skb` is the program's context.
    let unknown = unsafe { (*skb).len };
    // SAFETY: registers only.
    unsafe {
        asm!(
            "{value} ^= {unknown}",
            "{value} ^= {unknown}",
            value = inout(reg) value,
            unknown = in(reg) unknown,
            options(pure, nomem, nostack)
        );
    }
    value
}

/// The outermost VLAN tag's identifier, where there is a tag. It is out of band as a rule: cards and the kernel take it
/// off the frame before the program sees that.
#[inline(always)]
pub fn vlan(skb: *mut __sk_buff, layer: Layer) -> Option<u16> {
    const IDENTIFIER: u16 = 0x0fff;
    if layer != Layer::Ethernet {
        return None;
    }
    // SAFETY: `skb` is the program's context.
    let (present, tag, protocol) = unsafe { ((*skb).vlan_present, (*skb).vlan_tci, (*skb).protocol) };
    if present != 0 {
        return Some(tag as u16 & IDENTIFIER);
    }
    match u16::from_be(protocol as u16) {
        ETH_P_8021Q | ETH_P_8021AD => {
            load::<u16>(skb, ETHERNET_HEADER).map(|tag| u16::from_be(tag) & IDENTIFIER)
        }
        _ => None,
    }
}

/// Reads the headers. `None`: not TCP, or a reason that is counted here.
#[inline(always)]
pub fn parse(skb: *mut __sk_buff, layer: Layer) -> Option<Packet> {
    // SAFETY: `skb` is the program's context.
    let mut protocol = u16::from_be(unsafe { (*skb).protocol } as u16);
    let mut offset = 0;
    if layer == Layer::Ethernet {
        offset = ETHERNET_HEADER;
        // The outer tag is out of band as a rule (`vlan_tci`), and `protocol` then speaks of what is behind it.
        for _ in 0..2 {
            if protocol != ETH_P_8021Q && protocol != ETH_P_8021AD {
                break;
            }
            let Some(inner) = load::<u16>(skb, offset + 2) else {
                count(Counter::TruncatedHeaders, 1);
                return None;
            };
            protocol = u16::from_be(inner);
            offset += VLAN_TAG;
        }
    }
    match protocol {
        ETH_P_IP => parse_v4(skb, offset),
        ETH_P_IPV6 => parse_v6(skb, offset),
        _ => None,
    }
}

#[inline(always)]
fn parse_v4(skb: *mut __sk_buff, offset: u32) -> Option<Packet> {
    let Some(ip) = load::<Ipv4Header>(skb, offset) else {
        count(Counter::TruncatedHeaders, 1);
        return None;
    };
    if ip.protocol != IPPROTO_TCP || ip.version_ihl >> 4 != 4 {
        return None;
    }
    let header = u32::from(ip.version_ihl & 0xf) * 4;
    if header < IPV4_HEADER {
        count(Counter::TruncatedHeaders, 1);
        return None;
    }
    let place = u16::from_be(ip.fragment);
    if place & 0x1fff != 0 {
        count(Counter::FragmentsLaterV4, 1);
        return None;
    }
    let end = match u16::from_be(ip.total_length) {
        // BIG TCP: the length does not fit, and the packet has no padding (Linux 6.3, iph_totlen()).
        // SAFETY: `skb` is the program's context.
        0 => unsafe { (*skb).len },
        length => offset + u32::from(length),
    };
    transport(
        skb,
        Address::from_v4(ip.source),
        Address::from_v4(ip.destination),
        offset + header,
        end,
        // More fragments follow.
        if place & 0x2000 != 0 {
            fragment::FIRST_V4
        } else {
            fragment::NO
        },
    )
}

#[inline(always)]
fn parse_v6(skb: *mut __sk_buff, start: u32) -> Option<Packet> {
    let Some(ip) = load::<Ipv6Header>(skb, start) else {
        count(Counter::TruncatedHeaders, 1);
        return None;
    };
    if u32::from_be(ip.version_class_label) >> 28 != 6 {
        return None;
    }
    let mut next = ip.next_header;
    let mut offset = start + IPV6_HEADER;
    let mut part = fragment::NO;
    for _ in 0..MAX_EXTENSIONS {
        let unit = match next {
            IPPROTO_HOPOPTS | IPPROTO_ROUTING | IPPROTO_DSTOPTS | IPPROTO_MH | IPPROTO_HIP
            | IPPROTO_SHIM6 | IPPROTO_FRAGMENT | IPPROTO_AH => next,
            _ => break,
        };
        let Some(extension) = load::<[u8; 4]>(skb, offset) else {
            count(Counter::TruncatedHeaders, 1);
            return None;
        };
        next = extension[0];
        offset += match unit {
            // RFC 4302 section 2.2: words of 4 bytes, less two.
            IPPROTO_AH => (u32::from(extension[1]) + 2) * 4,
            IPPROTO_FRAGMENT => {
                let place = u16::from_be_bytes([extension[2], extension[3]]);
                if place & 0xfff8 != 0 {
                    if next == IPPROTO_TCP {
                        count(Counter::FragmentsLaterV6, 1);
                    }
                    return None;
                }
                // A fragment that is first and last is a whole packet (RFC 6946).
                if place & 1 != 0 {
                    part = fragment::FIRST_V6;
                }
                8
            }
            // RFC 8200 section 4: words of 8 bytes, less one.
            _ => (u32::from(extension[1]) + 1) * 8,
        };
        offset = forget(skb, offset);
    }
    match next {
        IPPROTO_TCP => {}
        IPPROTO_HOPOPTS | IPPROTO_ROUTING | IPPROTO_DSTOPTS | IPPROTO_MH | IPPROTO_HIP | IPPROTO_SHIM6
        | IPPROTO_FRAGMENT | IPPROTO_AH => {
            count(Counter::Ipv6ChainsTooLong, 1);
            return None;
        }
        _ => return None,
    }
    let end = match u16::from_be(ip.payload_length) {
        // A jumbogram (RFC 2675) or BIG TCP without its option: the packet has no padding.
        // SAFETY: `skb` is the program's context.
        0 => unsafe { (*skb).len },
        length => start + IPV6_HEADER + u32::from(length),
    };
    transport(skb, ip.source, ip.destination, offset, end, part)
}

#[inline(always)]
fn transport(
    skb: *mut __sk_buff,
    source: Address,
    destination: Address,
    tcp_offset: u32,
    end: u32,
    fragment: u32,
) -> Option<Packet> {
    let (tcp_offset, end) = (forget(skb, tcp_offset), forget(skb, end));
    let Some(tcp) = load::<TcpHeader>(skb, tcp_offset) else {
        count(Counter::TruncatedHeaders, 1);
        return None;
    };
    Some(Packet {
        source,
        destination,
        tcp,
        tcp_offset,
        end,
        fragment: forget(skb, fragment),
    })
}
