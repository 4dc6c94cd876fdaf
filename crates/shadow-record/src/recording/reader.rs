//! Reads records in `GoReplay`'s format from a stream, one at a time.
//!
//! It takes what `GoReplay` and its relatives have written: three fields or more, header lines that end in CRLF, any name
//! that a message can have, a last record without its separator. A record that cannot be read is passed over and counted
//! ([`Passed`]); reading goes on behind its separator.
//!
//! Editors turn LF to CRLF. A separator's line that ends so is one where a record follows, or nothing; else it is the payload's,
//! as is any other line like it, and counted. (This program writes no payload with such a line, see [`super::record`].)

use std::io::{self, BufRead};

use bytes::Bytes;
use shadow_mirror::{MessageId, MessageKind};

use super::record::{LINE, MASK, MASKED_AT, Record, SEPARATOR, UNMASKED};

/// Skipped parts, with the place of the first.
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
    /// Lines that look like a separator and were taken for the payload's.
    pub like_separators: u64,
    /// Byte offset behind the first of them.
    pub first_like_separator: Option<u64>,
}

impl Passed {
    /// Counts one.
    pub fn add(&mut self, offset: u64, why: &'static str) {
        self.first.get_or_insert((offset, why));
    }

    fn like_separator(&mut self, behind: u64) {
        self.like_separators += 1;
        self.first_like_separator.get_or_insert(behind);
    }
}

/// The longest line that is looked at to see whether it begins a record: labels of a pod may be in it.
const MAX_HEADER: usize = 4096;
/// The longest line that ends a record: a separator's, in CRLF.
const MAX_END: usize = LINE.len() + 2;

/// A reader of records in `GoReplay`'s format.
#[derive(Debug)]
pub struct GorReader<R> {
    source: R,
    max_record: usize,
    offset: u64,
    /// The first line of the next record, where it was read to see that one begins there.
    begun: Vec<u8>,
    /// Whether separators were seen that end in CRLF.
    in_crlf: bool,
    passed: Passed,
}

impl<R: BufRead> GorReader<R> {
    /// Reads from the first byte of a record. A record may have `max_record` bytes, header line and payload together.
    pub fn new(source: R, max_record: usize) -> Self {
        Self {
            source,
            max_record,
            offset: 0,
            begun: Vec::new(),
            in_crlf: false,
            passed: Passed::default(),
        }
    }

