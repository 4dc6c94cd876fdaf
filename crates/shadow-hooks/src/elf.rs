//! An ELF file's headers, its symbols by name, and where in the file a virtual address is.
//!
//! Layouts are those of System V ABI, chapters 4 and 5 (`elf.h`): 64 bits, little-endian. A reader of our own, because the
//! well-kept ones take a file as one slice, or keep all that they read of it, and this one must do with little memory;
//! what it reads of the format is four records.

use std::ops::Range;

use crate::NoHook;
use crate::image::{Reader, u16_at, u32_at, u64_at};
use crate::machine::Machine;

/// Segments at most. Linkers make about ten.
const MAX_SEGMENTS: u64 = 256;

/// Sections at most. Linkers make some forty, and a few hundred where each function has its own.
const MAX_SECTIONS: u64 = 8192;

/// Symbols at most in one table: four times those of a browser with its symbols.
const MAX_SYMBOLS: u64 = 8 * 1024 * 1024;

/// Places at most where a name may stand in a table of strings; a linker writes it once.
const MAX_NAMES: usize = 16;

const SEGMENT_BYTES: u64 = 56;
const SECTION_BYTES: u64 = 64;
const SYMBOL_BYTES: u64 = 24;

/// A part of the file that is mapped into the process.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) executable: bool,
    pub(crate) address: u64,
    /// Its bytes in the file.
    pub(crate) file: Range<u64>,
}

/// A section, without what is in no file (`.bss`).
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) name: String,
    kind: u32,
    pub(crate) address: u64,
    pub(crate) file: Range<u64>,
    link: u32,
}

/// A symbol of a wanted name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) name: String,
    pub(crate) address: u64,
    /// Bytes of the function, 0 if that is not said.
    pub(crate) size: u64,
    /// Whether it is in this file, not asked for from another.
    pub(crate) defined: bool,
}

/// An ELF file's headers.
#[derive(Debug)]
pub(crate) struct Elf {
    pub(crate) machine: Machine,
    pub(crate) segments: Vec<Segment>,
    pub(crate) sections: Vec<Section>,
}

const SHT_SYMTAB: u32 = 2;
const SHT_NOBITS: u32 = 8;
const SHT_DYNSYM: u32 = 11;
const PT_LOAD: u32 = 1;
const PF_X: u32 = 1;

impl Elf {
    /// Reads the headers.
    pub(crate) fn read(reader: &Reader<'_>) -> Result<Self, NoHook> {
        let header = reader.some(0..64)?;
        if header.len() < 64 || !header.starts_with(b"\x7fELF") {
            return Err(NoHook::NotElf);
        }
        let machine = u16_at(&header, 18).unwrap_or_default();
        // 64 bits, little-endian.
        let machine = match (header[4], header[5], machine) {
            (2, 1, 62) => Machine::Amd64,
            (2, 1, 183) => Machine::Arm64,
            _ => return Err(NoHook::Machine(machine)),
        };
        // An executable, or what may be loaded anywhere: not what a compiler leaves to the linker.
        if !matches!(u16_at(&header, 16), Some(2 | 3)) {
            return Err(NoHook::NotElf);
        }
        let sections = sections(reader, &header).unwrap_or_default();
        Ok(Self {
            machine,
            segments: segments(reader, &header)?,
            sections,
        })
    }

    /// The file offset of an address in an executable segment, and how many bytes of the segment there are from there on.
    pub(crate) fn code_at(&self, address: u64) -> Option<(u64, u64)> {
        self.segments
            .iter()
            .filter(|segment| segment.executable)
            .find_map(|segment| segment.offset_of(address))
    }

    /// The address that a file offset is mapped at.
    pub(crate) fn address_of(&self, offset: u64) -> Option<u64> {
        self.segments
            .iter()
            .find_map(|segment| segment.address_of(offset))
    }

    /// The address that a file offset is executed at.
    pub(crate) fn code_address(&self, offset: u64) -> Option<u64> {
        let executable = self.segments.iter().filter(|segment| segment.executable);
        executable
            .into_iter()
            .find_map(|segment| segment.address_of(offset))
    }

