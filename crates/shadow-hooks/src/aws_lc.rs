//! AWS-LC's functions in an executable without symbols, found by who refers to the names of their source files.
//!
//! Each error of AWS-LC is told with the name of the file that it comes from, and each failed assertion too, so the code of
//! `HKDF_expand` and of the PRF of TLS 1.2 loads the address of such a name. The function begins before that: where a call leads
//! to, and decoding leads on to the load. Of several in a file, `HKDF_expand` is the one that can say that too much is asked for.
//!
//! amd64 alone: on arm64 an address is loaded in two instructions, and nobody could try it.

use std::collections::HashMap;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};
use memchr::memmem;
use shadow_common::HookKind;

use crate::NoHook;
use crate::elf::Elf;
use crate::image::Reader;
use crate::machine::Machine;

/// Names of source files as C has them, from the library's folder on: what stands before is the builder's.
const FILES: [&[u8]; 2] = [
    b"/aws-lc/crypto/fipsmodule/hkdf/hkdf.c\0",
    b"/aws-lc/crypto/fipsmodule/tls/kdf.c\0",
];

/// Hooks and names of what is looked for in each of the files.
const FUNCTIONS: [(HookKind, &str); 2] = [
    (HookKind::AwsLcHkdf, "HKDF_expand"),
    (HookKind::AwsLcPrf, "PRF of TLS 1.2"),
];

/// Places at most where one name stands, and loads of it.
const MAX_PLACES: usize = 32;

/// Bytes at most of a name, with what stands before the library's folder.
const MAX_NAME: u64 = 512;

/// `lea rcx, [rip+n]`: the fourth argument of `ERR_put_error`, and of musl's `__assert_fail`; glibc has it second.
const LEAS: [&[u8]; 2] = [&[0x48, 0x8d, 0x0d], &[0x48, 0x8d, 0x35]];

/// Bytes of a load.
const LEA_BYTES: usize = 7;

/// Reasons of errors, as the third argument: `mov edx, n`, or `push n; pop rdx`. The first is `HKDF_expand`'s alone. The second,
/// of digests that cannot be used, is for where a compiler has cut the first off into a function that is jumped to; there are
/// others with it, of which nothing is taken since they are given no label.
const REASONS: [[&[u8]; 2]; 2] = [
    [&[0xba, 100, 0, 0, 0], &[0x6a, 100, 0x5a]],
    [&[0xba, 101, 0, 0, 0], &[0x6a, 101, 0x5a]],
];

/// Bytes before and behind a load in which the other arguments are.
const ARGUMENTS: u64 = 32;

/// Bytes at most from the beginning of a function to the load.
const MAX_FUNCTION: u64 = 4096;

/// Bytes at least from where decoding begins to where a function is believed to begin: it falls into step within these,
/// wherever it began.
const MIN_LEAD: u64 = 64;

/// Starts of decoding at most that must agree.
const LEADS: usize = 4;

/// Calls at most that are looked at for one load.
const MAX_TARGETS: usize = 128;

/// A function that was found.
pub(crate) struct Found {
    pub(crate) kind: HookKind,
    pub(crate) name: &'static str,
    pub(crate) address: u64,
}

/// The functions that secrets go through, in code of `elf`.
pub(crate) fn functions(reader: &Reader<'_>, elf: &Elf) -> Result<Vec<Found>, NoHook> {
    if elf.machine != Machine::Amd64 {
        return Ok(Vec::new());
    }
    let names = names(reader, elf)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let loads = loads(reader, elf, &names)?;
    if loads.is_empty() {
        return Ok(Vec::new());
    }
    let mut targets = targets(reader, elf, &loads)?;
    for targets in &mut targets {
        targets.sort_unstable();
        targets.dedup();
    }
    let mut found: Vec<Found> = Vec::new();
    let wanted: [&dyn Fn(&Load) -> bool; 3] = [
        &|load| load.file == 1,
        &|load| load.file == 0 && has_reason(reader, elf, load.address, REASONS[0]),
        &|load| load.file == 0 && has_reason(reader, elf, load.address, REASONS[1]),
    ];
    for (index, wanted) in wanted.iter().enumerate() {
        if index == 2 && found.iter().any(|found| found.kind == HookKind::AwsLcHkdf) {
            break;
        }
        for (load, targets) in loads.iter().zip(&targets).filter(|(load, _)| wanted(load)) {
            let Some(address) = beginning(reader, elf, load.address, targets)? else {
                continue;
            };
            let (kind, name) = FUNCTIONS[load.file];
            if found.iter().all(|known| known.address != address) {
                found.push(Found { kind, name, address });
            }
        }
    }
    Ok(found)
}

/// Addresses of the names, each with which of [`FILES`] it is.
fn names(reader: &Reader<'_>, elf: &Elf) -> Result<HashMap<u64, usize>, NoHook> {
    let mut names = HashMap::new();
    for range in elf.loaded(|_| true) {
        for (file, places) in reader.find(range, FILES, MAX_PLACES)?.iter().enumerate() {
            for place in places {
                let from = place.saturating_sub(MAX_NAME);
                let before = reader.exact(from..*place)?;
                let length = memchr::memrchr(0, &before).map_or(0, |nul| before.len() - nul - 1);
                let begins = [*place, place - length as u64];
                names.extend(begins.iter().filter_map(|at| Some((elf.address_of(*at)?, file))));
            }
        }
    }
    Ok(names)
}

