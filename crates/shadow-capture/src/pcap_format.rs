//! A capture file as packets with their link type and time: tells the formats apart and reads pcap
//! (draft-ietf-opsawg-pcap); for pcapng see [`super::pcapng`].
//!
//! Reads forward only and holds one packet at a time, bounded by [`MAX_BLOCK`]. A file that ends inside a
//! packet (a capture that was killed, or is still being written) is read up to there.

use std::io::Read;
use std::ops::Range;

use shadow_core::time::Timestamp;

use super::key_log::KeyLogReader;
use super::packet::LinkType;
use super::pcap_error::PcapError;
use super::pcap_input::{Input, MAX_BLOCK, Next, Packet, corrupt, u16_at, u32_at};
use super::pcapng::Section;

/// Packets of one capture file.
#[derive(Debug)]
pub(super) struct CaptureReader<R> {
    input: Input<R>,
    format: Format,
    /// Bytes of the packet that the file ended in.
    torn: u64,
    /// Where secrets go that the file has beside its packets, if they are wanted.
    keys: Option<KeyLogReader>,
}

#[derive(Debug)]
enum Format {
    Pcap {
        big_endian: bool,
        link: LinkType,
        /// Nanoseconds in the unit of the time's fraction.
        unit: u64,
    },
    Pcapng(Section),
}

impl<R: Read> CaptureReader<R> {
    /// Reads the file's header.
    pub fn new(reader: R) -> Result<Self, PcapError> {
        let mut input = Input::new(reader);
        let got = input.read(4)?;
        let Some(magic) = input.buffer.first_chunk::<4>().copied() else {
            return Err(PcapError::TooShort { bytes: got });
        };
        let (big_endian, unit) = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (true, 1000),
            [0xd4, 0xc3, 0xb2, 0xa1] => (false, 1000),
            [0xa1, 0xb2, 0x3c, 0x4d] => (true, 1),
            [0x4d, 0x3c, 0xb2, 0xa1] => (false, 1),
            [0x0a, 0x0d, 0x0d, 0x0a] => return Self::pcapng(input),
            _ => return Err(PcapError::NotACapture { magic }),
        };
        // Version, two fields without use, snap length, link type.
        let got = input.read(20)?;
        if got < 20 {
            return Err(PcapError::TooShort { bytes: 4 + got });
        }
        if u16_at(&input.buffer, 0, big_endian) != 2 {
            return Err(corrupt(4, "unknown version of the format"));
        }
        // The upper bits tell about frame check sequences.
        let number = u32_at(&input.buffer, 16, big_endian) & 0xffff;
        let link = LinkType::from_number(number).ok_or(PcapError::LinkType { number })?;
        Ok(Self {
            input,
            format: Format::Pcap {
                big_endian,
                link,
                unit,
            },
            torn: 0,
            keys: None,
        })
    }

    fn pcapng(mut input: Input<R>) -> Result<Self, PcapError> {
        let got = input.read(4)?;
        if got < 4 {
            return Err(PcapError::TooShort { bytes: 4 + got });
        }
        let Some(section) = Section::read(&mut input, 0)? else {
            let bytes = input.offset as usize;
            return Err(PcapError::TooShort { bytes });
        };
        Ok(Self {
            input,
            format: Format::Pcapng(section),
            torn: 0,
            keys: None,
        })
    }

    /// The same, whose secrets of TLS go to `keys`.
    #[must_use]
    pub fn with_keys(mut self, keys: Option<KeyLogReader>) -> Self {
        self.keys = keys;
        self
    }

    /// The next packet; `None` at the end of the file.
    pub fn next(&mut self) -> Result<Option<Packet>, PcapError> {
        let next = match &mut self.format {
            Format::Pcap {
                big_endian,
                link,
                unit,
            } => next_pcap(&mut self.input, *big_endian, *link, *unit),
            Format::Pcapng(section) => section.next(&mut self.input, &mut self.keys),
        }?;
        match next {
            Next::Packet(packet) => Ok(Some(packet)),
            Next::End { block } => {
                self.torn += self.input.offset - block;
                Ok(None)
            }
        }
    }

    /// The bytes of the latest packet.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.input.buffer.get(range).unwrap_or_default()
    }

    /// Bytes at the end of the file that are not a whole packet; known once the end was reached.
    pub fn torn_bytes(&self) -> u64 {
        self.torn
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.input.offset
    }
}

fn next_pcap<R: Read>(
    input: &mut Input<R>,
    big_endian: bool,
    link: LinkType,
    unit: u64,
) -> Result<Next, PcapError> {
    let block = input.offset;
    if input.read(16)? < 16 {
        return Ok(Next::End { block });
    }
    let field = |at| u32_at(&input.buffer, at, big_endian);
    let (seconds, fraction, len, original_len) = (field(0), field(4), field(8) as usize, field(12) as usize);
    if len > MAX_BLOCK {
        return Err(corrupt(block, "a packet longer than 1 MiB"));
    }
    if input.read(len)? < len {
        return Ok(Next::End { block });
    }
    Ok(Next::Packet(Packet {
        link: Some(link),
        time: Timestamp(u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * unit),
        data: 0..len,
        original_len,
    }))
}