    /// Skipped parts so far.
    pub fn passed(&self) -> &Passed {
        &self.passed
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    ///
    /// Where the source fails; what stands before that has been returned.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            let start = self.offset - self.begun.len() as u64;
            let mut record = std::mem::take(&mut self.begun);
            let end = self.fill(&mut record)?;
            let why = match end {
                End::Nothing => return Ok(None),
                End::TooLarge => {
                    self.passed.too_large += 1;
                    "a record larger than --max-head and --max-body"
                }
                End::Separator | End::Source => {
                    if end == End::Source {
                        cut_separator(&mut record, self.in_crlf);
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

    /// Reads up to a separator, which is left out of `record`. That holds the record's first line already, or nothing.
    fn fill(&mut self, record: &mut Vec<u8>) -> io::Result<End> {
        let mut too_large = false;
        // Where the line begins that is read now; its bytes are in `record`, but for those that are passed over.
        let mut line = record.len();
        let mut any = !record.is_empty();
        // Where the record ends if the line begins another: the one before may be a separator.
        let mut may_end = None;
        loop {
            let available = match self.source.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                if let Some(end) = may_end
                    && (record.len() == line || begins_record(&record[line..]))
                {
                    return Ok(self.end(record, end, line, too_large));
                }
                too_large |= self.is_too_large(record);
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
            let room = if may_end.is_some() { MAX_HEADER } else { MAX_END };
            if record.len() + taken > self.max_record + room {
                too_large = true;
            }
            if too_large {
                // Only as much of the line is kept as tells it from the separator's, and whether it begins a record.
                record.truncate(line + room);
                let room = room.saturating_sub(record.len() - line);
                record.extend_from_slice(&available[..taken.min(room)]);
            } else {
                record.extend_from_slice(&available[..taken]);
            }
            self.source.consume(taken);
            self.offset += taken as u64;
            if !ends_line {
                continue;
            }
            let text = &record[line..];
            if let Some(end) = may_end.take() {
                if begins_record(text) {
                    return Ok(self.end(record, end, line, too_large));
                }
                self.passed.like_separator(self.offset - text.len() as u64);
                // The line is the record's own, and had room as the first of another.
                too_large |= self.is_too_large(record);
            }
            if text == LINE {
                record.truncate(line.saturating_sub(1));
                return Ok(if too_large { End::TooLarge } else { End::Separator });
            }
            if let Some(rest) = text.strip_prefix(&LINE[..LINE.len() - 1]) {
                if rest == b"\r\n" {
                    // The line end before it is the separator's, too.
                    let before = &record[..line];
                    may_end = Some(
                        before
                            .strip_suffix(b"\r\n")
                            .map_or(line.saturating_sub(1), <[u8]>::len),
                    );
                } else if rest.iter().all(u8::is_ascii_whitespace) {
                    self.passed.like_separator(self.offset);
                }
            }
            if too_large {
                record.clear();
                line = 0;
                may_end = may_end.map(|_| 0);
            } else {
                line = record.len();
            }
        }
    }

    /// Whether a record, with the line that may end it, is larger than the bound.
    fn is_too_large(&self, record: &[u8]) -> bool {
        record.len() > self.max_record + MAX_END
    }

    /// Ends `record` at `end`: what stands from `next` on is the beginning of the next one.
    fn end(&mut self, record: &mut Vec<u8>, end: usize, next: usize, too_large: bool) -> End {
        self.in_crlf = true;
        self.begun = record.split_off(next);
        record.truncate(end);
        if too_large { End::TooLarge } else { End::Separator }
    }
}

/// Whether a line is the first of a record.
fn begins_record(line: &[u8]) -> bool {
    header(line).is_ok()
}

/// Takes off what stands of a separator that was cut off itself. A lone line end may be the payload's own.
fn cut_separator(record: &mut Vec<u8>, in_crlf: bool) {
    let begun = (2..SEPARATOR.len())
        .rev()
        .find(|length| record.ends_with(&SEPARATOR[..*length]));
    record.truncate(record.len() - begun.unwrap_or(0));
    if begun.is_some() && in_crlf && record.ends_with(b"\r") {
        record.pop();
    }
    // One of those that end in CRLF.
    if let Some(rest) = record.strip_suffix(b"\r")
        && let Some(rest) = rest.strip_suffix(&SEPARATOR[..SEPARATOR.len() - 1])
    {
        record.truncate(rest.strip_suffix(b"\r").unwrap_or(rest).len());
    }
}

/// How a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Nothing,
    Separator,
    Source,
    TooLarge,
}

/// Reads a record without its separator: header line and payload.
///
/// # Errors
///
/// For a header line that no version writes, or masks that lie outside of the payload.
pub fn read_gor(record: Vec<u8>) -> Result<Record, &'static str> {
    let mut bytes = Bytes::from(record);
    let line_end = memchr::memchr(b'\n', &bytes);
    let line = bytes.split_to(line_end.map_or(bytes.len(), |at| at + 1));
    let header = header(&line)?;
    if let Some(masks) = header.masks {
        bytes = unmask(bytes, masks)?;
    }
    let end = memchr::memmem::find(&bytes, b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let head = bytes.split_to(end);
    Ok(Record {
        kind: header.kind,
        id: header.id,
        unix: header.unix,
        latency: header.latency,
        pod: None,
        head,
        body: bytes,
    })
}

/// First line of a record.
struct Header<'a> {
    kind: MessageKind,
    id: MessageId,
    unix: u64,
    latency: u64,
    masks: Option<&'a [u8]>,
}

/// Reads the first line of a record, with its line end or without.
fn header(line: &[u8]) -> Result<Header<'_>, &'static str> {
    let end = line.len()
        - line
            .iter()
            .rev()
            .take_while(|byte| matches!(byte, b'\n' | b'\r'))
            .count();
    let mut fields = line[..end].split(|byte| *byte == b' ');
    let kind = match fields.next() {
        Some(b"1") => MessageKind::Request,
        Some(b"2") => MessageKind::Response,
        Some(b"3") => MessageKind::Replayed,
        _ => return Err("a record whose type is not 1, 2 or 3"),
    };
    let id = fields.next().and_then(MessageId::given);
    let id = id.ok_or("a record whose id is missing, too long or has invisible characters")?;
    let unix = fields.next().and_then(number);
    let unix = unix.ok_or("a record whose time is not a number of nanoseconds")?;
    // -1 where GoReplay does not know it.
    let latency = fields.next().and_then(number).unwrap_or(0);
    Ok(Header {
        kind,
        id,
        unix,
        latency,
        masks: fields.next_back().and_then(|field| field.strip_prefix(b"!")),
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
    const WRONG: &str = "a record with invalid mask positions";
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
