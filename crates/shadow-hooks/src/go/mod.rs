//! Go's function that writes the key log, found in the table that every Go executable has for its stack traces.
//!
//! The table (`.gopclntab`) stays when symbols are stripped. Its layout is that of `runtime/symtab.go` (`pcHeader`,
//! `functab`) and `internal/abi/symtab.go` since Go 1.18; before, functions had another calling convention or another
//! table, and nothing is hooked.

mod module;

use std::ops::Range;

use crate::NoHook;
use crate::elf::Elf;
use crate::image::{Reader, u32_at, u64_at};
use crate::machine::Machine;
use crate::prologue;

/// The function: called at each secret of each handshake, its check for a writer is inside.
pub(crate) const FUNCTION: &str = "crypto/tls.(*Config).writeKeyLog";

/// Functions at most in one table: ten times those of Kubernetes' largest.
const MAX_FUNCTIONS: u64 = 4 * 1024 * 1024;

/// Places at most where a table may begin by its first bytes, and where the name may stand.
const MAX_PLACES: usize = 16;

/// The first bytes of a table: the magic number, two zeros, the least size of an instruction, the size of a pointer.
fn magics(machine: Machine) -> [[u8; 8]; 2] {
    let least = match machine {
        Machine::Amd64 => 1,
        Machine::Arm64 => 4,
    };
    // Go 1.20 and later; 1.18 and 1.19.
    [0xf1, 0xf0].map(|magic| [magic, 0xff, 0xff, 0xff, 0, 0, least, 8])
}

/// The address of [`FUNCTION`], if this is a Go executable that has it. `version` is the one that its build information
/// tells, if any.
pub(crate) fn key_log(reader: &Reader<'_>, elf: &Elf, version: Option<&str>) -> Result<Option<u64>, NoHook> {
    let tables = tables(reader, elf, version.is_some())?;
    let mut damaged = None;
    for table in &tables {
        match table.function(reader, elf) {
            Ok(Some(address)) => return Ok(Some(address)),
            Ok(None) => {}
            Err(NoHook::Read(error)) => return Err(NoHook::Read(error)),
            Err(reason) => damaged = Some(reason),
        }
    }
    match damaged {
        // What only looked like a table says nothing.
        Some(reason) if version.is_some() => Err(reason),
        None if tables.is_empty() && version.is_some() => Err(NoHook::Hidden {
            library: format!("Go {}", version.unwrap_or_default()),
            why: "its table of functions is not one of Go 1.18 or later",
        }),
        _ => Ok(None),
    }
}

/// A table of functions: where its parts are in the file.
#[derive(Debug)]
struct Table {
    at: u64,
    functions: u64,
    /// Where the code of Go's functions begins, as the table says; 0 since Go 1.26, and where it is relocated.
    text: u64,
    names: Range<u64>,
    /// Pairs of offsets, of a function in the code and of what is said of it behind this start.
    pairs: u64,
    end: u64,
}

/// The tables of a file: one, where sections say so, else what begins like one.
fn tables(reader: &Reader<'_>, elf: &Elf, is_go: bool) -> Result<Vec<Table>, NoHook> {
    let magics = magics(elf.machine);
    let section = elf
        .sections
        .iter()
        .find(|section| section.name.ends_with(".gopclntab"));
    if let Some(section) = section {
        let table = Table::read(reader, section.file.clone(), &magics)?;
        return Ok(table.into_iter().collect());
    }
    let mut tables = Vec::new();
    if is_go {
        for range in elf.loaded(|segment| !segment.executable) {
            let places = reader.find(range.clone(), [&magics[0], &magics[1]], MAX_PLACES)?;
            for at in places
                .into_iter()
                .flatten()
                .filter(|at| at % 8 == range.start % 8)
            {
                tables.extend(Table::read(reader, at..range.end, &magics)?);
            }
        }
    }
    Ok(tables)
}

impl Table {
    /// The table that `range` begins with, if it begins with one.
    fn read(reader: &Reader<'_>, range: Range<u64>, magics: &[[u8; 8]; 2]) -> Result<Option<Self>, NoHook> {
        let header = reader.some(range.start..range.end.min(range.start + 72))?;
        if !magics.iter().any(|magic| header.starts_with(magic)) {
            return Ok(None);
        }
        let word = |index: usize| u64_at(&header, 8 + 8 * index);
        // Functions, files, text, then offsets: names, compilation units, files, counters, pairs.
        let (Some(functions), Some(text)) = (word(0), word(2)) else {
            return Ok(None);
        };
        let place = |index| {
            let place = range.start.checked_add(word(index)?)?;
            (place < range.end).then_some(place)
        };
        let (Some(names), Some(units), Some(pairs)) = (place(3), place(4), place(7)) else {
            return Err(NoHook::Damaged(
                "Go's table of functions has parts behind its end",
            ));
        };
        if functions > MAX_FUNCTIONS || names >= units {
            return Err(NoHook::Damaged("Go's table of functions makes no sense"));
        }
        Ok(Some(Self {
            at: range.start,
            functions,
            text,
            names: names..units,
            pairs,
            end: range.end,
        }))
    }

