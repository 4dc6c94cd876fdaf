//! The two capture file formats, as packets with their link type and time: pcap
//! (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng).
//!
//! Reads forward only and holds one packet at a time, bounded by [`MAX_BLOCK`]. A file that ends inside a
//! packet (a capture that was killed, or is still being written) is read up to there.

use std::io::{ErrorKind, Read};
use std::ops::Range;

use super::packet::LinkType;
use super::pcap::PcapError;
use crate::time::Timestamp;

/// Largest packet or pcapng block that is held. Ethernet's largest merged packet is 512 KiB
/// (`GSO_MAX_SIZE` in `include/linux/netdevice.h`); pcapng blocks that are only passed over may be larger.
const MAX_BLOCK: usize = 1 << 20;

/// Most interfaces in one section of a pcapng file.
const MAX_INTERFACES: usize = 65_536;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// One captured packet. Its bytes are [`CaptureReader::bytes`] of `data` until the next is read.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    /// `None` when its link type cannot be read here.
    pub link: Option<LinkType>,
    pub time: Timestamp,
    pub data: Range<usize>,
    /// Its length when it was captured.
    pub original_len: usize,
}

/// Packets of one capture file.
#[derive(Debug)]
pub(super) struct CaptureReader<R> {
    input: Input<R>,
    format: Format,
    /// Bytes of the packet that the file ended in.
    torn: u64,
}

#[derive(Debug)]
enum Format {
    Pcap {
        big_endian: bool,
        link: LinkType,
        /// Nanoseconds in the unit of the time's fraction.
        unit: u64,
    },
    Pcapng {
        big_endian: bool,
        interfaces: Vec<Interface>,
        /// Time of the latest packet; simple packets have none of their own.
        latest: Timestamp,
    },
}

#[derive(Debug)]
struct Interface {
    link: Option<LinkType>,
    snap_len: u32,
    resolution: u8,
    /// Seconds to add to each time.
    offset: i64,
}

