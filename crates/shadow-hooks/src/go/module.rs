//! Where the code of Go's functions begins, as the runtime's description of the module says (`moduledata` in
//! `runtime/symtab.go`).
//!
//! Needed where C code was linked in before Go's. The description begins with the address of the table of functions; in an
//! executable that may be loaded anywhere that address, and what follows, is in relocations.

use crate::NoHook;
use crate::elf::Elf;
use crate::image::{Reader, u64_at};
use crate::machine::Machine;

/// Where in the description the beginning of the code stands: behind one pointer, six slices, and three addresses. The same
/// since Go 1.18.
const TEXT: u64 = 176;

/// Places at most that may be a description: what begins with the table's address.
const MAX_PLACES: usize = 16;

/// Bytes of a relocation with an addend: place, kind, addend.
const RELOCATION_BYTES: u64 = 24;

/// Where the code may begin, of the module whose table of functions is mapped at `table`.
pub(super) fn texts(reader: &Reader<'_>, elf: &Elf, table: u64) -> Result<Vec<u64>, NoHook> {
    let mut texts = Vec::new();
    for range in elf.loaded(|segment| !segment.executable) {
        let [places] = reader.find(range, [&table.to_le_bytes()], MAX_PLACES)?;
        for place in places {
            let text = reader.some(place.saturating_add(TEXT)..place.saturating_add(TEXT + 8))?;
            texts.extend(u64_at(&text, 0));
        }
    }
    let modules = relocated(reader, elf, |_, addend| (addend == table).then_some(()))?;
    let places: Vec<u64> = modules
        .iter()
        .map(|(place, ())| place.wrapping_add(TEXT))
        .collect();
    let relocated = relocated(reader, elf, |place, addend| {
        places.contains(&place).then_some(addend)
    })?;
    texts.extend(relocated.into_iter().map(|(_, text)| text));
    Ok(texts)
}

/// The places that `wanted` takes of those at which an address is put when the file is loaded, with what it makes of place
/// and address.
fn relocated<T>(
    reader: &Reader<'_>,
    elf: &Elf,
    wanted: impl Fn(u64, u64) -> Option<T>,
) -> Result<Vec<(u64, T)>, NoHook> {
    let kind = match elf.machine {
        // R_X86_64_RELATIVE, R_AARCH64_RELATIVE.
        Machine::Amd64 => 8,
        Machine::Arm64 => 1027,
    };
    let mut found = Vec::new();
    let Some(section) = elf.section(".rela.dyn") else {
        return Ok(found);
    };
    reader.entries(section.file.clone(), RELOCATION_BYTES, |entry| {
        let (Some(place), Some(info), Some(addend)) = (u64_at(entry, 0), u64_at(entry, 8), u64_at(entry, 16))
        else {
            return;
        };
        if info == kind
            && found.len() < MAX_PLACES
            && let Some(wanted) = wanted(place, addend)
        {
            found.push((place, wanted));
        }
    })?;
    Ok(found)
}