/// An instruction that loads the address of a name.
struct Load {
    address: u64,
    file: usize,
}

fn loads(reader: &Reader<'_>, elf: &Elf, names: &HashMap<u64, usize>) -> Result<Vec<Load>, NoHook> {
    let finders = LEAS.map(memmem::Finder::new);
    let mut loads: Vec<Load> = Vec::new();
    for range in elf.loaded(|segment| segment.executable) {
        reader.windows(range, LEA_BYTES - 1, |offset, bytes, own| {
            let Some(start) = elf.code_address(offset) else {
                return Ok(());
            };
            for at in finders.iter().flat_map(|finder| finder.find_iter(bytes)) {
                let address = start.wrapping_add(at as u64);
                let target = relative(bytes, at + 3).map(|n| after(address, LEA_BYTES, n));
                if let Some(file) = target.and_then(|target| names.get(&target))
                    && at < own
                    && loads.len() < MAX_PLACES
                {
                    loads.push(Load { address, file: *file });
                }
            }
            Ok(())
        })?;
    }
    Ok(loads)
}

/// Whether the error of this load has such a reason.
fn has_reason(reader: &Reader<'_>, elf: &Elf, load: u64, reason: [&[u8]; 2]) -> bool {
    let Some((offset, left)) = elf.code_at(load) else {
        return false;
    };
    let around = offset.saturating_sub(ARGUMENTS)..offset + left.min(ARGUMENTS);
    let code = reader.some(around).unwrap_or_default();
    reason.iter().any(|bytes| memmem::find(&code, bytes).is_some())
}

/// Where calls lead to that lead to somewhere soon before each load.
fn targets(reader: &Reader<'_>, elf: &Elf, loads: &[Load]) -> Result<Vec<Vec<u64>>, NoHook> {
    const CALL: usize = 5;
    let mut targets = vec![Vec::new(); loads.len()];
    for range in elf.loaded(|segment| segment.executable) {
        reader.windows(range, CALL - 1, |offset, bytes, own| {
            let Some(start) = elf.code_address(offset) else {
                return Ok(());
            };
            for at in memchr::memchr_iter(0xe8, bytes).take_while(|at| *at < own) {
                let Some(distance) = relative(bytes, at + 1) else {
                    break;
                };
                let target = after(start.wrapping_add(at as u64), CALL, distance);
                for (load, targets) in loads.iter().zip(&mut targets) {
                    let is_before = target <= load.address && load.address - target < MAX_FUNCTION;
                    if is_before && targets.len() < MAX_TARGETS {
                        targets.push(target);
                    }
                }
            }
            Ok(())
        })?;
    }
    Ok(targets)
}

/// The last of `targets`, which are in order, that a function begins at and from which decoding leads to `load`. What looks
/// like a call need not be one, so decoding from before must lead there too, and to the end of what is before.
fn beginning(reader: &Reader<'_>, elf: &Elf, load: u64, targets: &[u64]) -> Result<Option<u64>, NoHook> {
    let Some(first) = targets.first() else {
        return Ok(None);
    };
    let Some((offset, _)) = elf.code_at(*first).filter(|(_, left)| *left > load - first) else {
        return Ok(None);
    };
    let code = Code {
        address: *first,
        bytes: reader.exact(offset..offset + (load - first))?,
    };
    let begins = |index: usize| {
        let target = targets[index];
        let leads = targets[..index]
            .iter()
            .rev()
            .filter(|lead| target - **lead >= MIN_LEAD);
        let mut leads = leads.take(LEADS).peekable();
        leads.peek().is_some()
            && code.way(target, load).is_some_and(|way| !way.passes_padding)
            && leads.all(|lead| code.way(*lead, target).is_some_and(|way| ends(&way.last)))
    };
    Ok((0..targets.len())
        .rev()
        .find(|index| begins(*index))
        .map(|index| targets[index]))
}

/// The code before a load.
struct Code {
    address: u64,
    bytes: Vec<u8>,
}

/// Instructions one behind the other.
struct Way {
    last: Instruction,
    /// Whether `int3` was among them, which stands between functions.
    passes_padding: bool,
}

impl Code {
    /// The instructions from `from` on, if they lead to `to`.
    fn way(&self, from: u64, to: u64) -> Option<Way> {
        let within = |address: u64| usize::try_from(address - self.address).ok();
        let bytes = self.bytes.get(within(from)?..within(to)?)?;
        let mut decoder = Decoder::with_ip(64, bytes, from, DecoderOptions::NONE);
        let (mut last, mut passes_padding) = (Instruction::default(), false);
        while decoder.can_decode() {
            decoder.decode_out(&mut last);
            if last.is_invalid() {
                return None;
            }
            passes_padding |= last.mnemonic() == Mnemonic::Int3;
        }
        (!bytes.is_empty()).then_some(Way { last, passes_padding })
    }
}

/// Whether a function may end with this: it goes elsewhere, calls what never comes back, or is padding.
fn ends(last: &Instruction) -> bool {
    !matches!(
        last.flow_control(),
        FlowControl::Next | FlowControl::ConditionalBranch
    ) || last.mnemonic() == Mnemonic::Nop
}

fn relative(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Where an instruction of so many bytes at `address` leads to.
fn after(address: u64, length: usize, distance: i32) -> u64 {
    address
        .wrapping_add(length as u64)
        .wrapping_add_signed(i64::from(distance))
}

#[cfg(test)]
#[path = "aws_lc_tests.rs"]
pub(crate) mod tests;
