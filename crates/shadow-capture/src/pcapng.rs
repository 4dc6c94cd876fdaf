//! pcapng (draft-ietf-opsawg-pcapng): blocks to packets.
//!
//! Packets, interfaces, sections and secrets of TLS are read; every other block is passed over, however long.

use std::io::Read;

use shadow_core::time::Timestamp;
use zeroize::Zeroize as _;

use super::key_log::KeyLogReader;
use super::packet::LinkType;
use super::pcap_error::PcapError;
use super::pcap_input::{Input, MAX_BLOCK, Next, Packet, corrupt, u16_at, u32_at};

/// Most interfaces in one section.
const MAX_INTERFACES: usize = 65_536;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 0x0a;
/// Secrets of TLS, as lines of an NSS key log ("TLSK").
const TLS_KEY_LOG: u32 = 0x544c_534b;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// A section: its byte order, and the interfaces described so far.
#[derive(Debug)]
pub(super) struct Section {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Time of the latest packet of any section; simple packets have none of their own.
    latest: Timestamp,
}

#[derive(Debug)]
struct Interface {
    link: Option<LinkType>,
    snap_len: u32,
    resolution: u8,
    /// Seconds to add to each time.
    offset: i64,
}

impl Section {
    /// Reads a section header block whose length, in yet unknown byte order, is in the buffer. `None` when
    /// the file ends in it.
    pub fn read<R: Read>(input: &mut Input<R>, block: u64) -> Result<Option<Self>, PcapError> {
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
        if !input.skip(options)? || !ends_block(input, total, block, big_endian)? {
            return Ok(None);
        }
        Ok(Some(Self {
            big_endian,
            interfaces: Vec::new(),
            latest: Timestamp::default(),
        }))
    }

    /// The next packet, of this section or of one that follows it. Secrets in front of it go to `keys`.
    pub fn next<R: Read>(
        &mut self,
        input: &mut Input<R>,
        keys: &mut Option<KeyLogReader>,
    ) -> Result<Next, PcapError> {
        loop {
            let block = input.offset;
            if input.read(8)? < 8 {
                return Ok(Next::End { block });
            }
            let kind = u32_at(&input.buffer, 0, self.big_endian);
            if kind == SECTION_HEADER {
                // The length's byte order is known only behind it.
                input.buffer.drain(..4);
                let Some(section) = Self::read(input, block)? else {
                    return Ok(Next::End { block });
                };
                *self = Self {
                    latest: self.latest,
                    ..section
                };
                continue;
            }
            let total = u32_at(&input.buffer, 4, self.big_endian) as usize;
            let body = body_len(total, block)?;
            if let (DECRYPTION_SECRETS, Some(keys)) = (kind, &mut *keys) {
                if !secrets(input, body, block, self.big_endian, keys)?
                    || !ends_block(input, total, block, self.big_endian)?
                {
                    return Ok(Next::End { block });
                }
                continue;
            }
            if !matches!(
                kind,
                INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET
            ) {
                if !input.skip(body)? || !ends_block(input, total, block, self.big_endian)? {
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
            if u32_at(&input.buffer, body, self.big_endian) as usize != total {
                return Err(corrupt(block, "a block whose two lengths differ"));
            }
            let bytes = &input.buffer[..body];
            if kind == INTERFACE {
                if self.interfaces.len() >= MAX_INTERFACES {
                    return Err(corrupt(block, "too many interfaces"));
                }
                self.interfaces.push(interface(bytes, self.big_endian, block)?);
                continue;
            }
            let packet = packet(kind, bytes, self.big_endian, &self.interfaces, self.latest, block)?;
            self.latest = packet.time;
            return Ok(Next::Packet(packet));
        }
    }
}

/// Length of the body of a block with this total length.
fn body_len(total: usize, block: u64) -> Result<usize, PcapError> {
    if total < 12 || !total.is_multiple_of(4) {
        return Err(corrupt(block, "a block with an impossible length"));
    }
    Ok(total - 12)
}

/// Reads the body of a decryption secrets block (section 4.7): however long, a piece at a time. `false` when the file ends
/// in it.
fn secrets<R: Read>(
    input: &mut Input<R>,
    body: usize,
    block: u64,
    big_endian: bool,
    keys: &mut KeyLogReader,
) -> Result<bool, PcapError> {
    let Some(behind) = body.checked_sub(8) else {
        return Err(corrupt(block, "secrets without their kind and length"));
    };
    if input.read(8)? < 8 {
        return Ok(false);
    }
    let kind = u32_at(&input.buffer, 0, big_endian);
    let length = u32_at(&input.buffer, 4, big_endian) as usize;
    let Some(options) = behind.checked_sub(length) else {
        return Err(corrupt(block, "secrets that are longer than their block"));
    };
    if kind != TLS_KEY_LOG {
        return input.skip(behind);
    }
    let mut rest = length;
    while rest > 0 {
        let step = rest.min(1 << 16);
        let got = input.read(step)?;
        keys.read(&input.buffer);
        input.buffer.zeroize();
        if got < step {
            return Ok(false);
        }
        rest -= step;
    }
    keys.end();
    input.skip(options)
}

/// Reads the length behind a block's body, which must repeat `total`; `false` when the file ends first.
fn ends_block<R: Read>(
    input: &mut Input<R>,
    total: usize,
    block: u64,
    big_endian: bool,
) -> Result<bool, PcapError> {
    if input.read(4)? < 4 {
        return Ok(false);
    }
    if u32_at(&input.buffer, 0, big_endian) as usize != total {
        return Err(corrupt(block, "a block whose two lengths differ"));
    }
    Ok(true)
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

/// An enhanced (section 4.3), simple (section 4.4) or obsolete (appendix A) packet block.
fn packet(
    kind: u32,
    body: &[u8],
    big_endian: bool,
    interfaces: &[Interface],
    latest: Timestamp,
    block: u64,
) -> Result<Packet, PcapError> {
    let header = if kind == SIMPLE_PACKET { 4 } else { 20 };
    if body.len() < header {
        return Err(corrupt(block, "a packet without its header"));
    }
    let field = |at| u32_at(body, at, big_endian);
    let number = match kind {
        SIMPLE_PACKET => 0,
        OBSOLETE_PACKET => usize::from(u16_at(body, 0, big_endian)),
        _ => field(0) as usize,
    };
    let Some(interface) = interfaces.get(number) else {
        return Err(corrupt(block, "a packet of an interface that is not described"));
    };
    let (time, len, original_len) = if kind == SIMPLE_PACKET {
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
