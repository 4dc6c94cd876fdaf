//! Reads a head for what frames its message, and nothing else: method or status, version, `Content-Length`,
//! `Transfer-Encoding`, `Connection`, `Upgrade`. For heads that are too large to be kept, or that the strict parser
//! refuses: production may have read them all the same, and then the body behind them must not be taken for the
//! next request.
//!
//! Streaming: of a line no more than [`KEPT`] bytes are kept, so that a head of any size takes less than a connection that
//! is followed takes anyway; the number of connections bounds it.
//!
//! # What can be framed
//!
//! A line is odd where the grammar refuses it: without a colon, with white space before it, with control bytes, folded,
//! ended by a bare LF. What its readers make of an odd line differs, so a head is framed only when none of its odd lines
//! (nor, where it is not certain where one ends, its neighbour) holds a name that frames a message: then it does not
//! matter how they are read. A head without any CRLF has line ends that can be read in one way only; with a transfer
//! coding even that is not believed. What never is: a bare CR, a line of white space alone (an end of the head to some),
//! line ends that are mixed around the end of the head, a start line without an HTTP/1 version.

use super::fault::{Fault, Oddity};
use super::field::{FramingNames, is_token, is_visible_name, trim_spaces};
use super::framing::MessageFields;
use super::head::{MAX_METHOD, StartLine};

/// Bytes kept of a line: the name of a field, and values that mean something.
const KEPT: usize = 256;
/// Bytes kept of a line's end: a version and the space before it.
const TAIL: usize = 16;

/// Everything a head says about its message's framing.
#[derive(Debug)]
pub(super) struct Skimmed<L> {
    pub line: L,
    /// The first bytes of the start line.
    pub start: Vec<u8>,
    pub fields: MessageFields,
    /// Why the message cannot be handed on, should that be so.
    pub fault: Option<Fault>,
}

/// A head that is being read, from the first byte of its start line.
#[derive(Debug)]
pub(super) struct Skimmer<L> {
    start: Option<(L, Vec<u8>)>,
    fields: MessageFields,
    line: Line,
    number: u32,
    fault: Option<Fault>,
    /// Kinds of line ends so far.
    crlf: bool,
    bare_lf: bool,
    /// A framing name stands beside a bare LF.
    names_at_lf: bool,
    /// Of the line before.
    before: Before,
}

/// The state of the current line.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, not states of one thing"
)]
struct Line {
    kept: Vec<u8>,
    tail: [u8; TAIL],
    length: u64,
    names: FramingNames,
    /// The last byte was a CR.
    cr: bool,
    nul: bool,
    control: bool,
    visible: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Before {
    is_field: bool,
    names: bool,
    bare_lf: bool,
}

impl<L: StartLine> Skimmer<L> {
    /// At the first byte of a start line.
    pub fn new() -> Self {
        Self {
            start: None,
            fields: MessageFields::default(),
            line: Line::default(),
            number: 1,
            fault: None,
            crlf: false,
            bare_lf: false,
            names_at_lf: false,
            before: Before::default(),
        }
    }

    /// Reads on: how many of `bytes` belong to the head, when it ends in them. What cannot be framed is an error, behind
    /// which nothing is known.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let mut at = 0;
        while at < bytes.len() {
            let end = memchr::memchr(b'\n', &bytes[at..]).map(|found| at + found);
            let text = &bytes[at..end.unwrap_or(bytes.len())];
            self.line.read(text).map_err(|what| self.fault_here(what))?;
            let Some(end) = end else { break };
            at = end + 1;
            let line = std::mem::take(&mut self.line);
            let ended = self.end_of_line(&line).map_err(|what| self.fault_here(what))?;
            if ended {
                return Ok(Some(at));
            }
            self.number = self.number.saturating_add(1);
            // An allocation is worth keeping.
            self.line.kept = line.kept;
            self.line.kept.clear();
        }
        Ok(None)
    }

    /// Everything the head says, once it has ended.
    pub fn skimmed(self) -> Option<Skimmed<L>> {
        let (line, start) = self.start?;
        Some(Skimmed {
            line,
            start,
            fields: self.fields,
            fault: self.fault,
        })
    }

    fn fault_here(&self, what: Oddity) -> Fault {
        Fault {
            line: Some(self.number),
            what,
        }
    }

