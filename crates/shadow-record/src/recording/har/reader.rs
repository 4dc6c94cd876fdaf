//! Reads the entries of a HAR file as messages, one at a time.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use super::entry;
use super::scan::{Element, Scanner};
use crate::recording::{Passed, Record};

/// A reader of the entries of a HAR file.
#[derive(Debug)]
pub struct HarReader<R> {
    scanner: Scanner<R>,
    max_record: usize,
    /// Messages of the last entry that are still to come.
    ready: VecDeque<Record>,
    entries: u64,
    /// Names entries that have no name, apart from those of other files.
    first_number: u64,
    passed: Passed,
}

impl<R: BufRead> HarReader<R> {
    /// Reads from a file's first byte. An entry may have `max_record` bytes; those without a name are numbered from
    /// `first_number`.
    pub fn new(source: R, max_record: usize, first_number: u64) -> Self {
        Self {
            scanner: Scanner::new(source),
            max_record,
            ready: VecDeque::new(),
            entries: 0,
            first_number,
            passed: Passed::default(),
        }
    }

    /// Skipped parts so far.
    pub fn passed(&self) -> &Passed {
        &self.passed
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.scanner.offset()
    }

    /// The next message; `None` behind the last entry.
    ///
    /// # Errors
    ///
    /// Where the source fails, and where the file is no HAR: what stands before has been returned.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Ok(Some(record));
            }
            let element = match self.scanner.next_element(self.max_record) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.passed.unterminated = Some(self.scanner.offset());
                    return Ok(None);
                }
                other => other?,
            };
            let Some((offset, element)) = element else {
                return Ok(None);
            };
            self.entries += 1;
            let number = self.first_number.wrapping_add(self.entries);
            match element {
                Element::TooLarge => {
                    self.passed.too_large += 1;
                    self.passed
                        .add(offset, "an entry larger than --max-head and --max-body");
                }
                Element::Whole(json) => match entry::messages(&json, number) {
                    Ok(records) => self.ready.extend(records),
                    Err(why) => {
                        self.passed.malformed += 1;
                        self.passed.add(offset, why);
                    }
                },
            }
        }
    }
}
