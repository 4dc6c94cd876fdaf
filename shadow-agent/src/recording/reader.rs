//! Reads records in `GoReplay`'s format from a stream, one at a time.
//!
//! It takes what `GoReplay` and its relatives have written: three fields or more, header lines that end in CRLF, any name
//! that a message can have, a last record without its separator. A record that cannot be read is passed over and counted
//! ([`Passed`]); reading goes on behind its separator.

use std::io::{self, BufRead};

use bytes::Bytes;

use super::record::{LINE, MASK, MASKED_AT, Record, SEPARATOR, UNMASKED};
use crate::mirror::{MessageId, MessageKind};

/// What was passed over, and where the first of it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Records whose first line is not one: fewer than three fields, a type that is none, a name or a time that cannot
    /// be read.
    pub malformed: u64,
    /// Records larger than the bound.
    pub too_large: u64,
    /// Byte offset of the last record where it had no separator: written so, or cut off.
    pub unterminated: Option<u64>,
    /// Byte offset (behind decompression) of the first one that was passed over, with why.
    pub first: Option<(u64, &'static str)>,
}

impl Passed {
    /// Counts one.
    pub fn add(&mut self, offset: u64, why: &'static str) {
        self.first.get_or_insert((offset, why));
    }
}

/// See the module's description.
#[derive(Debug)]
pub struct GorReader<R> {
    source: R,
    max_record: usize,
    offset: u64,
    passed: Passed,
}

impl<R: BufRead> GorReader<R> {
    /// Reads from the first byte of a record. A record may have `max_record` bytes, header line and payload together.
    pub fn new(source: R, max_record: usize) -> Self {
        Self {
            source,
            max_record,
            offset: 0,
            passed: Passed::default(),
        }
    }

    /// What was passed over so far.
    pub fn passed(&self) -> &Passed {
        &self.passed
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next record; `None` at the end.
    ///
    /// Fails where the source does; what stands before that has been returned.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            let start = self.offset;
            let mut record = Vec::new();
            let end = self.fill(&mut record)?;
            let why = match end {
                End::Nothing => return Ok(None),
                End::TooLarge => {
                    self.passed.too_large += 1;
                    "a record larger than --max-head and --max-body allow"
                }
                End::Separator | End::Source => {
                    if end == End::Source {
                        cut_separator(&mut record);
                        if record.iter().all(u8::is_ascii_whitespace) {
                            return Ok(None);
                        }
                        self.passed.unterminated = Some(start);
                    }
                    match read_gor(record) {
                        Ok(record) => return Ok(Some(record)),
                        Err(why) => {
                            self.passed.malformed += 1;
                            why
                        }
                    }
                }
            };
            self.passed.add(start, why);
        }
    }

    /// Reads up to a separator, which is left out of `record`.
    fn fill(&mut self, record: &mut Vec<u8>) -> io::Result<End> {
        let mut too_large = false;
        // Where the line begins that is read now; its bytes are in `record`, but for those that are passed over.
        let mut line = 0;
        let mut any = false;
        loop {
            let available = match self.source.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok(match (any, too_large) {
                    (false, _) => End::Nothing,
                    (true, true) => End::TooLarge,
                    (true, false) => End::Source,
                });
            }
            any = true;
            let (taken, ends_line) = match memchr::memchr(b'\n', available) {
                Some(at) => (at + 1, true),
                None => (available.len(), false),
            };
            if record.len() + taken > self.max_record + LINE.len() + 1 {
                too_large = true;
            }
            if too_large {
                // Only as much of the line is kept as tells it from the separator's.
                let kept = record.len() - line;
                if kept > LINE.len() {
                    record.truncate(line + LINE.len() + 1);
                }
                let room = (LINE.len() + 1).saturating_sub(record.len() - line);
                record.extend_from_slice(&available[..taken.min(room)]);
            } else {
                record.extend_from_slice(&available[..taken]);
            }
            self.source.consume(taken);
            self.offset += taken as u64;
            if !ends_line {
                continue;
            }
            if &record[line..] == LINE {
                record.truncate(line.saturating_sub(1));
                return Ok(if too_large { End::TooLarge } else { End::Separator });
            }
            if too_large {
                record.clear();
                line = 0;
            } else {
                line = record.len();
            }
        }
    }
}

/// Takes off what stands of a separator that was cut off itself. A lone line end may be the payload's own.
fn cut_separator(record: &mut Vec<u8>) {
    let begun = (2..SEPARATOR.len())
        .rev()
        .find(|length| record.ends_with(&SEPARATOR[..*length]));
    record.truncate(record.len() - begun.unwrap_or(0));
}

/// How a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Nothing,
    Separator,
    Source,
    TooLarge,
}

/// Reads a record without its separator: header line and payload. The error says what is wrong with it.
pub fn read_gor(record: Vec<u8>) -> Result<Record, &'static str> {
    let mut bytes = Bytes::from(record);
    let line_end = memchr::memchr(b'\n', &bytes);
    let mut header = bytes.split_to(line_end.map_or(bytes.len(), |at| at + 1));
    while header.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        header.truncate(header.len() - 1);
    }
    let mut fields = header.split(|byte| *byte == b' ');
    let kind = match fields.next() {
        Some(b"1") => MessageKind::Request,
        Some(b"2") => MessageKind::Response,
        Some(b"3") => MessageKind::Replayed,
        _ => return Err("a record whose type is not 1, 2 or 3"),
    };
    let id = fields.next().and_then(MessageId::given);
    let id = id.ok_or("a record whose name is missing, too long or not of visible characters")?;
    let unix = fields.next().and_then(number);
    let unix = unix.ok_or("a record whose time is not a number of nanoseconds")?;
    // -1 where GoReplay does not know it.
    let latency = fields.next().and_then(number).unwrap_or(0);
    if let Some(masks) = fields.next_back().and_then(|field| field.strip_prefix(b"!")) {
        bytes = unmask(bytes, masks)?;
    }
    let end = memchr::memmem::find(&bytes, b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let head = bytes.split_to(end);
    Ok(Record {
        kind,
        id,
        unix,
        latency,
        pod: None,
        head,
        body: bytes,
    })
}

/// Digits, fewer than 64 bits hold.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Puts back what was exchanged so that no line is the separator's.
fn unmask(payload: Bytes, masks: &[u8]) -> Result<Bytes, &'static str> {
    const WRONG: &str = "a record whose masks are not where they are said to be";
    let mut payload = Vec::from(payload);
    for mask in masks.split(|byte| *byte == b',') {
        let offset = number(mask)
            .and_then(|offset| usize::try_from(offset).ok())
            .ok_or(WRONG)?;
        let start = offset.checked_sub(MASKED_AT).ok_or(WRONG)?;
        let masked = payload.get(start..=offset).ok_or(WRONG)?;
        if masked[..MASKED_AT] != LINE[..MASKED_AT] || masked[MASKED_AT] != MASK {
            return Err(WRONG);
        }
        payload[offset] = UNMASKED;
    }
    Ok(payload.into())
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
