//! TCP segments from a capture file, pcap or pcapng.
//!
//! Blocking and streaming: meant for a thread of its own, holds one packet at a time. Every packet of the
//! file ends in one of the [`FileCounters`].

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use super::packet::{self, NoSegment, TcpPacket};
use super::pcap_format::CaptureReader;
use super::pcap_server::Servers;
use crate::tcp::{Direction, FlowKey, Segment, TcpFlags};
use crate::time::Timestamp;

/// Why a capture file cannot be read, or not to its end. Segments before a corrupt place have been handed on.
#[derive(Debug, Error)]
pub enum PcapError {
    /// It cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Reading failed.
    #[error("cannot read the capture file at byte {offset}: {source}")]
    Read {
        /// How far it was read.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
    /// It begins as no capture file does.
    #[error(
        "not a pcap or pcapng file: it begins with {:02x} {:02x} {:02x} {:02x}{}",
        magic[0], magic[1], magic[2], magic[3], compressed(*magic)
    )]
    NotACapture {
        /// Its first bytes.
        magic: [u8; 4],
    },
    /// It ends inside its own header.
    #[error("not a whole capture file: it ends after {bytes} bytes, inside its header")]
    TooShort {
        /// Its length.
        bytes: usize,
    },
    /// Its packets begin with something that is not understood. (A pcapng file may have several interfaces:
    /// there, such packets are counted instead.)
    #[error(
        "link type {number} is not supported; capture on an Ethernet, IP, loopback or Linux \"any\" interface"
    )]
    LinkType {
        /// The number in the file (<https://www.tcpdump.org/linktypes.html>).
        number: u32,
    },
    /// What stands there cannot be.
    #[error("corrupt capture file at byte {offset}: {what}")]
    Corrupt {
        /// Where the packet or block begins.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// A hint for files that were compressed after capture.
fn compressed(magic: [u8; 4]) -> &'static str {
    match magic {
        [0x1f, 0x8b, ..] => " (compressed by gzip: unpack it first)",
        [0x28, 0xb5, 0x2f, 0xfd] => " (compressed by zstd: unpack it first)",
        [0xfd, b'7', b'z', b'X'] => " (compressed by xz: unpack it first)",
        [0x04, 0x22, 0x4d, 0x18] => " (compressed by lz4: unpack it first)",
        _ => "",
    }
}

/// What became of a file's packets: `packets` is the sum of those above `cut_packets`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileCounters {
    /// Packets in the file.
    pub packets: u64,
    /// Packets handed on.
    pub selected: u64,
    /// TCP, but not of a selected port.
    pub not_selected: u64,
    /// Of a response, and responses are not watched.
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
    /// Adds another file's counts.
    pub fn add(&mut self, other: &FileCounters) {
        self.packets += other.packets;
        self.selected += other.selected;
        self.not_selected += other.not_selected;
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

/// Segments of an open capture file.
pub type PcapFile = PcapReader<BufReader<File>>;

/// Segments of a capture in either format.
#[derive(Debug)]
pub struct PcapReader<R> {
    capture: CaptureReader<R>,
    servers: Servers,
    watch_responses: bool,
    counters: FileCounters,
    /// FIN of the latest packet, when it stands behind bytes that were not captured.
    late_fin: Option<Segment<'static>>,
}

impl PcapFile {
    /// Opens a file and reads its header. `ports` are the servers' ports; with none, every TCP connection is
    /// taken and its server found by itself (see `pcap_server`). Packets to clients are passed over unless
    /// `watch_responses`.
    pub fn open(path: &Path, ports: &[u16], watch_responses: bool) -> Result<Self, PcapError> {
        let file = File::open(path).map_err(|source| PcapError::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::new(BufReader::with_capacity(1 << 16, file), ports, watch_responses)
    }
}

impl<R: Read> PcapReader<R> {
    /// Reads a capture's header; otherwise as [`PcapFile::open`].
    pub fn new(reader: R, ports: &[u16], watch_responses: bool) -> Result<Self, PcapError> {
        Ok(Self {
            capture: CaptureReader::new(reader)?,
            servers: Servers::new(ports.to_owned()),
            watch_responses,
            counters: FileCounters::default(),
            late_fin: None,
        })
    }

    /// The next segment; `None` at the end of the file. After an error, nothing more can be read.
    pub fn next_segment(&mut self) -> Result<Option<Segment<'_>>, PcapError> {
        if let Some(fin) = self.late_fin.take() {
            return Ok(Some(fin));
        }
        while let Some(captured) = self.capture.next()? {
            self.counters.packets += 1;
            let Some(link) = captured.link else {
                self.counters.unsupported_link += 1;
                continue;
            };
            let frame = captured.data.start;
            let parsed = packet::parse(link, self.capture.bytes(captured.data), captured.original_len);
            let packet = match parsed {
                Ok(packet) => packet,
                Err(reason) => {
                    self.count(reason);
                    continue;
                }
            };
            let Some((flow, direction)) = self.servers.orient(&packet) else {
                self.counters.not_selected += 1;
                continue;
            };
            if direction == Direction::Response && !self.watch_responses {
                self.counters.unwatched += 1;
                continue;
            }
            self.counters.selected += 1;
            let payload = frame + packet.payload.start..frame + packet.payload.end;
            let segment = self.segment(&packet, flow, direction, captured.time);
            return Ok(Some(Segment {
                payload: self.capture.bytes(payload),
                ..segment
            }));
        }
        self.counters.torn_bytes = self.capture.torn_bytes();
        Ok(None)
    }

    /// The counts so far.
    pub fn counters(&self) -> FileCounters {
        self.counters
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.capture.offset()
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

#[cfg(test)]
#[path = "pcap_corrupt_tests.rs"]
mod corrupt_tests;
#[cfg(test)]
#[path = "pcap_test_files.rs"]
mod pcap_test_files;
#[cfg(test)]
#[path = "pcap_tests.rs"]
mod tests;
