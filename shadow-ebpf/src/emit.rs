//! Copies one selected segment into its ring, cut into parts where it is large.

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use core::hint::black_box;
use shadow_common::{
    CLASSES, Counter, HEADER_BYTES, MARK_CONTINUATION, MARK_RESPONSE, MAX_PACKET_BYTES, MAX_PARTS,
    PART_BYTES, RecordHeader,
};

use crate::count::count;
use crate::rings::{is_for_requests, reserve};

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
#[inline(always)]
pub fn emit(skb: *mut __sk_buff, segment: &mut Segment) {
    let whole = segment.length;
    if segment.header.marks & MARK_RESPONSE != 0 && whole > 0 && is_for_requests(segment.shard) {
        count(Counter::ResponsesLeftOutPackets, 1);
        return count(Counter::ResponsesLeftOutBytes, u64::from(whole));
    }
    let wanted = if whole > MAX_PACKET_BYTES {
        MAX_PACKET_BYTES
    } else {
        whole
    };
    let last_flags = segment.header.flags;
    let mut remaining = wanted;
    let mut parts = 0;
    let mut result = Ok(());
    for _ in 1..MAX_PARTS {
        if remaining <= PART_BYTES {
            break;
        }
        segment.header.flags = last_flags & !(FIN | RST);
        if parts > 0 {
            segment.header.flags &= !SYN;
        }
        segment.header.length = PART_BYTES;
        result = copy::<PART_BYTES>(skb, segment);
        if result.is_err() {
            break;
        }
        parts += 1;
        remaining -= PART_BYTES;
        segment.offset += PART_BYTES;
        // A SYN takes the first sequence number itself.
        let syn = u32::from(parts == 1 && last_flags & SYN != 0);
        segment.header.sequence = segment.header.sequence.wrapping_add(PART_BYTES + syn);
        segment.header.marks |= MARK_CONTINUATION;
    }
    if result.is_ok() {
        segment.header.flags = if parts > 0 { last_flags & !SYN } else { last_flags };
        segment.header.length = remaining;
        result = copy_tail(skb, segment, remaining);
        if result.is_ok() {
            parts += 1;
            remaining = 0;
        }
    }
    account(whole, wanted, remaining, parts, result);
}

/// Copies the last part, in the smallest record that holds it.
#[inline(always)]
fn copy_tail(skb: *mut __sk_buff, segment: &Segment, length: u32) -> Result<(), Lost> {
    if length == 0 {
        copy::<0>(skb, segment)
    } else if length <= CLASSES[0] {
        copy::<{ CLASSES[0] }>(skb, segment)
    } else if length <= CLASSES[1] {
        copy::<{ CLASSES[1] }>(skb, segment)
    } else if length <= CLASSES[2] {
        copy::<{ CLASSES[2] }>(skb, segment)
    } else if length <= CLASSES[3] {
        copy::<{ CLASSES[3] }>(skb, segment)
    } else if length <= CLASSES[4] {
        copy::<{ CLASSES[4] }>(skb, segment)
    } else {
        copy::<{ CLASSES[5] }>(skb, segment)
    }
}

/// Copies one part of `1..=CLASS` bytes (none when `CLASS` is 0) as its header says.
#[inline(always)]
fn copy<const CLASS: u32>(skb: *mut __sk_buff, segment: &Segment) -> Result<(), Lost> {
    let Some(reserved) = reserve(segment.shard, HEADER_BYTES as u32 + CLASS) else {
        return Err(Lost::RingFull);
    };
    // SAFETY: HEADER_BYTES were reserved, aligned to 8.
    unsafe { reserved.record.cast::<RecordHeader>().write(segment.header) };
    if CLASS > 0 {
        // Proves 1..=CLASS to the verifier; the compiler, which knows it already, must not take it away.
        let length = (black_box(segment.header.length - 1) & (CLASS - 1)) + 1;
        // SAFETY: CLASS bytes were reserved behind the header, and `length` is no more.
        let failed = unsafe {
            let payload = reserved.record.add(HEADER_BYTES);
            bpf_skb_load_bytes(skb.cast(), segment.offset, payload.cast(), length)
        };
        if failed != 0 {
            reserved.discard();
            return Err(Lost::LoadError);
        }
    }
    reserved.submit(segment.shard);
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
