//! The rings of all shards in one array of maps; reserving, submitting, and when to wake the reader.
//!
//! A program can only name a map that an instruction of it holds, so that rings of their own would take a branch for
//! each, and the verifier would walk what follows once for each branch. An array of maps is looked up like any other.

use core::ffi::c_void;

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::{
    bpf_map_lookup_elem, bpf_ringbuf_discard, bpf_ringbuf_query, bpf_ringbuf_reserve, bpf_ringbuf_submit,
};
use shadow_common::{POLLING, SLEEPING};

use crate::maps::{QUARTER_SHIFT, READERS};
use crate::rings_map::RINGS;

/// The ring of a shard, as one packet finds it: looked up once for all of its records.
#[derive(Clone, Copy)]
pub struct Ring {
    map: *mut c_void,
    /// Bytes of it that are not read yet.
    unread: u64,
    /// How the reader waits.
    reader: *mut u32,
}

/// A ring that is being written to, and whether each record wakes its reader.
#[derive(Clone, Copy)]
pub struct Writer {
    map: *mut c_void,
    flags: u64,
}

impl Ring {
    /// `None` for a shard that the agent has made no ring for.
    #[inline(always)]
    pub fn of(shard: u32) -> Option<Self> {
        // SAFETY: an array of maps with keys of 4 bytes; a map in it lives as long as the program.
        let map =
            unsafe { bpf_map_lookup_elem((&raw const RINGS).cast_mut().cast(), (&raw const shard).cast()) };
        if map.is_null() {
            return None;
        }
        let reader = READERS.get_ptr_mut(shard)?;
        // SAFETY: a ring buffer map; the helper takes it.
        let unread = unsafe { bpf_ringbuf_query(map, u64::from(BPF_RB_AVAIL_DATA)) };
        Some(Self { map, unread, reader })
    }

    /// Whether so little room is left that it is kept for requests: a response that is lost is a pair that is not
    /// compared, a request that is lost is traffic that the shadow never sees.
    #[inline(always)]
    pub fn is_for_requests(self) -> bool {
        self.unread >= 7 << (QUARTER_SHIFT.load() - 1)
    }

    /// Starts writing a packet of so many bytes, and says whether it is to wake the reader.
    ///
    /// A wake-up costs several times what the copy does. So a sleeping reader is woken by the first packet and from then
    /// on comes by itself on a timer; it is woken earlier only when another quarter of the ring has filled. No packet
    /// takes more than four times its length and two headers for each of its parts, so that each quarter is noticed; by
    /// more than one packet at times, which does no harm.
    #[inline(always)]
    pub fn writer(self, bytes: u32) -> Writer {
        // SAFETY: a u32 in an array map; the reader and other CPUs write it too, and any order of those writes only
        // makes a wake-up too many or one that the reader's timer makes up for.
        let flags = if unsafe { self.reader.read_volatile() } == SLEEPING {
            // SAFETY: as above.
            unsafe { self.reader.write_volatile(POLLING) };
            BPF_RB_FORCE_WAKEUP
        } else {
            let shift = QUARTER_SHIFT.load();
            let after = self.unread + u64::from(bytes) * 4 + LARGEST_SMALL_RECORD;
            if self.unread >> shift == after >> shift {
                BPF_RB_NO_WAKEUP
            } else {
                BPF_RB_FORCE_WAKEUP
            }
        };
        Writer {
            map: self.map,
            flags: u64::from(flags),
        }
    }
}

/// Bytes of a record of the smallest class, its headers included; all larger ones take less than four times what they
/// hold.
const LARGEST_SMALL_RECORD: u64 = 512;

impl Writer {
    /// Reserves `size` bytes, which must be a constant where this is inlined. `None` when the ring is full.
    #[inline(always)]
    pub fn reserve(self, size: u32) -> Option<*mut u8> {
        // SAFETY: a ring buffer map; the helper takes it.
        let record = unsafe { bpf_ringbuf_reserve(self.map, u64::from(size), 0) };
        (!record.is_null()).then(|| record.cast())
    }

    /// Makes what was reserved visible to the reader.
    #[inline(always)]
    pub fn submit(self, record: *mut u8) {
        // SAFETY: `record` was reserved and is given up here.
        unsafe { bpf_ringbuf_submit(record.cast(), self.flags) };
    }

    /// Gives the space up; the reader skips it. It is woken all the same where it was told that it would be.
    #[inline(always)]
    pub fn discard(self, record: *mut u8) {
        // SAFETY: `record` was reserved and is given up here.
        unsafe { bpf_ringbuf_discard(record.cast(), self.flags) };
    }
}