    /// The mapped part of the segments that are `wanted`, as ranges of the file in order: no byte is in two, however the
    /// segments lie over each other.
    pub(crate) fn loaded(&self, wanted: impl Fn(&Segment) -> bool) -> Vec<Range<u64>> {
        let mut ranges: Vec<_> = self
            .segments
            .iter()
            .filter(|s| wanted(s))
            .map(|s| s.file.clone())
            .collect();
        ranges.sort_by_key(|range| range.start);
        let mut reached = 0;
        for range in &mut ranges {
            range.start = range.start.max(reached);
            reached = reached.max(range.end);
        }
        ranges.retain(|range| range.start < range.end);
        ranges
    }

    pub(crate) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Symbols, of the dynamic table and the other one, that are called one of `names`. A name that begins with `*` is
    /// the end of a name.
    ///
    /// The names are looked for in the table of strings, and then who refers to them: in time that grows with the file and
    /// no faster, whatever its symbols say.
    pub(crate) fn symbols<const N: usize>(
        &self,
        reader: &Reader<'_>,
        names: [&str; N],
    ) -> Result<Vec<Symbol>, NoHook> {
        let mut symbols = Vec::new();
        // One of each: a file has no more, and thousands of headers over the same bytes would be as much work.
        let table = |kind| self.sections.iter().find(|section| section.kind == kind);
        for table in [SHT_DYNSYM, SHT_SYMTAB].into_iter().filter_map(table) {
            let Some(strings) = self.sections.get(table.link as usize) else {
                continue;
            };
            let wanted = wanted_names(reader, strings.file.clone(), names)?;
            if !wanted.is_empty() {
                referring(reader, table.file.clone(), &wanted, &mut symbols)?;
            }
        }
        symbols.dedup();
        Ok(symbols)
    }
}

impl Segment {
    fn address_of(&self, offset: u64) -> Option<u64> {
        let within = offset.checked_sub(self.file.start)?;
        self.file
            .contains(&offset)
            .then_some(self.address.checked_add(within)?)
    }

    fn offset_of(&self, address: u64) -> Option<(u64, u64)> {
        let within = address.checked_sub(self.address)?;
        let length = self.file.end - self.file.start;
        (within < length).then(|| (self.file.start + within, length - within))
    }
}

/// Where a header's table begins, with so many entries of so many bytes.
fn table(start: Option<u64>, count: u64, size: u64) -> Option<Range<u64>> {
    let start = start.filter(|start| *start > 0)?;
    Some(start..start.checked_add(count * size)?)
}

fn segments(reader: &Reader<'_>, header: &[u8]) -> Result<Vec<Segment>, NoHook> {
    let count = u64::from(u16_at(header, 56).unwrap_or_default());
    let entry = u64::from(u16_at(header, 54).unwrap_or_default());
    if count > MAX_SEGMENTS || entry != SEGMENT_BYTES {
        return Err(NoHook::Damaged("its segments cannot be counted"));
    }
    let table =
        table(u64_at(header, 32), count, SEGMENT_BYTES).ok_or(NoHook::Damaged("it has no segments"))?;
    let bytes = reader.exact(table)?;
    let segments = bytes.chunks_exact(SEGMENT_BYTES as usize).filter_map(|entry| {
        let offset = u64_at(entry, 8)?;
        let file = offset..offset.checked_add(u64_at(entry, 32)?)?;
        (u32_at(entry, 0)? == PT_LOAD).then_some(Segment {
            executable: u32_at(entry, 4)? & PF_X != 0,
            address: u64_at(entry, 16)?,
            file,
        })
    });
    Ok(segments.collect())
}

/// The sections, if there are any: a file runs without.
fn sections(reader: &Reader<'_>, header: &[u8]) -> Option<Vec<Section>> {
    let count = u64::from(u16_at(header, 60)?);
    if u64::from(u16_at(header, 58)?) != SECTION_BYTES || count > MAX_SECTIONS {
        return None;
    }
    let bytes = reader
        .exact(table(u64_at(header, 40), count, SECTION_BYTES)?)
        .ok()?;
    let entries: Vec<&[u8]> = bytes.chunks_exact(SECTION_BYTES as usize).collect();
    let names = entries.get(usize::from(u16_at(header, 62)?))?;
    let from = u64_at(names, 24)?;
    let names = reader.some(from..from.checked_add(u64_at(names, 32)?)?).ok()?;
    // A section that makes no sense keeps its place, for others refer to it by number.
    Some(
        entries
            .iter()
            .map(|entry| section(entry, &names).unwrap_or_default())
            .collect(),
    )
}

