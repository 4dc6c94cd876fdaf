//! Copies one selected segment into its ring, cut into parts where it is large.

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use core::hint::black_box;
use shadow_common::{
    CLASSES, Counter, HEADER_BYTES, MARK_CONTINUATION, MARK_RESPONSE, MAX_PACKET_BYTES, MAX_PARTS,
    PART_BYTES, RecordHeader,
};

use crate::count::count;
use crate::parse::forget;
use crate::rings::{Ring, Writer};

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const ACK: u8 = 0x10;

/// Where the payload of a segment is, and what stands before it in the ring.
pub struct Segment {
    /// The header of the segment as a whole; `length` is not used.
    pub header: RecordHeader,
    /// Offset of the payload in the packet.
    pub offset: u32,
    /// Bytes of payload.
    pub length: u32,
    pub shard: u32,
}

/// Why a part was not copied.
#[derive(Clone, Copy)]
enum Lost {
    RingFull,
    LoadError,
}

/// Copies the segment; every byte of it ends in one counter.
///
/// Copies a segment. What changes from round to round is forgotten: the verifier would walk what is behind the loop
/// once for each.
#[inline(always)]
pub fn emit(skb: *mut __sk_buff, segment: &mut Segment) {
    let whole = segment.length;
    let Some(ring) = Ring::of(segment.shard) else {
        return account(whole, whole, whole, 0, Err(Lost::RingFull));
    };
    if segment.header.marks & MARK_RESPONSE != 0 && whole > 0 && ring.is_for_requests() {
        count(Counter::ResponsesLeftOutPackets, 1);
        return count(Counter::ResponsesLeftOutBytes, u64::from(whole));
    }
    let wanted = if whole > MAX_PACKET_BYTES {
        MAX_PACKET_BYTES
    } else {
        whole
    };
    let wanted = forget(skb, wanted);
    let ring = ring.writer(wanted);
    // On the last part, and on the first; without a branch, whose two ways the verifier would follow in each round.
    let last_flags = segment.header.flags & !SYN;
    let mut syn = segment.header.flags & SYN;
    let mut remaining = wanted;
    let mut parts = 0;
    for _ in 1..MAX_PARTS {
        if remaining <= PART_BYTES {
            break;
        }
        segment.header.flags = last_flags & !(FIN | RST) | syn;
        segment.header.length = PART_BYTES;
        if let Err(lost) = copy::<PART_BYTES>(skb, ring, segment) {
            return account(whole, wanted, remaining, parts, Err(lost));
        }
        parts = forget(skb, parts + 1);
        remaining = forget(skb, remaining - PART_BYTES);
        segment.offset = forget(skb, segment.offset + PART_BYTES);
        // A SYN takes the first sequence number itself.
        let taken = PART_BYTES + u32::from(syn / SYN);
        segment.header.sequence = segment.header.sequence.wrapping_add(taken);
        syn = 0;
        segment.header.marks |= MARK_CONTINUATION;
    }
    segment.header.flags = last_flags | syn;
    segment.header.length = remaining;
    match copy_tail(skb, ring, segment, remaining) {
        Ok(()) => account(whole, wanted, 0, parts + 1, Ok(())),
        lost => account(whole, wanted, remaining, parts, lost),
    }
}

/// Copies the last part, in the smallest record that holds it.
#[inline(always)]
fn copy_tail(skb: *mut __sk_buff, ring: Writer, segment: &Segment, length: u32) -> Result<(), Lost> {
    if length == 0 {
        copy::<0>(skb, ring, segment)
    } else if length <= CLASSES[0] {
        copy::<{ CLASSES[0] }>(skb, ring, segment)
    } else if length <= CLASSES[1] {
        copy::<{ CLASSES[1] }>(skb, ring, segment)
    } else if length <= CLASSES[2] {
        copy::<{ CLASSES[2] }>(skb, ring, segment)
    } else if length <= CLASSES[3] {
        copy::<{ CLASSES[3] }>(skb, ring, segment)
    } else if length <= CLASSES[4] {
        copy::<{ CLASSES[4] }>(skb, ring, segment)
    } else {
        copy::<{ CLASSES[5] }>(skb, ring, segment)
    }
}

/// Copies one part of `1..=CLASS` bytes (none when `CLASS` is 0) as its header says.
#[inline(always)]
fn copy<const CLASS: u32>(skb: *mut __sk_buff, ring: Writer, segment: &Segment) -> Result<(), Lost> {
    let Some(record) = ring.reserve(HEADER_BYTES as u32 + CLASS) else {
        return Err(Lost::RingFull);
    };
    // SAFETY: HEADER_BYTES were reserved, aligned to 8.
    unsafe { record.cast::<RecordHeader>().write(segment.header) };
    if CLASS > 0 {
        // Proves 1..=CLASS to the verifier; the compiler, which knows it already, must not take it away.
        let length = (black_box(segment.header.length - 1) & (CLASS - 1)) + 1;
        // SAFETY: CLASS bytes were reserved behind the header, and `length` is no more.
        let failed = unsafe {
            let payload = record.add(HEADER_BYTES);
            bpf_skb_load_bytes(skb.cast(), segment.offset, payload.cast(), length)
        };
        if failed != 0 {
            ring.discard(record);
            return Err(Lost::LoadError);
        }
    }
    ring.submit(record);
    Ok(())
}

#[inline(always)]
fn account(whole: u32, wanted: u32, remaining: u32, parts: u32, result: Result<(), Lost>) {
    count(Counter::Records, u64::from(parts));
    count(Counter::BytesCopied, u64::from(wanted - remaining));
    if whole > wanted {
        count(Counter::BytesCut, u64::from(whole - wanted));
    }
    match result {
        Ok(()) if whole > wanted => count(Counter::PacketsCut, 1),
        Ok(()) => count(Counter::PacketsCopied, 1),
        Err(Lost::RingFull) => {
            count(Counter::RingFullPackets, 1);
            if whole > 0 {
                count(Counter::RingFullPayloadPackets, 1);
            }
            count(Counter::RingFullBytes, u64::from(remaining));
        }
        Err(Lost::LoadError) => {
            count(Counter::LoadErrorPackets, 1);
            count(Counter::LoadErrorBytes, u64::from(remaining));
        }
    }
}
