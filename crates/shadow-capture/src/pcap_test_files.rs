//! Capture files for tests, written byte by byte in either format and byte order.

use super::{FileCounters, PcapReader};

/// A raw IPv4 packet of 40 bytes and its payload, from and to 10.0.0.1.
pub(crate) fn packet(source: u16, destination: u16, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![
        0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        9, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0,
    ];
    packet[2..4].copy_from_slice(&(40 + payload.len() as u16).to_be_bytes());
    packet[20..22].copy_from_slice(&source.to_be_bytes());
    packet[22..24].copy_from_slice(&destination.to_be_bytes());
    packet[24..28].copy_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

pub(super) fn request(payload: &[u8]) -> Vec<u8> {
    packet(4000, 80, 1, 0x18, payload)
}

/// A file, written in either byte order.
pub(crate) struct Writer {
    pub big_endian: bool,
    pub bytes: Vec<u8>,
}

impl Writer {
    pub fn u16(&mut self, number: u16) -> &mut Self {
        self.bytes.extend(if self.big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        });
        self
    }
    pub fn u32(&mut self, number: u32) -> &mut Self {
        self.bytes.extend(if self.big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        });
        self
    }
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The header of a pcap file.
    pub fn pcap(big_endian: bool, magic: u32, link: u32) -> Self {
        let mut writer = Self {
            big_endian,
            bytes: Vec::new(),
        };
        writer
            .u32(magic)
            .u16(2)
            .u16(4)
            .u32(0)
            .u32(0)
            .u32(65_535)
            .u32(link);
        writer
    }

    /// A packet of a pcap file.
    pub fn record(&mut self, seconds: u32, fraction: u32, captured: &[u8], original_len: usize) -> &mut Self {
        self.u32(seconds)
            .u32(fraction)
            .u32(captured.len() as u32)
            .u32(original_len as u32)
            .raw(captured)
    }

    /// The first section header of a pcapng file.
    pub fn pcapng(big_endian: bool) -> Self {
        let mut writer = Self {
            big_endian,
            bytes: Vec::new(),
        };
        writer.section();
        writer
    }

    pub fn section(&mut self) -> &mut Self {
        let mut body = Self {
            big_endian: self.big_endian,
            bytes: Vec::new(),
        };
        body.u32(0x1a2b_3c4d).u16(1).u16(0).raw(&[0xff; 8]);
        self.block(0x0a0d_0d0a, &body.bytes)
    }

    pub fn block(&mut self, kind: u32, body: &[u8]) -> &mut Self {
        let padding = body.len().next_multiple_of(4) - body.len();
        let total = (12 + body.len() + padding) as u32;
        self.u32(kind)
            .u32(total)
            .raw(body)
            .raw(&[0; 3][..padding])
            .u32(total)
    }

    pub fn interface(&mut self, link: u16, snap_len: u32, options: &[u8]) -> &mut Self {
        let mut body = Self {
            big_endian: self.big_endian,
            bytes: Vec::new(),
        };
        body.u16(link).u16(0).u32(snap_len).raw(options);
        self.block(1, &body.bytes)
    }

    pub fn enhanced(
        &mut self,
        interface: u32,
        ticks: u64,
        captured: &[u8],
        original_len: usize,
    ) -> &mut Self {
        let mut body = Self {
            big_endian: self.big_endian,
            bytes: Vec::new(),
        };
        body.u32(interface).u32((ticks >> 32) as u32).u32(ticks as u32);
        body.u32(captured.len() as u32)
            .u32(original_len as u32)
            .raw(captured);
        self.block(6, &body.bytes)
    }

    pub fn simple(&mut self, captured: &[u8], original_len: usize) -> &mut Self {
        let mut body = Self {
            big_endian: self.big_endian,
            bytes: Vec::new(),
        };
        body.u32(original_len as u32).raw(captured);
        self.block(3, &body.bytes)
    }
}

/// Time and payload of every segment, and the counts; or the error and what came before it.
pub(super) fn read(bytes: &[u8]) -> (Vec<(u64, String)>, Result<FileCounters, String>) {
    let mut segments = Vec::new();
    let mut reader = match PcapReader::new(bytes, &[80], false) {
        Ok(reader) => reader,
        Err(error) => return (segments, Err(error.to_string())),
    };
    loop {
        match reader.next_segment() {
            Ok(Some(segment)) => {
                let text = String::from_utf8_lossy(segment.payload).into_owned();
                segments.push((segment.time.0, text));
            }
            Ok(None) => return (segments, Ok(reader.counters())),
            Err(error) => return (segments, Err(error.to_string())),
        }
    }
}

pub(super) fn payloads(bytes: &[u8]) -> Vec<String> {
    read(bytes).0.into_iter().map(|(_, payload)| payload).collect()
}

pub(super) fn error(bytes: &[u8]) -> String {
    read(bytes).1.unwrap_err()
}
