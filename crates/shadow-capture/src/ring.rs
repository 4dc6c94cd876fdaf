//! One ring of the kernel's (`BPF_MAP_TYPE_RINGBUF`): its memory, and the records in it, in order.
//!
//! The kernel offers the data twice, one behind the other, so that a record that goes past the end can be read in one
//! piece. Here they are mapped once: a second mapping counts in full in what is resident. A record that goes past the end,
//! one in thousands, is put together in a buffer.
//!
//! The layout (Linux, `kernel/bpf/ringbuf.c`): a page with the reader's position, which the reader writes; a page with the
//! writers' position; the data. Each record begins at a multiple of eight, with a word that has its length and whether it
//! is being written still.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use zeroize::Zeroize;

/// In a record's first word: it is being written (`BPF_RINGBUF_BUSY_BIT`).
const BUSY: u32 = 1 << 31;
/// In a record's first word: its writer threw it away (`BPF_RINGBUF_DISCARD_BIT`).
const DISCARDED: u32 = 1 << 30;
/// Bytes that stand before each record (`BPF_RINGBUF_HDR_SZ`).
const HEADER: usize = 8;

/// Ring mapped for reading, by one thread at a time. Writers never wait for it.
pub struct Ring {
    file: OwnedFd,
    /// The page with [`Ring::read`] for the writers.
    reader: Arc<Mapping>,
    /// The page with the writers' position, and the data.
    writers: Arc<Mapping>,
    page: usize,
    /// Bytes of the data, a power of two.
    size: usize,
    /// Where the next record begins; positions count all bytes that ever were.
    read: usize,
    /// Where the writers were when they were last looked at.
    written: usize,
    /// The last record that went past the end.
    joined: Vec<u8>,
}

impl Ring {
    /// Maps a ring with `size` bytes of data, a power of two of pages of `page` bytes.
    pub fn map(file: OwnedFd, page: usize, size: usize) -> io::Result<Self> {
        let reader = Mapping::new(&file, 0, page, libc::PROT_READ | libc::PROT_WRITE)?;
        let writers = Mapping::new(&file, page, page + size, libc::PROT_READ)?;
        let read = reader.position().load(Ordering::Acquire);
        Ok(Self {
            file,
            reader: Arc::new(reader),
            writers: Arc::new(writers),
            page,
            size,
            read,
            written: read,
            joined: Vec::new(),
        })
    }

    /// Where its reader and its writers are, for other threads.
    pub fn positions(&self) -> Positions {
        Positions {
            reader: Arc::clone(&self.reader),
            writers: Arc::clone(&self.writers),
        }
    }

    /// Hands the next record to `take`, and gives its room back to the writers; `None` where there is none yet.
    pub fn next<T>(&mut self, take: impl FnOnce(&[u8]) -> T) -> Option<T> {
        loop {
            if self.read == self.written {
                self.written = self.writers.position().load(Ordering::Acquire);
                if self.read == self.written {
                    return None;
                }
            }
            let start = self.read & (self.size - 1);
            // A record is whole once its writer has cleared the bit.
            let word = self.writers.word(self.page + start).load(Ordering::Acquire);
            if word & BUSY != 0 {
                return None;
            }
            // None is longer than the ring.
            let length = ((word & !DISCARDED) as usize).min(self.size - HEADER);
            if word & DISCARDED != 0 {
                self.give_back(length);
                continue;
            }
            let taken = take(self.record(start + HEADER, length));
            self.give_back(length);
            return Some(taken);
        }
    }

    /// Wipes what was put together of a record that went past the end.
    pub fn wipe(&mut self) {
        self.joined.zeroize();
    }

    /// Gives the room of the record that was next back, once it has been read.
    fn give_back(&mut self, length: usize) {
        self.read = self.read.wrapping_add((HEADER + length).next_multiple_of(HEADER));
        self.reader.position().store(self.read, Ordering::Release);
    }

