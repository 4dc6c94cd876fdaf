//! Reserving, submitting, and when to wake the reader.

use core::arch::asm;
use core::ffi::c_void;

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::{
    bpf_ringbuf_discard, bpf_ringbuf_query, bpf_ringbuf_reserve, bpf_ringbuf_submit,
};
use shadow_common::{POLLING, SLEEPING};

use crate::maps::{
    QUARTER_SHIFT, READERS, RING_0, RING_1, RING_2, RING_3, RING_4, RING_5, RING_6, RING_7, RING_8, RING_9,
    RING_10, RING_11, RING_12, RING_13, RING_14, RING_15,
};

/// Space in a ring: to be submitted or discarded.
pub struct Reserved {
    pub record: *mut u8,
    /// Bytes of the ring that are not read yet, these included.
    unread: u64,
    size: u32,
}

/// The ring of a shard. Each arm is opaque to the compiler, which would otherwise make a table of map addresses,
/// and those exist only as immediates in instructions.
#[inline(always)]
fn ring(shard: u32) -> *mut c_void {
    macro_rules! choose {
        ($($number:literal $name:ident)*) => {
            match shard {
                $($number => {
                    let mut map: *mut c_void = (&raw const $name).cast_mut().cast();
                    // SAFETY: no instruction; the value passes through.
                    unsafe { asm!("/* {0} */", inout(reg) map, options(pure, nomem, nostack)) };
                    map
                })*
                _ => (&raw const RING_0).cast_mut().cast(),
            }
        };
    }
    choose!(
        1 RING_1 2 RING_2 3 RING_3 4 RING_4 5 RING_5 6 RING_6 7 RING_7 8 RING_8
        9 RING_9 10 RING_10 11 RING_11 12 RING_12 13 RING_13 14 RING_14 15 RING_15
    )
}

/// Reserves `size` bytes, which must be a constant where this is inlined. `None` when the ring is full.
#[inline(always)]
pub fn reserve(shard: u32, size: u32) -> Option<Reserved> {
    let ring = ring(shard);
    // SAFETY: `ring` is a ring buffer map; both helpers take it.
    let (record, unread) = unsafe {
        (
            bpf_ringbuf_reserve(ring, u64::from(size), 0),
            bpf_ringbuf_query(ring, u64::from(BPF_RB_AVAIL_DATA)),
        )
    };
    (!record.is_null()).then(|| Reserved {
        record: record.cast(),
        unread,
        size,
    })
}

/// Whether so little room is left that it is kept for requests: a response that is lost is a pair that is not compared,
/// a request that is lost is traffic that the shadow never sees.
#[inline(always)]
pub fn is_for_requests(shard: u32) -> bool {
    // SAFETY: a ring buffer map; the helper takes it.
    let unread = unsafe { bpf_ringbuf_query(ring(shard), u64::from(BPF_RB_AVAIL_DATA)) };
    unread >= 7 << (QUARTER_SHIFT.load() - 1)
}

impl Reserved {
    /// Makes the record visible to the reader and wakes it where it must be.
    ///
    /// A wake-up costs several times what the copy does. So a sleeping reader is woken by the first record and from
    /// then on comes by itself on a timer; it is woken earlier only when another quarter of the ring has filled.
    #[inline(always)]
    pub fn submit(self, shard: u32) {
        let wake = match READERS.get_ptr_mut(shard) {
            // SAFETY: a u32 in an array map; the reader and other CPUs write it too, and any order of those writes
            // only makes a wake-up too many or one that the reader's timer makes up for.
            Some(reader) if unsafe { reader.read_volatile() } == SLEEPING => {
                // SAFETY: as above.
                unsafe { reader.write_volatile(POLLING) };
                true
            }
            _ => {
                let shift = QUARTER_SHIFT.load();
                self.unread >> shift != self.unread.wrapping_sub(u64::from(self.size)) >> shift
            }
        };
        let flags = if wake {
            BPF_RB_FORCE_WAKEUP
        } else {
            BPF_RB_NO_WAKEUP
        };
        // SAFETY: `record` was reserved and is given up here.
        unsafe { bpf_ringbuf_submit(self.record.cast(), u64::from(flags)) };
    }

    /// Gives the space up; the reader skips it.
    #[inline(always)]
    pub fn discard(self) {
        // SAFETY: `record` was reserved and is given up here.
        unsafe { bpf_ringbuf_discard(self.record.cast(), u64::from(BPF_RB_NO_WAKEUP)) };
    }
}
