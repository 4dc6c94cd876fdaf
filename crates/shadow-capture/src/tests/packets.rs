//! Packets, built byte by byte. Checksums are left zero: the programs do not read them.

use std::net::{IpAddr, SocketAddr};

use shadow_tcp::TcpFlags;

pub const ETH_P_IP: u16 = 0x0800;
pub const ETH_P_IPV6: u16 = 0x86dd;
pub const ETH_P_8021Q: u16 = 0x8100;
pub const ETH_P_8021AD: u16 = 0x88a8;
pub const HOP_BY_HOP: u8 = 0;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ROUTING: u8 = 43;
pub const FRAGMENT: u8 = 44;
pub const AUTHENTICATION: u8 = 51;
pub const DESTINATION: u8 = 60;

pub const PSH_ACK: TcpFlags = TcpFlags(0x18);

/// A TCP segment and how it is wrapped.
#[derive(Clone, Debug)]
pub struct Packet {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub sequence: u32,
    pub acknowledgment: u32,
    pub flags: TcpFlags,
    pub tcp_options: Vec<u8>,
    pub payload: Vec<u8>,
    /// In-band VLAN tags, outermost first.
    pub tags: Vec<u16>,
    /// IPv4 options; a multiple of 4 bytes.
    pub ip_options: Vec<u8>,
    /// IPv4 flags and fragment offset.
    pub fragment: u16,
    /// IPv6 extension headers: number, and content with its first byte (next header) to be filled in.
    pub extensions: Vec<(u8, Vec<u8>)>,
    /// The transport protocol named by the IP header.
    pub protocol: u8,
    /// Bytes that are added to the length that the IP header gives.
    pub length_error: isize,
    /// Bytes behind the IP packet.
    pub padding: usize,
}

/// A request of `payload` from `source` to `destination`, sequence number 1000, acknowledging 2000.
pub fn request(source: &str, destination: &str, payload: &[u8]) -> Packet {
    Packet {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        sequence: 1000,
        acknowledgment: 2000,
        flags: PSH_ACK,
        tcp_options: Vec::new(),
        payload: payload.to_vec(),
        tags: Vec::new(),
        ip_options: Vec::new(),
        fragment: 0,
        extensions: Vec::new(),
        protocol: TCP,
        length_error: 0,
        padding: 0,
    }
}

/// `length` bytes that are all different from their neighbours.
pub fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

impl Packet {
    /// With an Ethernet header.
    pub fn frame(&self) -> Vec<u8> {
        // To the hardware address of `lo`, where a test run says that it is seen.
        let mut frame = [[0; 6], [2; 6]].concat();
        for tag in &self.tags {
            frame.extend_from_slice(&tag.to_be_bytes());
            frame.extend_from_slice(&[0, 100]);
        }
        let ethertype = if self.source.is_ipv4() {
            ETH_P_IP
        } else {
            ETH_P_IPV6
        };
        frame.extend_from_slice(&ethertype.to_be_bytes());
        frame.extend(self.ip());
        frame
    }

    /// From the IP header on.
    pub fn ip(&self) -> Vec<u8> {
        let mut packet = match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header = 20 + self.ip_options.len();
                let tcp = self.tcp();
                let mut ip = vec![0x40 | (header / 4) as u8, 0];
                ip.extend_from_slice(&self.length(header + tcp.len()));
                ip.extend_from_slice(&[0, 1]);
                ip.extend_from_slice(&self.fragment.to_be_bytes());
                ip.extend_from_slice(&[64, self.protocol, 0, 0]);
                ip.extend_from_slice(&source.octets());
                ip.extend_from_slice(&destination.octets());
                ip.extend_from_slice(&self.ip_options);
                ip.extend(tcp);
                ip
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let mut body = Vec::new();
                for (at, (_, content)) in self.extensions.iter().enumerate() {
                    let next = self
                        .extensions
                        .get(at + 1)
                        .map_or(self.protocol, |(number, _)| *number);
                    let start = body.len();
                    body.extend_from_slice(content);
                    body[start] = next;
                }
                body.extend(self.tcp());
                let mut ip = vec![0x60, 0, 0, 0];
                ip.extend_from_slice(&self.length(body.len()));
                ip.push(
                    self.extensions
                        .first()
                        .map_or(self.protocol, |(number, _)| *number),
                );
                ip.push(64);
                ip.extend_from_slice(&source.octets());
                ip.extend_from_slice(&destination.octets());
                ip.extend(body);
                ip
            }
            _ => panic!("two families"),
        };
        packet.resize(packet.len() + self.padding, 0xee);
        packet
    }

    fn length(&self, length: usize) -> [u8; 2] {
        u16::try_from(length.checked_add_signed(self.length_error).unwrap())
            .unwrap()
            .to_be_bytes()
    }

    fn tcp(&self) -> Vec<u8> {
        let mut tcp = Vec::new();
        tcp.extend_from_slice(&self.source.port().to_be_bytes());
        tcp.extend_from_slice(&self.destination.port().to_be_bytes());
        tcp.extend_from_slice(&self.sequence.to_be_bytes());
        tcp.extend_from_slice(&self.acknowledgment.to_be_bytes());
        tcp.push(((20 + self.tcp_options.len()) / 4 * 16) as u8);
        tcp.push(self.flags.0);
        tcp.extend_from_slice(&[0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend_from_slice(&self.tcp_options);
        tcp.extend_from_slice(&self.payload);
        tcp
    }
}