fn section(entry: &[u8], names: &[u8]) -> Option<Section> {
    /// Bytes of a section's name at most.
    const MAX_NAME: usize = 64;
    let name = names.get(u32_at(entry, 0)? as usize..)?;
    let name = &name[..name.len().min(MAX_NAME)];
    let name = name.split(|byte| *byte == 0).next()?;
    let kind = u32_at(entry, 4)?;
    let offset = u64_at(entry, 24)?;
    let length = if kind == SHT_NOBITS { 0 } else { u64_at(entry, 32)? };
    Some(Section {
        name: String::from_utf8_lossy(name).into_owned(),
        kind,
        address: u64_at(entry, 16)?,
        file: offset..offset.checked_add(length)?,
        link: u32_at(entry, 40)?,
    })
}

impl Default for Section {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: 0,
            address: 0,
            file: 0..0,
            link: 0,
        }
    }
}

/// Where in the table of strings at `strings` names begin that are wanted, with the name.
fn wanted_names<const N: usize>(
    reader: &Reader<'_>,
    strings: Range<u64>,
    names: [&str; N],
) -> Result<Vec<(u32, String)>, NoHook> {
    /// Bytes of a name at most, of which the end is wanted.
    const MAX_NAME: u64 = 96;
    let needles: [Vec<u8>; N] = names.map(|name| [name.trim_start_matches('*').as_bytes(), b"\0"].concat());
    let found: [_; N] = reader.find(
        strings.clone(),
        std::array::from_fn(|i| needles[i].as_slice()),
        MAX_NAMES,
    )?;
    let mut wanted = Vec::new();
    for ((name, needle), found) in names.iter().zip(&needles).zip(&found) {
        for at in found {
            let mut begin = *at;
            let mut whole = name.trim_start_matches('*').to_owned();
            if name.starts_with('*') {
                let before = reader.some(at.saturating_sub(MAX_NAME).max(strings.start)..*at)?;
                let before = before.rsplit(|byte| *byte == 0).next().unwrap_or_default();
                begin -= before.len() as u64;
                whole.insert_str(0, &String::from_utf8_lossy(before));
            }
            debug_assert!(needle.len() <= MAX_NAME as usize);
            if let Ok(index) = u32::try_from(begin - strings.start) {
                wanted.push((index, whole));
            }
        }
    }
    wanted.sort();
    wanted.dedup();
    Ok(wanted)
}

/// Functions in the table of symbols at `table` that have one of the `wanted` names, which are sorted by where they stand.
fn referring(
    reader: &Reader<'_>,
    table: Range<u64>,
    wanted: &[(u32, String)],
    symbols: &mut Vec<Symbol>,
) -> Result<(), NoHook> {
    /// Functions at most that are called alike, in one table.
    const MAX_FOUND: usize = 64;
    if (table.end - table.start) / SYMBOL_BYTES > MAX_SYMBOLS {
        return Err(NoHook::Damaged("it has too many symbols"));
    }
    let most = symbols.len() + MAX_FOUND;
    reader.entries(table, SYMBOL_BYTES, |entry| {
        let index = u32_at(entry, 0).unwrap_or_default();
        let Ok(found) = wanted.binary_search_by_key(&index, |(index, _)| *index) else {
            return;
        };
        // Functions, and what has no type because it is asked for from elsewhere.
        if symbols.len() < most && matches!(entry[4] & 15, 0 | 2) {
            symbols.push(Symbol {
                name: wanted[found].1.clone(),
                address: u64_at(entry, 8).unwrap_or_default(),
                size: u64_at(entry, 16).unwrap_or_default(),
                defined: u16_at(entry, 6) != Some(0),
            });
        }
    })
}
