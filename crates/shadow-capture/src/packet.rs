//! One link-layer frame of a capture file to the TCP segment in it.
//!
//! Trusts nothing in the frame: every length is checked against what was captured. IP fragments and tunnels
//! are not followed, checksums not verified (captures of offloaded traffic have wrong ones).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use shadow_tcp::{Endpoint, TcpFlags};

/// The header that a frame begins with (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// Ethernet (1).
    Ethernet,
    /// BSD loopback: a protocol family of 4 bytes (0, and 108 in network order).
    Loopback,
    /// An IP packet, version 4 or 6 (101, 228, 229; 12 and 14 on some systems).
    Ip,
    /// Linux cooked capture (113).
    LinuxSll,
    /// Linux cooked capture, version 2 (276).
    LinuxSll2,
}

impl LinkType {
    /// The link type with this number in a capture file, if it can be read here.
    pub fn from_number(number: u32) -> Option<Self> {
        match number {
            0 | 108 => Some(Self::Loopback),
            1 => Some(Self::Ethernet),
            12 | 14 | 101 | 228 | 229 => Some(Self::Ip),
            113 => Some(Self::LinuxSll),
            276 => Some(Self::LinuxSll2),
            _ => None,
        }
    }
}

/// One TCP segment and where its payload is in the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpPacket {
    /// Its sender.
    pub source: Endpoint,
    /// Its receiver.
    pub destination: Endpoint,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// Control bits.
    pub flags: TcpFlags,
    /// The payload bytes that were captured, in the frame.
    pub payload: Range<usize>,
    /// Payload bytes behind these that were not captured (snap length).
    pub cut: usize,
    /// The outermost VLAN tag's identifier, where there is a tag.
    pub vlan: Option<u16>,
}

/// Why a frame gives no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSegment {
    /// It is not IPv4 or IPv6.
    NotIp,
    /// It is IP, but another protocol.
    NotTcp,
    /// It is a fragment of an IP packet.
    Fragment,
    /// The capture ends inside its headers.
    HeadersCut,
    /// Its headers contradict themselves.
    Malformed,
}

/// Ethertypes, which the cooked captures use too.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// IEEE 802.1Q, 802.1ad, and what was used before the latter.
const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// More tags than any network stacks.
const MAX_VLAN_TAGS: usize = 4;
/// More extension headers than any sender has use for.
const MAX_EXTENSION_HEADERS: usize = 16;
/// Address families of IPv4, and of IPv6 on Linux, NetBSD, FreeBSD and macOS.
const FAMILIES: [u32; 5] = [2, 10, 24, 28, 30];
const TCP: u8 = 6;

/// Finds the TCP segment in a frame that was `original_len` bytes long when it was captured.
///
/// # Errors
///
/// Where the frame has no TCP segment: [`NoSegment`] says what it has.
pub fn parse(link: LinkType, frame: &[u8], original_len: usize) -> Result<TcpPacket, NoSegment> {
    let mut vlan = None;
    let (ip, ethertype) = match link {
        LinkType::Ethernet => skip_vlan_tags(frame, 14, be16(frame, 12)?, &mut vlan)?,
        LinkType::LinuxSll => skip_vlan_tags(frame, 16, be16(frame, 14)?, &mut vlan)?,
        LinkType::LinuxSll2 => skip_vlan_tags(frame, 20, be16(frame, 0)?, &mut vlan)?,
        LinkType::Loopback => {
            let family = be32(frame, 0)?;
            // In the byte order of the machine that captured.
            if !FAMILIES.contains(&family) && !FAMILIES.contains(&family.swap_bytes()) {
                return Err(NoSegment::NotIp);
            }
            (4, None)
        }
        LinkType::Ip => (0, None),
    };
    let version = byte(frame, ip)? >> 4;
    let packet = match (version, ethertype) {
        (4, None | Some(IPV4)) => parse_ipv4(frame, ip, original_len),
        (6, None | Some(IPV6)) => parse_ipv6(frame, ip, original_len),
        (_, Some(IPV4 | IPV6)) => Err(NoSegment::Malformed),
        _ => Err(NoSegment::NotIp),
    };
    packet.map(|packet| TcpPacket { vlan, ..packet })
}

/// Steps over VLAN tags: where the network layer begins and its ethertype. The outermost goes into `vlan`.
fn skip_vlan_tags(
    frame: &[u8],
    mut offset: usize,
    mut ethertype: u16,
    vlan: &mut Option<u16>,
) -> Result<(usize, Option<u16>), NoSegment> {
    for _ in 0..MAX_VLAN_TAGS {
        if !VLAN.contains(&ethertype) {
            break;
        }
        let tag = be16(frame, offset)?;
        vlan.get_or_insert(tag & 0x0fff);
        ethertype = be16(frame, offset + 2)?;
        offset += 4;
    }
    match ethertype {
        IPV4 | IPV6 => Ok((offset, Some(ethertype))),
        _ => Err(NoSegment::NotIp),
    }
}

