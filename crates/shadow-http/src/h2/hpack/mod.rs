//! HPACK (RFC 7541): header blocks of one direction of a connection, decoded in their order, also by somebody who has not
//! seen all of them.
//!
//! # What is known of a table that nobody here saw being filled
//!
//! The dynamic table's indices count from the newest entry, and only its oldest entries are evicted. So after *k*
//! insertions that were seen, the first *k* indices are these entries whatever came before, and every further index is an
//! entry that is **unknown**: the header list it stands in is incomplete, and decoding goes on. A literal that takes its
//! name from an unknown entry is inserted as an unknown entry too, since it moves the others by one place.
//!
//! When the encoder evicts need not be known for this. A reference to an evicted entry does not occur (it is a decoding
//! error), so an entry that is kept for too long is never asked for, and one that is let go of too early becomes unknown.
//! That is why none of these makes an answer wrong: an unknown maximum (after joining, and after a loss until the next size
//! update), entries of unknown size (counted without their name, so kept for too long), a table that is larger than
//! [`MAX_TABLE_SIZE`], or than 16 KiB while its maximum is unknown (what is beyond becomes unknown), and the entry that was
//! too large to be inserted where that is not known (the table is empty then, so that only what is inserted later is asked
//! for).
//!
//! When the table is known from the start (and again from when it is known to be empty), an index outside it is the error
//! that it is to its reader.
//!
//! **A lost block**, or a part of one, may have inserted any number of entries: how far the known ones moved is not known,
//! so all of them are forgotten ([`Decoder::lost`]). Decoding the part before the hole would gain nothing, since what it
//! inserts moves too, and behind the hole nobody knows where a field begins. Later blocks are decoded as after joining.
//! An error does the same, for a caller that goes on in spite of it.
//!
//! **The reader's `SETTINGS_HEADER_TABLE_SIZE`** is not needed: an encoder that changes its maximum says so at the start of
//! its next block (RFC 7541 section 4.2). A maximum above the setting is for that reader to refuse; captured directions
//! come with a delay between them, so that the setting may be seen later than the update that it permits.
//!
//! # What hostile blocks cost
//!
//! The list is bounded by [`Limits`]. Once it is too large nothing is copied into it any more, and insertions go on, since
//! later blocks need them. The cost of a block is proportional to its length and to [`Limits::max_head`]: an entry whose
//! name is that of another shares its octets instead of copying them.

mod huffman;
mod list;
mod reader;
mod static_table;
mod table;
#[cfg(test)]
pub(super) mod tests;

pub use list::FieldList;
pub use table::MAX_TABLE_SIZE;

use crate::message::Limits;
use reader::Reader;
use table::{DynamicTable, Name};

/// Name and value of a field.
type Octets<'a> = (&'a [u8], &'a [u8]);

/// How much of a block's header list was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// All of it.
    Whole,
    /// A field or more is not known; the others are in the list.
    Unknown,
    /// It is larger than [`Limits::max_head`] (name, value and 32 bytes for each field, RFC 9113 section 6.5.2) or has more
    /// fields than [`Limits::max_headers`]; the list has the first ones.
    TooLarge,
}

/// Why a block cannot be decoded: to its reader, a connection error of type `COMPRESSION_ERROR` (RFC 9113 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HpackError {
    /// The block ends inside a field.
    #[error("the header block ends inside a field")]
    Truncated,
    /// An integer is larger than 32 bits, or written in more than 6 bytes.
    #[error("an integer in the header block is too large")]
    Integer,
    /// A Huffman-coded string has EOS in it, or wrong padding.
    #[error("a string in the header block is no Huffman code")]
    Huffman,
    /// An index is 0, or outside a table that is known.
    #[error("the header block refers to an entry that is not in the table")]
    Index,
    /// A size update stands behind a field (RFC 7541 section 4.2).
    #[error("the header block changes the table's size behind a field")]
    LateResize,
}

/// The decoder of one direction of a connection. It holds less than 256 KiB, and a few KiB for the tables in use
/// (see [`Self::memory`]).
#[derive(Debug)]
pub struct Decoder {
    table: DynamicTable,
}

