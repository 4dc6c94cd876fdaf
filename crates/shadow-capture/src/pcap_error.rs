//! Why a capture file cannot be read.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a capture file cannot be read, or not to its end. Segments before a corrupt place have been handed on.
#[derive(Debug, Error)]
pub enum PcapError {
    /// It cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The same of one file of several.
    #[error("{}: {error}", path.display())]
    Of {
        /// The file.
        path: PathBuf,
        /// The error in it.
        error: Box<PcapError>,
    },
    /// Reading failed.
    #[error("cannot read the capture file at byte {offset}: {source}")]
    Read {
        /// How far it was read.
        offset: u64,
        /// The error of the system.
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
    /// The bytes there cannot be right.
    #[error("corrupt capture file at byte {offset}: {what}")]
    Corrupt {
        /// Where the packet or block begins.
        offset: u64,
        /// The error in it.
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
