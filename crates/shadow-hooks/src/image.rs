//! An executable's bytes, read a piece at a time.
//!
//! Executables of a few hundred megabytes are common, the agent's memory is bounded, and a mapping of a file that its
//! owner truncates kills whoever reads it. So nothing is mapped or read whole: what is small is read by itself, what is
//! large goes by in windows.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use memchr::memmem::Finder;

use crate::NoHook;

/// Bytes of an executable that are read at most, and so the time that it takes: some seconds where files come from a slow
/// disk. Each part is read up to three times, and what is for debuggers is not; the largest servers have 500 MB besides.
pub const MAX_READ_BYTES: u64 = 2 << 30;

/// Bytes that a window moves on by: large enough for few reads, and two of them are little memory.
const WINDOW: usize = 256 * 1024;

/// Bytes at most that are read in one piece.
const MAX_PIECE: u64 = 1024 * 1024;

/// An executable or library to look into: a slice, or an open file that is read where it is needed.
pub trait Image {
    /// Bytes in all.
    ///
    /// # Errors
    ///
    /// Where the file cannot be asked.
    fn size(&self) -> io::Result<u64>;

    /// Bytes at `offset` into `buffer`; how many, and fewer than asked for at the end or where a read was cut short.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read. The end of it is none.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

impl Image for &[u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.get(from..).unwrap_or_default();
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        Ok(length)
    }
}

impl Image for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

