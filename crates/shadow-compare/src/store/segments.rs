//! The segments of a run while it writes them, and which of them go.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::directory::Directory;

/// Largest and smallest segment, in bytes: what goes at once. With a small bound it is a part of that.
const SEGMENT: std::ops::RangeInclusive<u64> = 64 * 1024..=16 << 20;
/// Segments that the bound has room for, at least.
const SEGMENTS: u64 = 16;

/// The segments of a run while it is written.
#[derive(Debug)]
pub(super) struct Segments {
    directory: Directory,
    max_bytes: u64,
    /// Those that are full, the oldest first.
    full: VecDeque<Segment>,
    last: Segment,
    file: Option<File>,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    number: u64,
    bytes: u64,
    records: u64,
}

impl Segment {
    fn empty(number: u64) -> Self {
        Self {
            number,
            bytes: 0,
            records: 0,
        }
    }
}

impl Segments {
    pub fn new(directory: Directory, max_bytes: u64) -> Self {
        Self {
            directory,
            max_bytes,
            full: VecDeque::new(),
            last: Segment::empty(1),
            file: None,
            bytes: 0,
        }
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether a member of `length` bytes could be there at all.
    pub fn could_hold(&self, length: u64) -> bool {
        length <= self.max_bytes
    }

    /// Begins another segment where a member of `length` bytes is to have one. Tells how many records must then go to keep
    /// the bound; [`remove`](Self::remove) does away with them.
    pub fn make_room(&mut self, length: u64) -> u64 {
        let largest = (self.max_bytes / SEGMENTS).clamp(*SEGMENT.start(), *SEGMENT.end());
        let is_full = self.last.bytes + length > largest || self.bytes + length > self.max_bytes;
        if self.last.bytes > 0 && is_full {
            self.full.push_back(self.last);
            self.last = Segment::empty(self.last.number + 1);
            self.file = None;
        }
        self.beyond(length).map(|segment| segment.records).sum()
    }

    /// Removes the oldest, so that there is room for `length` bytes.
    pub fn remove(&mut self, length: u64) -> io::Result<()> {
        for segment in self.beyond(length).copied().collect::<Vec<_>>() {
            match self.directory.remove_segment(segment.number) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {
                    self.bytes -= segment.bytes;
                    self.full.pop_front();
                }
            }
        }
        Ok(())
    }

    /// Writes a member with `records` records: all of it or nothing.
    pub fn append(&mut self, member: &[u8], records: u64) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(self.directory.create_segment(self.last.number)?),
        };
        if let Err(error) = file.write_all_at(member, self.last.bytes) {
            // What a full disk took of it would hide what is written behind it.
            let _ = file.set_len(self.last.bytes);
            return Err(error);
        }
        let length = member.len() as u64;
        self.last.bytes += length;
        self.last.records += records;
        self.bytes += length;
        Ok(())
    }

    /// Those that must go before `length` bytes have room.
    fn beyond(&self, length: u64) -> impl Iterator<Item = &Segment> {
        let mut left = self.bytes + length;
        self.full.iter().take_while(move |segment| {
            let beyond = left > self.max_bytes;
            left -= segment.bytes;
            beyond
        })
    }
}
