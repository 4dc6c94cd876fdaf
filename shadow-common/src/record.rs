//! Records of packets, as the kernel programs put them in a ring: one header and the bytes of one part of one packet.
//!
//! A record is reserved in one of a few constant sizes (the verifier wants a constant), so its payload area may
//! be larger than the payload; `length` says what is meant, the rest is left from earlier records.

use crate::Address;

/// Largest payload of one record. A longer packet (GSO, GRO) is cut into several records, each with its own
/// sequence number.
pub const PART_BYTES: u32 = 16 * 1024;

/// Records of one packet at most.
pub const MAX_PARTS: u32 = 32;

/// Payload of one packet that is copied at most; BIG TCP packets are up to 512 KiB less a few headers.
pub const MAX_PACKET_BYTES: u32 = PART_BYTES * MAX_PARTS;

/// Payload sizes of records. Powers of two: the kernel programs mask lengths with them.
pub const CLASSES: [u32; 6] = [256, 512, 1024, 2048, 4096, PART_BYTES];

/// Bytes of [`RecordHeader`].
pub const HEADER_BYTES: usize = size_of::<RecordHeader>();

/// In `marks`: the packet goes from server to client.
///
/// Where responses are not tracked, only a server's SYN with ACK, FIN and RST come, without payload (`length` is 0
/// whatever the packet had): that it accepted the connection, and that it ended it. `sequence` is then that of the SYN,
/// of the FIN itself (the payload left out lies before it; marked [`MARK_CONTINUATION`] where there was some) or of the
/// RST segment. The same packet may come twice where it is seen twice on its way.
pub const MARK_RESPONSE: u8 = 1;

/// In `marks`: a later part of a packet that was cut.
pub const MARK_CONTINUATION: u8 = 2;

/// The head of each record. Numbers are in host byte order, addresses in network order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordHeader {
    /// When the packet was seen: nanoseconds of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// The id of the pod's cgroup with [`crate::SCOPE_POD`] where a pod is watched; else the cookie of the network
    /// namespace where the kernel tells it, else 0.
    pub scope: u64,
    /// The side that sends requests.
    pub client: Address,
    /// The side whose port is watched.
    pub server: Address,
    /// Sequence number of the first payload byte, of the SYN itself when that is set.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// Payload bytes.
    pub length: u32,
    /// The interface the packet was seen on.
    pub ifindex: u32,
    /// Port of `client`.
    pub client_port: u16,
    /// Port of `server`.
    pub server_port: u16,
    /// TCP control bits (RFC 9293 section 3.1, the low eight). SYN only on the first part of a packet, FIN and
    /// RST only on the last.
    pub flags: u8,
    /// [`MARK_RESPONSE`], [`MARK_CONTINUATION`].
    pub marks: u8,
    /// Zero.
    pub reserved: u16,
}

/// Bytes a record of so much payload takes in a ring, the ring's own header and alignment included.
pub fn record_bytes(payload: u32) -> u32 {
    const RING_HEADER: u32 = 8;
    let class = match payload {
        0 => 0,
        _ => CLASSES
            .into_iter()
            .find(|class| payload <= *class)
            .unwrap_or(PART_BYTES),
    };
    RING_HEADER + HEADER_BYTES as u32 + class
}

impl RecordHeader {
    /// Reads a record as it stands in the ring: its header and exactly its payload. `None` when the record is
    /// shorter than it says.
    pub fn read(record: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = record.split_at_checked(HEADER_BYTES)?;
        let mut words = Words(head);
        let header = Self {
            time: words.u64()?,
            scope: words.u64()?,
            client: words.address()?,
            server: words.address()?,
            sequence: words.u32()?,
            acknowledgment: words.u32()?,
            length: words.u32()?,
            ifindex: words.u32()?,
            client_port: words.u16()?,
            server_port: words.u16()?,
            flags: words.u8()?,
            marks: words.u8()?,
            reserved: words.u16()?,
        };
        Some((header, rest.get(..header.length as usize)?))
    }
}

/// Takes host-order numbers off the front of a slice.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    #[inline]
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    #[inline]
    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_ne_bytes)
    }

    #[inline]
    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_ne_bytes)
    }

    #[inline]
    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    #[inline]
    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_ne_bytes)
    }

    #[inline]
    fn address(&mut self) -> Option<Address> {
        self.take().map(Address::from_octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_laid_out() {
        let mut record = [0_u8; HEADER_BYTES + 8];
        record[0..8].copy_from_slice(&7_u64.to_ne_bytes());
        record[16..32].copy_from_slice(&[1; 16]);
        record[48..52].copy_from_slice(&1_000_u32.to_ne_bytes());
        record[56..60].copy_from_slice(&3_u32.to_ne_bytes());
        record[66..68].copy_from_slice(&80_u16.to_ne_bytes());
        record[68] = 0x18;
        record[HEADER_BYTES..HEADER_BYTES + 3].copy_from_slice(b"GET");
        let (header, payload) = RecordHeader::read(&record).unwrap();
        assert_eq!(header.time, 7);
        assert_eq!(header.client.octets(), [1; 16]);
        assert_eq!(
            (header.sequence, header.server_port, header.flags),
            (1_000, 80, 0x18)
        );
        assert_eq!(payload, b"GET");
    }

    #[test]
    fn a_record_shorter_than_it_says_is_refused() {
        let mut record = [0_u8; HEADER_BYTES + 8];
        record[56..60].copy_from_slice(&9_u32.to_ne_bytes());
        assert!(RecordHeader::read(&record).is_none());
        assert!(RecordHeader::read(&record[..HEADER_BYTES - 1]).is_none());
    }

    #[test]
    fn a_record_takes_its_class_and_two_headers() {
        assert_eq!(HEADER_BYTES, 72);
        assert_eq!(record_bytes(0), 80);
        assert_eq!(record_bytes(256), 80 + 256);
        assert_eq!(record_bytes(257), 80 + 512);
        assert_eq!(record_bytes(PART_BYTES), 80 + PART_BYTES);
    }
}
