//! A capture file's bytes as its formats' readers take them, and the packets that they give.

use std::io::{ErrorKind, Read};
use std::ops::Range;

use shadow_core::time::Timestamp;

use super::packet::LinkType;
use super::pcap_error::PcapError;

/// Largest packet or pcapng block that is held. Ethernet's largest merged packet is 512 KiB
/// (`GSO_MAX_SIZE` in `include/linux/netdevice.h`); pcapng blocks that are only passed over may be larger.
pub(super) const MAX_BLOCK: usize = 1 << 20;

/// One captured packet. Its bytes are [`CaptureReader::bytes`](super::pcap_format::CaptureReader::bytes) of `data` until the next is read.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    /// `None` when its link type cannot be read here.
    pub link: Option<LinkType>,
    pub time: Timestamp,
    pub data: Range<usize>,
    /// Its length when it was captured.
    pub original_len: usize,
}

/// The next thing that a format's reader found.
pub(super) enum Next {
    Packet(Packet),
    /// The file ended in, or right before, the block at this offset.
    End {
        block: u64,
    },
}

pub(super) fn corrupt(offset: u64, what: &'static str) -> PcapError {
    PcapError::Corrupt { offset, what }
}

/// The file, read forward.
#[derive(Debug)]
pub(super) struct Input<R> {
    reader: R,
    /// Bytes read so far.
    pub offset: u64,
    /// The bytes of the latest read.
    pub buffer: Vec<u8>,
}

impl<R: Read> Input<R> {
    /// The file from its beginning.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            offset: 0,
            buffer: Vec::new(),
        }
    }

    /// Reads `len` bytes into the buffer, fewer when the file ends; returns how many.
    pub fn read(&mut self, len: usize) -> Result<usize, PcapError> {
        self.buffer.resize(len, 0);
        let mut got = 0;
        while got < len {
            match self.reader.read(&mut self.buffer[got..]) {
                Ok(0) => break,
                Ok(more) => {
                    got += more;
                    self.offset += more as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(PcapError::Read {
                        offset: self.offset,
                        source,
                    });
                }
            }
        }
        self.buffer.truncate(got);
        Ok(got)
    }

    /// Passes over `len` bytes; `false` when the file ends first.
    pub fn skip(&mut self, mut len: usize) -> Result<bool, PcapError> {
        while len > 0 {
            let step = len.min(1 << 16);
            if self.read(step)? < step {
                return Ok(false);
            }
            len -= step;
        }
        Ok(true)
    }
}

/// The number at `offset`, which must be inside `bytes`.
pub(super) fn u32_at(bytes: &[u8], offset: usize, big_endian: bool) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[offset..offset + 4]);
    if big_endian {
        u32::from_be_bytes(number)
    } else {
        u32::from_le_bytes(number)
    }
}

/// The number at `offset`, which must be inside `bytes`.
pub(super) fn u16_at(bytes: &[u8], offset: usize, big_endian: bool) -> u16 {
    let number = [bytes[offset], bytes[offset + 1]];
    if big_endian {
        u16::from_be_bytes(number)
    } else {
        u16::from_le_bytes(number)
    }
}
