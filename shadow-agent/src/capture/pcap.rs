//! TCP segments from a capture file, pcap or pcapng.
//!
//! Blocking and streaming: meant for a thread of its own, holds one packet at a time. Every packet of the
//! file ends in one of the [`FileCounters`].

use std::io::{self, Read};
use std::path::PathBuf;

use thiserror::Error;

use super::frames::{FileCounters, Frames};
use super::pcap_format::CaptureReader;
use crate::settings::VlanScope;
use crate::tcp::Segment;

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
    /// The same of one file of several.
    #[error("{}: {error}", path.display())]
    Of {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<PcapError>,
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
    #[error("incomplete capture file: it ends after {bytes} bytes, inside its header")]
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

/// A hint for files that were compressed after capture by what is not undone here.
fn compressed(magic: [u8; 4]) -> &'static str {
    match magic {
        [0xfd, b'7', b'z', b'X'] => " (compressed by xz: unpack it first)",
        [0x04, 0x22, 0x4d, 0x18] => " (compressed by lz4: unpack it first)",
        _ => "",
    }
}

/// Segments of one capture in either format.
#[derive(Debug)]
pub struct PcapReader<R> {
    capture: CaptureReader<R>,
    frames: Frames,
}

impl<R: Read> PcapReader<R> {
    /// Reads a capture's header. `ports` are the servers' ports; with none, every TCP connection is taken and its server found
    /// by itself (see `pcap_server`). Packets to clients are passed over unless `watch_responses`.
    pub fn new(reader: R, ports: &[u16], watch_responses: bool) -> Result<Self, PcapError> {
        Ok(Self {
            capture: CaptureReader::new(reader)?,
            frames: Frames::new(ports.to_owned(), watch_responses),
        })
    }

    /// The same, of which only packets with these VLAN tags are taken.
    #[must_use]
    pub fn with_vlans(mut self, vlans: &VlanScope) -> Self {
        self.frames.vlans = vlans.clone();
        self
    }

    /// The next segment; `None` at the end of the file. After an error, nothing more can be read.
    pub fn next_segment(&mut self) -> Result<Option<Segment<'_>>, PcapError> {
        if let Some(fin) = self.frames.late_fin() {
            return Ok(Some(fin));
        }
        while let Some(captured) = self.capture.next()? {
            let frame = captured.data.start;
            let bytes = self.capture.bytes(captured.data);
            let taken = self
                .frames
                .take(captured.link, bytes, captured.original_len, captured.time);
            if let Some((segment, payload)) = taken {
                let payload = frame + payload.start..frame + payload.end;
                return Ok(Some(Segment {
                    payload: self.capture.bytes(payload),
                    ..segment
                }));
            }
        }
        self.frames.counters.torn_bytes = self.capture.torn_bytes();
        Ok(None)
    }

    /// The counts so far.
    pub fn counters(&self) -> FileCounters {
        self.frames.counters
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.capture.offset()
    }
}

#[cfg(test)]
#[path = "pcap_corrupt_tests.rs"]
mod corrupt_tests;
#[cfg(test)]
#[path = "pcap_test_files.rs"]
pub(super) mod pcap_test_files;
#[cfg(test)]
#[path = "pcap_tests.rs"]
mod tests;
