//! A decoded header list: all names and values in one buffer, used again from block to block.

use std::ops::Range;

use crate::message::Limits;

/// Size that each field adds to its list's beside its octets (RFC 9113 section 6.5.2).
const OVERHEAD: usize = 32;

/// The fields of one header block in their order, as far as they are known and within the limits.
#[derive(Clone, Debug, Default)]
pub struct FieldList {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    size: usize,
    /// Fields that [`Limits::max_headers`] counts.
    counted: usize,
    has_cookie: bool,
    is_unknown: bool,
    is_too_large: bool,
}

/// Where a field's octets are.
#[derive(Clone, Debug)]
struct Field {
    name: Range<u32>,
    value: Range<u32>,
}

impl FieldList {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Name and value of each field, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        self.fields
            .iter()
            .map(|field| (self.octets(&field.name), self.octets(&field.value)))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Its size in bytes as `SETTINGS_MAX_HEADER_LIST_SIZE` counts it (RFC 9113 section 6.5.2).
    pub fn size(&self) -> usize {
        self.size
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        self.bytes.capacity() + self.fields.capacity() * size_of::<Field>()
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
        self.size = 0;
        self.counted = 0;
        self.has_cookie = false;
        self.is_unknown = false;
        self.is_too_large = false;
    }

    /// Whether a field was left out because it is not known.
    pub(super) fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// Whether fields were left out because of the limits.
    pub(super) fn is_too_large(&self) -> bool {
        self.is_too_large
    }

    /// The buffer, for the strings of a literal to be appended to. Who does not push them takes them off again.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Adds a field. This and the following say whether it is in the list.
    pub(super) fn push(&mut self, name: &[u8], value: &[u8], limits: &Limits) -> bool {
        // Asked before anything is copied: an entry may be large, and referred to by one byte.
        let is_admitted = self.admits(name.len(), kind(name), value.len(), limits);
        if is_admitted {
            let name = self.append(name);
            let value = self.append(value);
            self.fields.push(Field { name, value });
        }
        is_admitted
    }

    /// Adds a field whose value is in the buffer.
    pub(super) fn push_named(&mut self, name: &[u8], value: Range<usize>, limits: &Limits) -> bool {
        let is_admitted = self.admits(name.len(), kind(name), value.len(), limits);
        if is_admitted {
            let name = self.append(name);
            let value = value.start as u32..value.end as u32;
            self.fields.push(Field { name, value });
        }
        is_admitted
    }

    /// Adds a field that is in the buffer.
    pub(super) fn push_buffered(&mut self, name: Range<usize>, value: Range<usize>, limits: &Limits) -> bool {
        let kind = kind(&self.bytes[name.clone()]);
        let is_admitted = self.admits(name.len(), kind, value.len(), limits);
        if is_admitted {
            self.fields.push(Field {
                name: name.start as u32..name.end as u32,
                value: value.start as u32..value.end as u32,
            });
        }
        is_admitted
    }

    /// Leaves out a field that nobody here knows.
    pub(super) fn push_unknown(&mut self) -> bool {
        self.is_unknown = true;
        false
    }

    /// Counts a field, and says whether it is within the limits; once one is not, none is any more.
    fn admits(&mut self, name: usize, kind: Kind, value: usize, limits: &Limits) -> bool {
        let is_counted = match kind {
            Kind::Pseudo => false,
            Kind::Cookie => !std::mem::replace(&mut self.has_cookie, true),
            Kind::Other => true,
        };
        self.counted += usize::from(is_counted);
        self.size = self.size.saturating_add(name + value + OVERHEAD);
        self.is_too_large |= self.size > limits.max_head || self.counted > limits.max_headers;
        !self.is_too_large
    }

    fn append(&mut self, octets: &[u8]) -> Range<u32> {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(octets);
        start..self.bytes.len() as u32
    }

    fn octets(&self, range: &Range<u32>) -> &[u8] {
        &self.bytes[range.start as usize..range.end as usize]
    }
}

/// A field as [`Limits::max_headers`] counts it. Pseudo-fields become a start line, and the crumbs of a cookie one field
/// (RFC 9113 section 8.2.3): these are bounded by their size alone.
#[derive(Clone, Copy)]
enum Kind {
    Pseudo,
    Cookie,
    Other,
}

fn kind(name: &[u8]) -> Kind {
    match name {
        [b':', ..] => Kind::Pseudo,
        b"cookie" => Kind::Cookie,
        _ => Kind::Other,
    }
}