impl<R: Read> CaptureReader<R> {
    /// Reads the file's header.
    pub fn new(reader: R) -> Result<Self, PcapError> {
        let mut input = Input {
            reader,
            offset: 0,
            buffer: Vec::new(),
        };
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
        })
    }

    fn pcapng(mut input: Input<R>) -> Result<Self, PcapError> {
        let got = input.read(4)?;
        if got < 4 {
            return Err(PcapError::TooShort { bytes: 4 + got });
        }
        let Some(big_endian) = read_section_header(&mut input, 0)? else {
            let bytes = input.offset as usize;
            return Err(PcapError::TooShort { bytes });
        };
        Ok(Self {
            input,
            format: Format::Pcapng {
                big_endian,
                interfaces: Vec::new(),
                latest: Timestamp::default(),
            },
            torn: 0,
        })
    }

    /// The next packet; `None` at the end of the file.
    pub fn next(&mut self) -> Result<Option<Packet>, PcapError> {
        let next = match &mut self.format {
            Format::Pcap {
                big_endian,
                link,
                unit,
            } => next_pcap(&mut self.input, *big_endian, *link, *unit),
            Format::Pcapng {
                big_endian,
                interfaces,
                latest,
            } => next_pcapng(&mut self.input, big_endian, interfaces, latest),
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

enum Next {
    Packet(Packet),
    /// The file ended in, or right before, the block at this offset.
    End {
        block: u64,
    },
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

fn next_pcapng<R: Read>(
    input: &mut Input<R>,
    big_endian: &mut bool,
    interfaces: &mut Vec<Interface>,
    latest: &mut Timestamp,
) -> Result<Next, PcapError> {
    loop {
        let block = input.offset;
        if input.read(8)? < 8 {
            return Ok(Next::End { block });
        }
        let kind = u32_at(&input.buffer, 0, *big_endian);
        if kind == SECTION_HEADER {
            // The length's byte order is known only behind it.
            input.buffer.drain(..4);
            let Some(order) = read_section_header(input, block)? else {
                return Ok(Next::End { block });
            };
            *big_endian = order;
            interfaces.clear();
            continue;
        }
        let total = u32_at(&input.buffer, 4, *big_endian) as usize;
        let body = body_len(total, block)?;
        if !matches!(kind, 1 | 2 | 3 | 6) {
            if !input.skip(body)? || !input.ends_block(total, block, *big_endian)? {
                return Ok(Next::End { block });
            }
            continue;
        }
        if body > MAX_BLOCK {
            return Err(corrupt(block, "a block longer than 1 MiB"));
        }
        // The length is repeated behind the body.
        if input.read(body + 4)? < body + 4 {
            return Ok(Next::End { block });
        }
        if u32_at(&input.buffer, body, *big_endian) as usize != total {
            return Err(corrupt(block, "a block whose two lengths differ"));
        }
        let bytes = &input.buffer[..body];
        if kind == 1 {
            if interfaces.len() >= MAX_INTERFACES {
                return Err(corrupt(block, "too many interfaces"));
            }
            interfaces.push(interface(bytes, *big_endian, block)?);
            continue;
        }
        let packet = packet(kind, bytes, *big_endian, interfaces, *latest, block)?;
        *latest = packet.time;
        return Ok(Next::Packet(packet));
    }
}

/// Length of the body of a block with this total length.
fn body_len(total: usize, block: u64) -> Result<usize, PcapError> {
    if total < 12 || !total.is_multiple_of(4) {
        return Err(corrupt(block, "a block with an impossible length"));
    }
    Ok(total - 12)
}

/// Reads a section header block, whose length in yet unknown byte order is in the buffer. Returns whether
/// the section is big-endian; `None` when the file ends in it.
fn read_section_header<R: Read>(input: &mut Input<R>, block: u64) -> Result<Option<bool>, PcapError> {
    let mut length = [0; 4];
    length.copy_from_slice(&input.buffer[..4]);
    // Byte order, version, section length (of no use here).
    if input.read(16)? < 16 {
        return Ok(None);
    }
    let big_endian = match u32_at(&input.buffer, 0, true) {
        BYTE_ORDER_MAGIC => true,
        order if order.swap_bytes() == BYTE_ORDER_MAGIC => false,
        _ => return Err(corrupt(block, "a section without byte order")),
    };
    if u16_at(&input.buffer, 4, big_endian) != 1 {
        return Err(corrupt(block, "unknown version of the format"));
    }
    let total = u32_at(&length, 0, big_endian) as usize;
    let Some(options) = body_len(total, block)?.checked_sub(16) else {
        return Err(corrupt(block, "a block with an impossible length"));
    };
    if !input.skip(options)? || !input.ends_block(total, block, big_endian)? {
        return Ok(None);
    }
    Ok(Some(big_endian))
}

/// An interface description block (section 4.2).
fn interface(body: &[u8], big_endian: bool, block: u64) -> Result<Interface, PcapError> {
    if body.len() < 8 {
        return Err(corrupt(block, "an interface without link type"));
    }
    let mut interface = Interface {
        link: LinkType::from_number(u32::from(u16_at(body, 0, big_endian))),
        snap_len: u32_at(body, 4, big_endian),
        resolution: 6,
        offset: 0,
    };
    let mut options = &body[8..];
    while options.len() >= 4 {
        let (code, len) = (
            u16_at(options, 0, big_endian),
            usize::from(u16_at(options, 2, big_endian)),
        );
        let Some(value) = options.get(4..4 + len) else {
            return Err(corrupt(block, "an option that is longer than its block"));
        };
        match (code, value) {
            (0, _) => break,
            (9, [resolution]) => interface.resolution = *resolution,
            (14, value) if len == 8 => {
                let (first, second) = (u32_at(value, 0, big_endian), u32_at(value, 4, big_endian));
                let (high, low) = if big_endian {
                    (first, second)
                } else {
                    (second, first)
                };
                interface.offset = (u64::from(high) << 32 | u64::from(low)).cast_signed();
            }
            _ => {}
        }
        options = options.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(interface)
}

/// An enhanced (6, section 4.3), simple (3, section 4.4) or obsolete (2, appendix) packet block.
fn packet(
    kind: u32,
    body: &[u8],
    big_endian: bool,
    interfaces: &[Interface],
    latest: Timestamp,
    block: u64,
) -> Result<Packet, PcapError> {
    let header = if kind == 3 { 4 } else { 20 };
    if body.len() < header {
        return Err(corrupt(block, "a packet without its header"));
    }
    let field = |at| u32_at(body, at, big_endian);
    let number = match kind {
        3 => 0,
        2 => usize::from(u16_at(body, 0, big_endian)),
        _ => field(0) as usize,
    };
    let Some(interface) = interfaces.get(number) else {
        return Err(corrupt(block, "a packet of an interface that is not described"));
    };
    let (time, len, original_len) = if kind == 3 {
        let snap_len = if interface.snap_len == 0 {
            u32::MAX
        } else {
            interface.snap_len
        };
        (latest, field(0).min(snap_len) as usize, field(0) as usize)
    } else {
        let ticks = u64::from(field(4)) << 32 | u64::from(field(8));
        (interface.time(ticks), field(12) as usize, field(16) as usize)
    };
    if len > body.len() - header {
        return Err(corrupt(block, "a packet that is longer than its block"));
    }
    Ok(Packet {
        link: interface.link,
        time,
        data: header..header + len,
        original_len,
    })
}

impl Interface {
    /// Nanoseconds since 1970 for a time in this interface's units (options `if_tsresol`, `if_tsoffset`).
    fn time(&self, ticks: u64) -> Timestamp {
        let exponent = u32::from(self.resolution & 0x7f);
        let ticks = u128::from(ticks);
        let nanoseconds = if self.resolution & 0x80 != 0 {
            (ticks * 1_000_000_000) >> exponent
        } else if exponent <= 9 {
            ticks * 10_u128.pow(9 - exponent)
        } else {
            10_u128.checked_pow(exponent - 9).map_or(0, |unit| ticks / unit)
        };
        let offset = i128::from(self.offset) * 1_000_000_000;
        let time = i128::try_from(nanoseconds)
            .unwrap_or(i128::MAX)
            .saturating_add(offset);
        Timestamp(u64::try_from(time.max(0)).unwrap_or(u64::MAX))
    }
}

fn corrupt(offset: u64, what: &'static str) -> PcapError {
    PcapError::Corrupt { offset, what }
}

/// The file, read forward.
#[derive(Debug)]
struct Input<R> {
    reader: R,
    /// Bytes read so far.
    offset: u64,
    /// The bytes of the latest read.
    buffer: Vec<u8>,
}

impl<R: Read> Input<R> {
    /// Reads `len` bytes into the buffer, fewer when the file ends; returns how many.
    fn read(&mut self, len: usize) -> Result<usize, PcapError> {
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
    fn skip(&mut self, mut len: usize) -> Result<bool, PcapError> {
        while len > 0 {
            let step = len.min(1 << 16);
            if self.read(step)? < step {
                return Ok(false);
            }
            len -= step;
        }
        Ok(true)
    }

    /// Reads the length behind a block's body, which must repeat `total`; `false` when the file ends first.
    fn ends_block(&mut self, total: usize, block: u64, big_endian: bool) -> Result<bool, PcapError> {
        if self.read(4)? < 4 {
            return Ok(false);
        }
        if u32_at(&self.buffer, 0, big_endian) as usize != total {
            return Err(corrupt(block, "a block whose two lengths differ"));
        }
        Ok(true)
    }
}

/// The number at `offset`, which must be inside `bytes`.
fn u32_at(bytes: &[u8], offset: usize, big_endian: bool) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[offset..offset + 4]);
    if big_endian {
        u32::from_be_bytes(number)
    } else {
        u32::from_le_bytes(number)
    }
}

/// The number at `offset`, which must be inside `bytes`.
fn u16_at(bytes: &[u8], offset: usize, big_endian: bool) -> u16 {
    let number = [bytes[offset], bytes[offset + 1]];
    if big_endian {
        u16::from_be_bytes(number)
    } else {
        u16::from_le_bytes(number)
    }
}