impl Decoder {
    /// One for a connection that is seen from its beginning: an empty table of 4,096 bytes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            table: DynamicTable::new(),
        }
    }

    /// One for a connection that was open before: any table.
    #[must_use]
    pub fn joined() -> Self {
        let mut decoder = Self::new();
        decoder.lost();
        decoder
    }

    /// Notes that a header block, or a part of one, was lost: only what is inserted from here on is known.
    pub fn lost(&mut self) {
        self.table.forget();
    }

    /// Decodes the next block of this direction (the fragments of HEADERS or `PUSH_PROMISE` and of its CONTINUATIONs, put
    /// together, without padding) into `list`, which is emptied before.
    ///
    /// Each block has to go through here in its order, also those that nobody wants to read, since they fill the table.
    /// Names and values are any octets: what may stand in a message is not decided here.
    ///
    /// # Errors
    ///
    /// See [`HpackError`]. The list is then empty, and the table is as after [`Self::lost`].
    pub fn decode(
        &mut self,
        block: &[u8],
        list: &mut FieldList,
        limits: &Limits,
    ) -> Result<Completeness, HpackError> {
        list.clear();
        if let Err(error) = self.read(block, list, limits) {
            list.clear();
            self.lost();
            return Err(error);
        }
        Ok(if list.is_too_large() {
            Completeness::TooLarge
        } else if list.is_unknown() {
            Completeness::Unknown
        } else {
            Completeness::Whole
        })
    }

    /// Bytes of memory that its table holds; none after [`Self::lost`].
    pub fn memory(&self) -> usize {
        self.table.memory()
    }

    /// Reads all representations of a block (RFC 7541 section 6).
    fn read(&mut self, block: &[u8], list: &mut FieldList, limits: &Limits) -> Result<(), HpackError> {
        let mut reader = Reader::new(block);
        let mut is_behind_field = false;
        while let Some(first) = reader.peek() {
            match first {
                0x80.. => self.indexed(&mut reader, list, limits)?,
                0x40..=0x7f => self.literal(6, true, &mut reader, list, limits)?,
                0x20..=0x3f if is_behind_field => return Err(HpackError::LateResize),
                0x20..=0x3f => {
                    self.table.resize(reader.integer(5)?);
                    continue;
                }
                ..=0x1f => self.literal(4, false, &mut reader, list, limits)?,
            }
            is_behind_field = true;
        }
        Ok(())
    }

    /// An indexed field (section 6.1).
    fn indexed(
        &self,
        reader: &mut Reader<'_>,
        list: &mut FieldList,
        limits: &Limits,
    ) -> Result<(), HpackError> {
        match self.entry(reader.integer(7)? as usize)? {
            Some((name, value)) => list.push(name, value, limits),
            None => list.push_unknown(),
        };
        Ok(())
    }

    /// A literal field whose index has a prefix of `bits` (section 6.2).
    fn literal(
        &mut self,
        bits: u32,
        is_inserted: bool,
        reader: &mut Reader<'_>,
        list: &mut FieldList,
        limits: &Limits,
    ) -> Result<(), HpackError> {
        let index = reader.integer(bits)? as usize;
        let start = list.buffer().len();
        if index == 0 {
            reader.string(list.buffer())?;
        }
        let middle = list.buffer().len();
        reader.string(list.buffer())?;
        let end = list.buffer().len();
        let (is_known, is_listed) = match index {
            0 => (true, list.push_buffered(start..middle, middle..end, limits)),
            _ => match self.entry(index)? {
                Some((name, _)) => (true, list.push_named(name, middle..end, limits)),
                None => (false, list.push_unknown()),
            },
        };
        if is_inserted {
            let octets = &list.buffer()[start..end];
            let (name, value) = octets.split_at(middle - start);
            let name = is_known.then(|| Self::name(index, name));
            self.table.insert(name, value);
        }
        if !is_listed {
            list.buffer().truncate(start);
        }
        Ok(())
    }

    /// The entry at `index` of both tables (section 2.3.3); `None` where it is not known.
    fn entry(&self, index: usize) -> Result<Option<Octets<'_>>, HpackError> {
        match index.checked_sub(static_table::LENGTH + 1) {
            Some(index) => self.table.entry(index),
            None => static_table::entry(index).map(Some).ok_or(HpackError::Index),
        }
    }

    /// Where the name of a literal with `index` is: in a table, or the `literal` itself.
    fn name(index: usize, literal: &[u8]) -> Name<'_> {
        match index.checked_sub(static_table::LENGTH + 1) {
            Some(index) => Name::Entry(index),
            None => Name::Octets(static_table::entry(index).map_or(literal, |(name, _)| name)),
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}