/// RFC 791 section 3.1.
fn parse_ipv4(frame: &[u8], ip: usize, original_len: usize) -> Result<TcpPacket, NoSegment> {
    let header_len = usize::from(byte(frame, ip)? & 0x0f) * 4;
    if header_len < 20 {
        return Err(NoSegment::Malformed);
    }
    let protocol = byte(frame, ip + 9)?;
    if protocol != TCP {
        return Err(NoSegment::NotTcp);
    }
    // More fragments, or an offset.
    if be16(frame, ip + 6)? & 0x3fff != 0 {
        return Err(NoSegment::Fragment);
    }
    let end = match usize::from(be16(frame, ip + 2)?) {
        // The kernel leaves it empty for packets of 64 KiB and more that were not cut into segments yet.
        0 => original_len.max(frame.len()),
        total => ip + total,
    };
    let source = Ipv4Addr::from(array(frame, ip + 12)?).into();
    let destination = Ipv4Addr::from(array(frame, ip + 16)?).into();
    parse_tcp(frame, ip + header_len, end, source, destination)
}

/// RFC 8200 sections 3 and 4.
fn parse_ipv6(frame: &[u8], ip: usize, original_len: usize) -> Result<TcpPacket, NoSegment> {
    let end = match usize::from(be16(frame, ip + 4)?) {
        // A jumbogram (RFC 2675): everything there is.
        0 => original_len.max(frame.len()),
        payload => ip + 40 + payload,
    };
    let source = Ipv6Addr::from(array::<16>(frame, ip + 8)?).into();
    let destination = Ipv6Addr::from(array::<16>(frame, ip + 24)?).into();
    let mut next = byte(frame, ip + 6)?;
    let mut offset = ip + 40;
    for _ in 0..MAX_EXTENSION_HEADERS {
        if offset >= end && next != 59 {
            return Err(NoSegment::Malformed);
        }
        let len = match next {
            TCP => return parse_tcp(frame, offset, end, source, destination),
            // Hop-by-hop, routing, destination options, mobility, HIP, Shim6.
            0 | 43 | 60 | 135 | 139 | 140 => usize::from(byte(frame, offset + 1)?) * 8 + 8,
            // Authentication (RFC 4302 section 2.2).
            51 => usize::from(byte(frame, offset + 1)?) * 4 + 8,
            // Fragment; one that is all of its packet is fine (RFC 6946).
            44 if be16(frame, offset + 2)? & 0xfff9 == 0 => 8,
            44 => return Err(NoSegment::Fragment),
            _ => return Err(NoSegment::NotTcp),
        };
        next = byte(frame, offset)?;
        offset += len;
    }
    Err(NoSegment::Malformed)
}

/// RFC 9293 section 3.1. `end` is where the IP packet ended, captured or not.
fn parse_tcp(
    frame: &[u8],
    tcp: usize,
    end: usize,
    source: IpAddr,
    destination: IpAddr,
) -> Result<TcpPacket, NoSegment> {
    // Options that were not captured are not missed.
    let header: [u8; 20] = array(frame, tcp)?;
    let header_len = usize::from(header[12] >> 4) * 4;
    if header_len < 20 || tcp + header_len > end {
        return Err(NoSegment::Malformed);
    }
    let payload_end = end.min(frame.len());
    let payload_start = (tcp + header_len).min(payload_end);
    Ok(TcpPacket {
        source: SocketAddr::new(source, be16(&header, 0)?).into(),
        destination: SocketAddr::new(destination, be16(&header, 2)?).into(),
        sequence: be32(&header, 4)?,
        acknowledgment: be32(&header, 8)?,
        flags: TcpFlags(header[13]),
        payload: payload_start..payload_end,
        cut: end - (tcp + header_len) - (payload_end - payload_start),
        vlan: None,
    })
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N], NoSegment> {
    let found = bytes.get(offset..).and_then(|bytes| bytes.first_chunk::<N>());
    found.copied().ok_or(NoSegment::HeadersCut)
}

fn byte(bytes: &[u8], offset: usize) -> Result<u8, NoSegment> {
    array::<1>(bytes, offset).map(|[byte]| byte)
}

fn be16(bytes: &[u8], offset: usize) -> Result<u16, NoSegment> {
    array(bytes, offset).map(u16::from_be_bytes)
}

fn be32(bytes: &[u8], offset: usize) -> Result<u32, NoSegment> {
    array(bytes, offset).map(u32::from_be_bytes)
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