    /// Takes a whole line; whether it is the empty one that ends the head.
    fn end_of_line(&mut self, line: &Line) -> Result<bool, Oddity> {
        let bare_lf = !line.cr;
        self.crlf |= line.cr;
        self.bare_lf |= bare_lf;
        if line.length == 0 && self.start.is_some() {
            return self.end_of_head(bare_lf).map(|()| true);
        }
        let mut names = line.names.found();
        let mut is_field = false;
        if self.start.is_none() {
            let first = L::framing(&line.kept, line.last()).ok_or(Oddity::StartLine)?;
            self.start = Some((first, line.kept[..line.kept.len().min(MAX_METHOD + 1)].to_vec()));
            names = false;
        } else {
            if !line.visible {
                return Err(Oddity::BlankLine);
            }
            if matches!(line.kept.first(), Some(b' ' | b'\t')) {
                names |= self.before.names;
                self.folded(names)?;
                is_field = self.before.is_field;
            } else {
                self.field(line)?;
                is_field = true;
            }
        }
        self.names_at_lf |= names && (bare_lf || self.before.bare_lf);
        self.before = Before {
            is_field,
            names,
            bare_lf,
        };
        Ok(false)
    }

    fn end_of_head(&mut self, bare_lf: bool) -> Result<(), Oddity> {
        let mixed = self.bare_lf && self.crlf;
        if mixed && (bare_lf || self.before.bare_lf || self.names_at_lf) {
            return Err(Oddity::LineEnds);
        }
        if self.bare_lf && self.fields.has_coding() {
            return Err(Oddity::LineEnds);
        }
        // With no field between, whoever ends lines by CRLF alone, and takes words apart at any white space (Twisted does), still
        // reads the start line.
        if bare_lf && !self.before.is_field {
            return Err(Oddity::LineEnds);
        }
        Ok(())
    }

    /// A line that goes on with the one before (RFC 9112 section 5.2).
    fn folded(&mut self, names: bool) -> Result<(), Oddity> {
        if names {
            return Err(Oddity::Hidden);
        }
        if !self.before.is_field {
            self.note(Oddity::LeadingSpace);
        }
        Ok(())
    }

    fn field(&mut self, line: &Line) -> Result<(), Oddity> {
        let Some(colon) = memchr::memchr(b':', &line.kept) else {
            return self.odd(line, Some(Oddity::NoColon));
        };
        let (name, value) = (&line.kept[..colon], &line.kept[colon + 1..]);
        if is_token(name) {
            if MessageFields::frames(name) {
                if line.length > line.kept.len() as u64 || line.nul || line.control {
                    return Err(Oddity::FramingField);
                }
                self.fields.observe(name, trim_spaces(value));
                return Ok(());
            }
            return match (line.nul, line.control) {
                (true, _) => self.odd(line, Some(Oddity::Nul)),
                (false, true) => self.odd(line, None),
                (false, false) => Ok(()),
            };
        }
        let what = match name {
            [] => Some(Oddity::NoName),
            [.., b' ' | b'\t'] => Some(Oddity::SpaceBeforeColon),
            _ if !is_visible_name(name) => Some(Oddity::Name),
            _ if line.nul => Some(Oddity::Nul),
            _ => None,
        };
        self.odd(line, what)
    }

    /// An odd line, which keeps the message from being handed on when `what` says why.
    fn odd(&mut self, line: &Line, what: Option<Oddity>) -> Result<(), Oddity> {
        if line.names.found() {
            return Err(Oddity::Hidden);
        }
        if let Some(what) = what {
            self.note(what);
        }
        Ok(())
    }

    fn note(&mut self, what: Oddity) {
        let fault = self.fault_here(what);
        self.fault.get_or_insert(fault);
    }
}

impl Line {
    /// Bytes of the line, without its LF.
    fn read(&mut self, bytes: &[u8]) -> Result<(), Oddity> {
        for &byte in bytes {
            if self.cr {
                return Err(Oddity::BareCr);
            }
            if byte == b'\r' {
                self.cr = true;
                continue;
            }
            self.length += 1;
            if self.kept.len() < KEPT {
                self.kept.push(byte);
            }
            self.tail.copy_within(1.., 0);
            self.tail[TAIL - 1] = byte;
            self.names.see(byte);
            self.nul |= byte == 0;
            self.control |= (byte < b' ' && byte != b'\t') || byte == 0x7f;
            self.visible |= byte.is_ascii_graphic();
        }
        Ok(())
    }

    /// Its last bytes.
    fn last(&self) -> &[u8] {
        if self.kept.len() < TAIL {
            &self.kept
        } else {
            &self.tail
        }
    }
}

#[cfg(test)]
#[path = "skimmer_tests.rs"]
mod tests;