    /// The record whose bytes begin at `start`, where the data may have ended before.
    fn record(&mut self, start: usize, length: usize) -> &[u8] {
        let start = start & (self.size - 1);
        let before_end = length.min(self.size - start);
        let first = self.writers.bytes(self.page + start, before_end);
        if before_end == length {
            return first;
        }
        self.joined.clear();
        self.joined.extend_from_slice(first);
        let rest = self.writers.bytes(self.page, length - before_end);
        self.joined.extend_from_slice(rest);
        &self.joined
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The positions of a ring, for threads that do not read it.
pub struct Positions {
    reader: Arc<Mapping>,
    writers: Arc<Mapping>,
}

impl Positions {
    /// Whether nothing was there, at a moment within this call, that the reader had not handed on.
    pub fn is_empty(&self) -> bool {
        // The reader's first: what it had read when it was where the writers are later, they had written.
        let read = self.reader.position().load(Ordering::Acquire);
        read == self.writers.position().load(Ordering::Acquire)
    }
}

/// Memory that is shared with the kernel, mapped for as long as it lives.
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

#[allow(unsafe_code, reason = "a ring's memory is the kernel's to give")]
impl Mapping {
    fn new(file: &OwnedFd, from: usize, length: usize, protection: libc::c_int) -> io::Result<Self> {
        let from = libc::off_t::try_from(from).map_err(io::Error::other)?;
        // SAFETY: a new mapping, wherever the kernel has room for it; nothing of this process lies there.
        let mapped = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                from,
            )
        };
        match NonNull::new(mapped.cast()) {
            Some(start) if mapped != libc::MAP_FAILED => Ok(Self { start, length }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The position at its start.
    fn position(&self) -> &AtomicUsize {
        assert!(size_of::<AtomicUsize>() <= self.length);
        // SAFETY: within the mapping, which lives as long as `self` and is aligned to a page. The kernel reads and writes
        // positions as atomics.
        unsafe { self.start.cast().as_ref() }
    }

    /// The first word of a record.
    fn word(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(align_of::<AtomicU32>()) && at + size_of::<AtomicU32>() <= self.length);
        // SAFETY: within the mapping, which lives as long as `self`, and aligned in it. The kernel writes this word as an
        // atomic.
        unsafe { self.start.add(at).cast().as_ref() }
    }

    /// Bytes of a record that is whole.
    fn bytes(&self, at: usize, length: usize) -> &[u8] {
        assert!(at <= self.length && length <= self.length - at);
        // SAFETY: within the mapping, which lives as long as `self`. Nothing writes to a whole record until its room is
        // given back, which `Ring::next` does once it is no longer borrowed.
        unsafe { std::slice::from_raw_parts(self.start.add(at).as_ptr(), length) }
    }
}

#[allow(unsafe_code, reason = "a ring's memory is the kernel's to give")]
impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made; no reference into it outlives `self`.
        unsafe {
            libc::munmap(self.start.as_ptr().cast(), self.length);
        }
    }
}

