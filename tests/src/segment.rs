//! TCP segments made byte by byte: for capture files of conversations that nobody had, and for clients with an address that
//! is not theirs.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};

use crate::Netns;

/// A SYN.
pub const SYN: u8 = 0x02;
/// An acknowledgment, with data or without.
pub const ACK: u8 = 0x10;
/// The answer to a SYN.
pub const SYN_ACK: u8 = SYN | ACK;
/// A FIN, which acknowledges.
pub const FIN: u8 = 0x01 | ACK;
/// A RST, which acknowledges.
pub const RST: u8 = 0x04 | ACK;

/// An IPv4 packet with one segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its source.
    pub from: SocketAddrV4,
    /// Its destination.
    pub to: SocketAddrV4,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// Control bits.
    pub flags: u8,
    /// Data.
    pub payload: Vec<u8>,
}

impl Segment {
    /// The packet, with its checksums.
    pub fn packet(&self) -> Vec<u8> {
        let mut tcp = Vec::new();
        tcp.extend(self.from.port().to_be_bytes());
        tcp.extend(self.to.port().to_be_bytes());
        tcp.extend(self.sequence.to_be_bytes());
        tcp.extend(self.acknowledgment.to_be_bytes());
        tcp.extend([0x50, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(&self.payload);
        let length = u16::try_from(tcp.len()).expect("a short segment");
        let (from, to) = (self.from.ip().octets(), self.to.ip().octets());
        let pseudo = [&from[..], &to, &[0, 6], &length.to_be_bytes(), &tcp].concat();
        tcp[16..18].copy_from_slice(&checksum(&pseudo).to_be_bytes());
        let mut ip = vec![0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 6, 0, 0];
        ip[2..4].copy_from_slice(&(20 + length).to_be_bytes());
        ip.extend([from, to].concat());
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        ip.extend(tcp);
        ip
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Writes segments as a pcap file of IP packets, a millisecond apart.
pub fn write(path: &Path, segments: &[Segment]) {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 101] {
        file.extend_from_slice(&word.to_ne_bytes());
    }
    for (time, segment) in (0_u32..).zip(segments) {
        let packet = segment.packet();
        let length = packet.len() as u32;
        for word in [1_700_000_000 + time / 1000, time % 1000 * 1000, length, length] {
            file.extend_from_slice(&word.to_ne_bytes());
        }
        file.extend_from_slice(&packet);
    }
    fs::write(path, file).expect("a capture file");
}

/// Sends segments from `netns` as they are, whoever's addresses are on them. Needs root.
pub fn send(netns: &Netns, segments: &[Segment]) {
    netns.enter(|| {
        let raw = socket(
            AddressFamily::Inet,
            SockType::Raw,
            SockFlag::empty(),
            SockProtocol::Raw,
        )
        .expect("a raw socket");
        for segment in segments {
            let [a, b, c, d] = segment.to.ip().octets();
            let to = SockaddrIn::new(a, b, c, d, 0);
            sendto(raw.as_raw_fd(), &segment.packet(), &to, MsgFlags::empty()).expect("a packet sent");
        }
    });
}

/// A conversation on one connection, in a file.
#[derive(Debug)]
pub struct Conversation {
    client: SocketAddrV4,
    server: SocketAddrV4,
    /// Next sequence numbers of both.
    next: (u32, u32),
    /// The segments so far.
    pub segments: Vec<Segment>,
}

impl Conversation {
    /// One that both sides have opened.
    pub fn open(client: SocketAddrV4, begin: u32) -> Self {
        let server = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 80);
        let mut conversation = Self {
            client,
            server,
            next: (begin, begin ^ 0x5555_5555),
            segments: Vec::new(),
        };
        conversation.asks(SYN, b"");
        conversation.answers(SYN_ACK, b"");
        conversation
    }

    /// A segment of the client.
    pub fn asks(&mut self, flags: u8, payload: &[u8]) -> &mut Self {
        let (sequence, acknowledgment) = self.next;
        self.next.0 = behind(sequence, flags, payload);
        let acknowledgment = if flags == SYN { 0 } else { acknowledgment };
        self.push(
            self.client,
            self.server,
            (sequence, acknowledgment),
            flags,
            payload,
        )
    }

    /// A segment of the server.
    pub fn answers(&mut self, flags: u8, payload: &[u8]) -> &mut Self {
        let (acknowledgment, sequence) = self.next;
        self.next.1 = behind(sequence, flags, payload);
        self.push(
            self.server,
            self.client,
            (sequence, acknowledgment),
            flags,
            payload,
        )
    }

    fn push(
        &mut self,
        from: SocketAddrV4,
        to: SocketAddrV4,
        (sequence, acknowledgment): (u32, u32),
        flags: u8,
        payload: &[u8],
    ) -> &mut Self {
        self.segments.push(Segment {
            from,
            to,
            sequence,
            acknowledgment,
            flags,
            payload: payload.to_vec(),
        });
        self
    }
}

fn behind(sequence: u32, flags: u8, payload: &[u8]) -> u32 {
    let control = u32::from(flags & SYN != 0) + u32::from(flags & 0x01 != 0);
    sequence.wrapping_add(payload.len() as u32).wrapping_add(control)
}
