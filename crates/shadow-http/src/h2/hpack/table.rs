//! The dynamic table (RFC 7541 section 2.3.2) as far as it is known.

use std::collections::VecDeque;
use std::ops::Range;

use super::{HpackError, Octets};

/// Largest table that is kept, in bytes as RFC 7541 section 4.1 counts: what the largest servers and clients in use offer
/// (Chrome, Firefox). Entries beyond are not known.
pub const MAX_TABLE_SIZE: u32 = 64 * 1024;
/// The same while the encoder's maximum is not known: four times what nearly all encoders use.
pub(super) const UNKNOWN_TABLE_SIZE: u32 = 16 * 1024;
/// The size a table has at first (RFC 9113 section 6.5.2).
const INITIAL_SIZE: u32 = 4096;
/// Size of each entry beside its octets (section 4.1).
const OVERHEAD: u32 = 32;
/// Octets that nothing refers to any more are let be until there are so many more of them than of others.
const SLACK: usize = 4096;

/// The newest entries.
#[derive(Debug)]
pub(super) struct DynamicTable {
    /// From the newest to the oldest.
    entries: VecDeque<Entry>,
    /// The octets of names and values. New ones are appended, and names that several entries have are there once, so that
    /// an entry costs what its literal costs, however long the name is that it refers to.
    octets: Vec<u8>,
    /// Sum of the entries' sizes.
    size: u64,
    /// The encoder's maximum, where it is known.
    maximum: Option<u32>,
    /// Whether there may be entries behind the oldest of these.
    has_unknown: bool,
}

#[derive(Debug)]
struct Entry {
    /// Name and value; `None` where they are not known, or the name is not.
    field: Option<(Range<u32>, Range<u32>)>,
    /// As section 4.1 counts it; where the name is not known, without it.
    size: u32,
}

/// Where the name of a new entry is.
pub(super) enum Name<'a> {
    /// These octets.
    Octets(&'a [u8]),
    /// In the entry at this index of the dynamic table, counted from 0.
    Entry(usize),
}

impl DynamicTable {
    /// The empty table that a connection starts with.
    pub fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            octets: Vec::new(),
            size: 0,
            maximum: Some(INITIAL_SIZE),
            has_unknown: false,
        }
    }

    /// Forgets all, and frees its memory: any entries may be there, and any maximum.
    pub fn forget(&mut self) {
        *self = Self {
            maximum: None,
            has_unknown: true,
            ..Self::new()
        };
    }

    /// The entry at `index`, counted from 0; `None` where it is not known.
    pub fn entry(&self, index: usize) -> Result<Option<Octets<'_>>, HpackError> {
        let Some(entry) = self.entries.get(index) else {
            return self.has_unknown.then_some(None).ok_or(HpackError::Index);
        };
        let field = entry.field.as_ref();
        Ok(field.map(|(name, value)| (self.octets(name), self.octets(value))))
    }

    /// A dynamic table size update (section 6.3).
    pub fn resize(&mut self, maximum: u32) {
        self.maximum = Some(maximum);
        if maximum == 0 {
            self.has_unknown = false;
        }
        self.evict();
    }

    /// Inserts an entry; `name` is `None` where the name is not known.
    pub fn insert(&mut self, name: Option<Name<'_>>, value: &[u8]) {
        let name_length = match &name {
            None => 0,
            Some(Name::Octets(octets)) => octets.len(),
            Some(Name::Entry(index)) => self.name(*index).len(),
        };
        let size = OVERHEAD as usize + name_length + value.len();
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        if self.maximum.is_some_and(|maximum| size > maximum) {
            // Not an error: it empties the table (section 4.4).
            self.clear();
            self.has_unknown = false;
            return;
        }
        if size > MAX_TABLE_SIZE {
            self.clear();
            self.has_unknown = true;
            self.push(None, OVERHEAD);
            return;
        }
        let field = name.map(|name| {
            let name = match name {
                Name::Octets(octets) => self.append(octets),
                Name::Entry(index) => self.name(index),
            };
            (name, self.append(value))
        });
        // The new entry is there before others are evicted: it may share the name of one of them.
        self.push(field, size);
        self.evict();
        self.compact();
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        self.octets.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    fn push(&mut self, field: Option<(Range<u32>, Range<u32>)>, size: u32) {
        self.entries.push_front(Entry { field, size });
        self.size += u64::from(size);
    }

    /// Where the name of the entry at `index` is; only asked for where it is known.
    fn name(&self, index: usize) -> Range<u32> {
        let field = self.entries.get(index).and_then(|entry| entry.field.as_ref());
        field.map_or(0..0, |(name, _)| name.clone())
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.octets.clear();
        self.size = 0;
    }

    /// Lets go of the oldest entries until the rest is within the maximum and the bound.
    fn evict(&mut self) {
        let maximum = self.maximum.map(u64::from);
        let kept = maximum.unwrap_or(u64::from(UNKNOWN_TABLE_SIZE));
        let kept = kept.min(u64::from(MAX_TABLE_SIZE));
        while self.size > kept
            && let Some(oldest) = self.entries.pop_back()
        {
            // The encoder still has it unless its maximum says that it cannot.
            self.has_unknown |= maximum.is_none_or(|maximum| self.size <= maximum);
            self.size -= u64::from(oldest.size);
        }
        if self.entries.is_empty() {
            self.octets.clear();
        }
    }

    /// Lets go of octets that no entry has any more, once they are more than the others.
    fn compact(&mut self) {
        if self.octets.len() <= 2 * self.size as usize + SLACK {
            return;
        }
        let before = std::mem::replace(&mut self.octets, Vec::with_capacity(self.size as usize + SLACK));
        for entry in &mut self.entries {
            if let Some((name, value)) = &mut entry.field {
                for range in [name, value] {
                    let start = self.octets.len() as u32;
                    self.octets
                        .extend_from_slice(&before[range.start as usize..range.end as usize]);
                    *range = start..self.octets.len() as u32;
                }
            }
        }
    }

    fn append(&mut self, octets: &[u8]) -> Range<u32> {
        let start = self.octets.len() as u32;
        self.octets.extend_from_slice(octets);
        start..self.octets.len() as u32
    }

    fn octets(&self, range: &Range<u32>) -> &[u8] {
        &self.octets[range.start as usize..range.end as usize]
    }
}