// SAFETY: only atomics and bytes that are only read are reached through the pointer.
#[allow(unsafe_code, reason = "a ring's memory is the kernel's to give")]
unsafe impl Send for Mapping {}
// SAFETY: the same.
#[allow(unsafe_code, reason = "a ring's memory is the kernel's to give")]
unsafe impl Sync for Mapping {}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::*;

    const PAGE: usize = 4096;
    const SIZE: usize = 8192;

    /// The kernel's side of a ring, in a file of the same layout.
    struct Writer {
        file: File,
        written: usize,
    }

    impl Writer {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("shadow-agent-ring-{name}-{}", std::process::id()));
            let file = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)
                .unwrap();
            std::fs::remove_file(&path).unwrap();
            file.set_len((2 * PAGE + SIZE) as u64).unwrap();
            Self { file, written: 0 }
        }

        fn ring(&self) -> Ring {
            Ring::map(self.file.try_clone().unwrap().into(), PAGE, SIZE).unwrap()
        }

        fn word(&self, at: usize, word: u32) {
            let place = 2 * PAGE + at % SIZE;
            self.file.write_all_at(&word.to_ne_bytes(), place as u64).unwrap();
        }

        /// Reserves a record and writes it, but for its word; where it begins.
        fn reserve(&mut self, record: &[u8]) -> usize {
            let start = self.written;
            self.word(start, BUSY | record.len() as u32);
            for (index, byte) in record.iter().enumerate() {
                let place = 2 * PAGE + (start + HEADER + index) % SIZE;
                self.file.write_all_at(&[*byte], place as u64).unwrap();
            }
            self.written += (HEADER + record.len()).next_multiple_of(8);
            self.file
                .write_all_at(&self.written.to_ne_bytes(), PAGE as u64)
                .unwrap();
            start
        }

        fn write(&mut self, record: &[u8]) {
            let start = self.reserve(record);
            self.word(start, record.len() as u32);
        }

        fn read_by_reader(&self) -> usize {
            let mut position = [0; size_of::<usize>()];
            self.file.read_exact_at(&mut position, 0).unwrap();
            usize::from_ne_bytes(position)
        }
    }

    fn next(ring: &mut Ring) -> Option<Vec<u8>> {
        ring.next(<[u8]>::to_vec)
    }

    #[test]
    fn records_come_in_order_and_their_room_is_given_back() {
        let mut writer = Writer::new("order");
        let mut ring = writer.ring();
        assert_eq!(next(&mut ring), None);
        writer.write(b"one");
        writer.write(b"");
        writer.write(b"a longer one");
        assert_eq!(next(&mut ring).as_deref(), Some(&b"one"[..]));
        assert_eq!(writer.read_by_reader(), 16);
        assert_eq!(next(&mut ring).as_deref(), Some(&b""[..]));
        assert_eq!(next(&mut ring).as_deref(), Some(&b"a longer one"[..]));
        assert_eq!(next(&mut ring), None);
        assert_eq!(writer.read_by_reader(), 48);
    }

    #[test]
    fn a_record_that_is_being_written_is_waited_for() {
        let mut writer = Writer::new("busy");
        let mut ring = writer.ring();
        let start = writer.reserve(b"first");
        writer.write(b"second");
        assert_eq!(next(&mut ring), None);
        writer.word(start, 5);
        assert_eq!(next(&mut ring).as_deref(), Some(&b"first"[..]));
        assert_eq!(next(&mut ring).as_deref(), Some(&b"second"[..]));
    }

    #[test]
    fn what_its_writer_threw_away_is_passed_over() {
        let mut writer = Writer::new("discarded");
        let mut ring = writer.ring();
        let start = writer.reserve(b"thrown away");
        writer.word(start, DISCARDED | 0x0B);
        assert_eq!(next(&mut ring), None);
        assert_eq!(writer.read_by_reader(), 24);
        writer.write(b"kept");
        assert_eq!(next(&mut ring).as_deref(), Some(&b"kept"[..]));
    }

    #[test]
    fn records_that_go_past_the_end_are_whole() {
        let mut writer = Writer::new("past-the-end");
        let mut ring = writer.ring();
        // 1,008 bytes with what stands before each: the ninth goes past the end.
        for number in 0..40_u8 {
            let record: Vec<u8> = (0..1000_u16)
                .map(|index| number.wrapping_add(index as u8))
                .collect();
            writer.write(&record);
            assert_eq!(next(&mut ring), Some(record), "record {number}");
        }
    }

    #[test]
    fn a_reader_goes_on_where_the_one_before_it_stopped() {
        let mut writer = Writer::new("again");
        writer.write(b"one");
        writer.write(b"two");
        assert_eq!(next(&mut writer.ring()).as_deref(), Some(&b"one"[..]));
        assert_eq!(next(&mut writer.ring()).as_deref(), Some(&b"two"[..]));
    }

    #[test]
    fn others_see_whether_all_is_handed_on() {
        let mut writer = Writer::new("positions");
        let mut ring = writer.ring();
        let positions = ring.positions();
        assert!(positions.is_empty());
        writer.write(b"one");
        assert!(!positions.is_empty());
        assert!(
            ring.next(|_| !positions.is_empty()).unwrap(),
            "it is being handed on"
        );
        assert!(positions.is_empty());
        drop(ring);
        writer.write(b"two");
        assert!(!positions.is_empty());
    }

    #[test]
    fn a_length_that_no_record_can_have_reads_nothing_outside() {
        let mut writer = Writer::new("length");
        let mut ring = writer.ring();
        let start = writer.reserve(b"x");
        writer.word(start, DISCARDED - 1);
        assert_eq!(next(&mut ring).map(|record| record.len()), Some(SIZE - HEADER));
    }
}