    /// The address of [`FUNCTION`].
    fn function(&self, reader: &Reader<'_>, elf: &Elf) -> Result<Option<u64>, NoHook> {
        let Some(entry) = self.entry(reader)? else {
            return Ok(None);
        };
        // The table's own word first, then the section's, which is right unless C code was linked in before Go's, then what
        // the runtime goes by.
        let section = elf.section(".text").map(|section| section.address);
        for text in [Some(self.text), section].into_iter().flatten() {
            if let Some(address) = function_at(reader, elf, text, entry)? {
                return Ok(Some(address));
            }
        }
        if let Some(table) = elf.address_of(self.at) {
            for text in module::texts(reader, elf, table)? {
                if let Some(address) = function_at(reader, elf, text, entry)? {
                    return Ok(Some(address));
                }
            }
        }
        Err(NoHook::Damaged("Go's functions are not where its table says"))
    }

    /// How far behind the start of the code [`FUNCTION`] is.
    fn entry(&self, reader: &Reader<'_>) -> Result<Option<u32>, NoHook> {
        let name = [FUNCTION.as_bytes(), b"\0"].concat();
        let [found] = reader.find(self.names.clone(), [&name], MAX_PLACES)?;
        let names: Vec<u32> = found
            .iter()
            .filter_map(|at| u32::try_from(at - self.names.start).ok())
            .collect();
        if names.is_empty() {
            return Ok(None);
        }
        let (mut pairs, mut functions) = (Cursor::default(), Cursor::default());
        let mut last = 0;
        for index in 0..self.functions {
            let pair = pairs.read(reader, self.pairs + 8 * index, self.end)?;
            let (Some(entry), Some(at)) = (u32_at(pair, 0), u32_at(pair, 4)) else {
                break;
            };
            // In the order that the linker wrote them in, so that reading forward is enough.
            if at < last {
                return Err(NoHook::Damaged("Go's table of functions is not in order"));
            }
            last = at;
            let function = functions.read(reader, self.pairs + u64::from(at), self.end)?;
            // `_func` begins with the entry once more, and the name's offset.
            let Some(name) = u32_at(function, 4) else {
                break;
            };
            if names.contains(&name) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

/// The address of a function of Go's so far behind the beginning of the code, if there is one: each begins by looking how
/// much stack is left.
fn function_at(reader: &Reader<'_>, elf: &Elf, text: u64, entry: u32) -> Result<Option<u64>, NoHook> {
    let address = text.wrapping_add(u64::from(entry));
    let Some((offset, left)) = elf.code_at(address) else {
        return Ok(None);
    };
    let code = reader.some(offset..offset.saturating_add(left.min(prologue::MAX_BYTES as u64)))?;
    Ok(prologue::is_go(elf.machine, &code).then_some(address))
}

/// Reads forward, a window at a time.
#[derive(Default)]
struct Cursor {
    at: u64,
    window: Vec<u8>,
}

impl Cursor {
    /// Eight bytes at `offset`, fewer at `end`.
    fn read(&mut self, reader: &Reader<'_>, offset: u64, end: u64) -> Result<&[u8], NoHook> {
        const WINDOW: u64 = 64 * 1024;
        let inside = |at: u64, window: &[u8]| offset >= at && offset + 8 <= at + window.len() as u64;
        if !inside(self.at, &self.window) {
            self.window = reader.some(offset..offset.saturating_add(WINDOW).min(end))?;
            self.at = offset;
        }
        let from = (offset - self.at) as usize;
        Ok(self
            .window
            .get(from..)
            .map_or(&[], |bytes| &bytes[..bytes.len().min(8)]))
    }
}

/// The version in build information that begins at `bytes` (`\xff Go buildinf:`): "1.26.3". Go 1.18 and later write it
/// there, before it is elsewhere.
pub(crate) fn version(bytes: &[u8]) -> Option<String> {
    const INLINE: u8 = 2;
    if bytes.get(15)? & INLINE == 0 {
        return None;
    }
    let length = usize::from(*bytes.get(32)?);
    let text = std::str::from_utf8(bytes.get(33..33 + length.min(127))?).ok()?;
    let version = text.strip_prefix("go").unwrap_or(text);
    let version = version.split_ascii_whitespace().next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    version.chars().all(plain).then(|| version.to_owned())
}