/// A reader of an image that keeps to its end.
pub(crate) struct Reader<'a> {
    image: &'a dyn Image,
    size: u64,
    /// How many bytes may still be read.
    left: Cell<u64>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(image: &'a dyn Image) -> Result<Self, NoHook> {
        Ok(Self {
            image,
            size: image.size()?,
            left: Cell::new(MAX_READ_BYTES),
        })
    }

    /// Bytes of `range`, which must lie in the image and be no more than a piece.
    pub(crate) fn exact(&self, range: Range<u64>) -> Result<Vec<u8>, NoHook> {
        let length = range.end.saturating_sub(range.start);
        if range.end > self.size || length > MAX_PIECE {
            return Err(NoHook::Damaged("a part lies behind its end"));
        }
        let mut bytes = vec![0; length as usize];
        let read = self.fill(range.start, &mut bytes)?;
        if read < bytes.len() {
            return Err(NoHook::Damaged("it became shorter while it was read"));
        }
        Ok(bytes)
    }

    /// Bytes of `range` as far as there are any.
    pub(crate) fn some(&self, range: Range<u64>) -> Result<Vec<u8>, NoHook> {
        let end = range
            .end
            .min(self.size)
            .min(range.start.saturating_add(MAX_PIECE));
        self.exact(range.start.min(end)..end)
    }

    /// Hands `range`, as far as the image has it, to `each` in windows: the offset of the window, its bytes, and how many
    /// of them are its own. The `overlap` bytes behind those come again as the next window's first, so what begins in the
    /// own part and is no longer than `overlap` + 1 is seen whole, once.
    pub(crate) fn windows(
        &self,
        range: Range<u64>,
        overlap: usize,
        mut each: impl FnMut(u64, &[u8], usize) -> Result<(), NoHook>,
    ) -> Result<(), NoHook> {
        let end = range.end.min(self.size);
        let mut at = range.start;
        let mut buffer = vec![0; (WINDOW + overlap).min(end.saturating_sub(at) as usize)];
        while at < end {
            let left = end - at;
            let length = left.min((WINDOW + overlap) as u64) as usize;
            let read = self.fill(at, &mut buffer[..length])?;
            if read < length {
                return Err(NoHook::Damaged("it became shorter while it was read"));
            }
            each(at, &buffer[..length], length.min(WINDOW))?;
            at += WINDOW as u64;
        }
        Ok(())
    }

    /// Hands the entries of `size` bytes that `range` is a table of to `each`, as far as the image has them whole.
    pub(crate) fn entries(
        &self,
        range: Range<u64>,
        size: u64,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), NoHook> {
        let start = range.start;
        self.windows(range, size as usize - 1, |offset, bytes, own| {
            // Windows are no multiple of entries: how far behind a window's start the first one begins.
            let skew = (size - (offset - start) % size) % size;
            for at in (skew as usize..own).step_by(size as usize) {
                if let Some(entry) = bytes.get(at..at + size as usize) {
                    each(entry);
                }
            }
            Ok(())
        })
    }

    /// Offsets where one of `needles` stands in `range`, in order for each needle, at most `most` for each.
    pub(crate) fn find<const N: usize>(
        &self,
        range: Range<u64>,
        needles: [&[u8]; N],
        most: usize,
    ) -> Result<[Vec<u64>; N], NoHook> {
        let finders = needles.map(Finder::new);
        let longest = needles.iter().map(|needle| needle.len()).max().unwrap_or(1);
        let mut found: [Vec<u64>; N] = std::array::from_fn(|_| Vec::new());
        self.windows(range, longest.saturating_sub(1), |offset, bytes, own| {
            for (finder, found) in finders.iter().zip(&mut found) {
                for at in finder.find_iter(bytes).take_while(|at| *at < own) {
                    if found.len() == most {
                        break;
                    }
                    found.push(offset + at as u64);
                }
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn fill(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, NoHook> {
        let left = self.left.get().checked_sub(buffer.len() as u64);
        self.left.set(left.ok_or(NoHook::TooLarge(self.size))?);
        let mut filled = 0;
        while filled < buffer.len() {
            match self.image.read_at(offset + filled as u64, &mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read.min(buffer.len() - filled),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }
}

/// The little-endian number of `N` bytes at `offset`, if `bytes` reach so far.
fn number<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    number(bytes, offset).map(u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    number(bytes, offset).map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    number(bytes, offset).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_across_two_windows_is_found_once() {
        let mut bytes = vec![0; 2 * WINDOW + 10];
        for at in [5, WINDOW - 3, WINDOW, 2 * WINDOW + 4] {
            bytes[at..at + 3].copy_from_slice(b"abc");
        }
        let image = bytes.as_slice();
        let reader = Reader::new(&image).unwrap();
        let [found] = reader.find(0..u64::MAX, [b"abc"], 10).unwrap();
        assert_eq!(
            found,
            [5, WINDOW as u64 - 3, WINDOW as u64, 2 * WINDOW as u64 + 4]
        );
    }

    #[test]
    fn each_entry_of_a_table_comes_once() {
        let count = WINDOW as u32 / 24 * 2 + 50;
        let mut bytes = vec![0xff; 5];
        for index in 0..count {
            bytes.extend_from_slice(&index.to_le_bytes());
            bytes.extend_from_slice(&[0; 20]);
        }
        bytes.push(0);
        let image = bytes.as_slice();
        let mut seen = Vec::new();
        let reader = Reader::new(&image).unwrap();
        reader
            .entries(5..u64::MAX, 24, |entry| seen.extend(u32_at(entry, 0)))
            .unwrap();
        assert!(seen.into_iter().eq(0..count));
    }

    #[test]
    fn no_more_is_read_than_the_bound_says() {
        let image: &[u8] = b"0123456789";
        let reader = Reader::new(&image).unwrap();
        reader.left.set(12);
        assert!(reader.exact(0..10).is_ok());
        assert!(matches!(reader.exact(0..3), Err(NoHook::TooLarge(10))));
        assert!(reader.exact(0..2).is_ok());
    }

    #[test]
    fn a_piece_behind_the_end_is_refused() {
        let image: &[u8] = b"0123456789";
        let reader = Reader::new(&image).unwrap();
        assert_eq!(reader.exact(2..5).unwrap(), b"234");
        assert!(reader.exact(8..11).is_err());
        assert!(reader.exact(u64::MAX - 1..u64::MAX).is_err());
        assert_eq!(reader.some(8..20).unwrap(), b"89");
        assert_eq!(reader.some(80..90).unwrap(), b"");
    }
}
