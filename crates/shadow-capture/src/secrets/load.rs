//! Puts the probe into the kernel: the embedded object, its maps, and a program for each kind of function.

use std::collections::{HashMap as Table, HashSet};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray};
use aya::util::KernelVersion;
use aya_obj::{EbpfSectionKind, Object};
use shadow_common::{HookKind, SECRET_COUNTERS};

use super::bpf::{self, Program, ProgramKind};
use super::task_offsets::TaskOffsets;
use crate::error::CaptureError;
use crate::load::{kernel_is_at_least, last_lines, missing, page_size};
use crate::locked_memory;
use crate::ring::Ring;

/// The probe, built from `shadow-ebpf` by `cargo xtask build-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../shadow-secrets.o");

/// Bytes of the ring: 1,560 secrets, which a server makes in a third of a second at 5,000 handshakes a second; the reader
/// is woken by the first.
const RING_BYTES: u32 = 256 * 1024;

/// The kernel attaches probes by `uprobe_multi` (commit 89ae89f53d20), without `CAP_SYS_ADMIN`.
const MULTI: KernelVersion = KernelVersion::new(6, 6, 0);

/// The probe in the kernel, attached to nothing.
pub struct Loaded {
    pub programs: Programs,
    pub ring: Ring,
    pub processes: HashMap<MapData, u32, u32>,
    pub strangers: HashMap<MapData, u32, u32>,
    pub counts: PerCpuArray<MapData, [u64; SECRET_COUNTERS]>,
}

/// The programs, by the kind of function.
pub struct Programs {
    kind: ProgramKind,
    programs: Vec<(HookKind, OwnedFd)>,
}

impl Programs {
    /// How they are attached.
    pub fn kind(&self) -> ProgramKind {
        self.kind
    }

    /// The program for a kind of function.
    pub fn get(&self, hook: HookKind) -> Option<BorrowedFd<'_>> {
        let program = self.programs.iter().find(|(kind, _)| *kind == hook);
        program.map(|(_, program)| program.as_fd())
    }
}

/// How probes are attached on this kernel.
pub fn kind_of_this_kernel() -> ProgramKind {
    if kernel_is_at_least(MULTI) {
        ProgramKind::Multi
    } else {
        ProgramKind::Perf
    }
}

/// Loads everything. `any_process`: probes will be attached to processes one by one, and none is to be told by its number.
pub fn load(kind: ProgramKind, any_process: bool) -> Result<Loaded, CaptureError> {
    let offsets = TaskOffsets::of_this_kernel();
    let loaded = load_with(kind, any_process, offsets);
    match loaded {
        // A kernel that is locked down lets no program read its memory (`LOCKDOWN_BPF_READ_KERNEL`).
        Err(CaptureError::Verifier { .. }) if offsets.is_some() => load_with(kind, any_process, None),
        loaded => loaded,
    }
}

/// The same with what is known of the kernel's tasks.
fn load_with(
    kind: ProgramKind,
    any_process: bool,
    offsets: Option<TaskOffsets>,
) -> Result<Loaded, CaptureError> {
    let mut object = Object::parse(OBJECT).map_err(|error| CaptureError::Load { source: error.into() })?;
    let constants = constants(any_process, offsets);
    let constants: Table<&str, (&[u8], bool)> = constants
        .iter()
        .map(|(name, value)| (*name, (&value[..], true)))
        .collect();
    object
        .patch_map_data(constants)
        .map_err(|error| CaptureError::Load { source: error.into() })?;

    let mut maps = make_maps(&mut object)?;
    let programs = load_programs(&mut object, kind, &maps)?;
    let mut take = |name: &'static str| maps.remove(name).ok_or_else(|| missing(name));
    let refused = |map| move |source| CaptureError::Map { map, source };
    let ring = take("SECRETS")?.fd().as_fd().try_clone_to_owned();
    let ring = ring.and_then(|file| Ring::map(file, page_size() as usize, RING_BYTES as usize));
    Ok(Loaded {
        programs,
        ring: ring.map_err(|error| refused("SECRETS")(MapError::IoError(error)))?,
        processes: Map::HashMap(take("PROCESSES")?)
            .try_into()
            .map_err(refused("PROCESSES"))?,
        strangers: Map::LruHashMap(take("STRANGERS")?)
            .try_into()
            .map_err(refused("STRANGERS"))?,
        counts: Map::PerCpuArray(take("SECRET_COUNTS")?)
            .try_into()
            .map_err(refused("SECRET_COUNTS"))?,
    })
}

/// The constants of the programs.
fn constants(any_process: bool, offsets: Option<TaskOffsets>) -> [(&'static str, [u8; 4]); CONSTANTS / 4] {
    let of = |member: fn(&TaskOffsets) -> u32| offsets.as_ref().map_or(0, member);
    [
        ("ARM64", u32::from(cfg!(target_arch = "aarch64"))),
        ("ANY_PROCESS", u32::from(any_process)),
        ("REAL_PARENT", of(|offsets| offsets.real_parent)),
        ("TGID", of(|offsets| offsets.tgid)),
        ("MM", of(|offsets| offsets.mm)),
        ("EXE_FILE", of(|offsets| offsets.exe_file)),
        ("F_INODE", of(|offsets| offsets.f_inode)),
    ]
    .map(|(name, value)| (name, value.to_ne_bytes()))
}

/// Makes the object's maps, that of constants filled and frozen.
fn make_maps(object: &mut Object) -> Result<Table<String, MapData>, CaptureError> {
    let mut made = Table::new();
    for (name, map) in &mut object.maps {
        if name == "SECRETS" {
            map.set_max_entries(RING_BYTES);
        }
        let constants = (map.section_kind() == EbpfSectionKind::Rodata).then(|| map.data().to_vec());
        let data = MapData::create(map.clone(), short(name), None).map_err(refused)?;
        let data = match constants {
            Some(constants) => fill(data, &constants)?,
            None => data,
        };
        made.insert(name.clone(), data);
    }
    Ok(made)
}

/// Names of maps as the kernel takes them.
fn short(name: &str) -> &str {
    let name = name.trim_start_matches('.');
    name.get(..15).unwrap_or(name)
}

/// Writes the constants, and lets nobody change them any more.
fn fill(data: MapData, constants: &[u8]) -> Result<MapData, CaptureError> {
    let failed = |source| CaptureError::Map {
        map: "constants",
        source,
    };
    let value: [u8; CONSTANTS] = constants.try_into().map_err(|_| missing("constants"))?;
    let descriptor = data.fd().as_fd().try_clone_to_owned();
    let descriptor = descriptor.map_err(|error| failed(MapError::IoError(error)))?;
    let mut array: Array<_, [u8; CONSTANTS]> = Map::Array(data).try_into().map_err(failed)?;
    array.set(0, value, 0).map_err(failed)?;
    bpf::freeze(descriptor.as_fd()).map_err(|error| failed(MapError::IoError(error)))?;
    MapData::from_fd(descriptor).map_err(failed)
}

/// Bytes of all constants: seven words.
const CONSTANTS: usize = 28;

/// Loads a program for each kind of function.
fn load_programs(
    object: &mut Object,
    kind: ProgramKind,
    maps: &Table<String, MapData>,
) -> Result<Programs, CaptureError> {
    let relocated =
        |error: aya_obj::relocation::EbpfRelocationError| CaptureError::Load { source: error.into() };
    let text: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    let definitions = object.maps.clone();
    let places: Vec<(&str, RawFd, &aya_obj::Map)> = definitions
        .iter()
        .filter_map(|(name, map)| Some((name.as_str(), maps.get(name)?.fd().as_fd().as_raw_fd(), map)))
        .collect();
    object
        .relocate_maps(places.into_iter(), &text)
        .map_err(relocated)?;
    object.relocate_calls(&text).map_err(relocated)?;

    let programs = HookKind::ALL.into_iter().map(|hook| -> Result<_, CaptureError> {
        let name = program_name(hook, kind);
        let program = object.programs.get(name).ok_or_else(|| missing(name))?;
        let function = object.functions.get(&program.function_key());
        let license: CString = program.license.clone();
        let loaded = bpf::load(&Program {
            name,
            instructions: &function.ok_or_else(|| missing(name))?.instructions,
            license: &license,
            kind,
        });
        let program = loaded.map_err(|(source, log)| CaptureError::Verifier {
            program: name,
            source,
            log: last_lines(&log),
        })?;
        Ok((hook, program))
    });
    Ok(Programs {
        kind,
        programs: programs.collect::<Result<_, _>>()?,
    })
}

/// Names of programs in the object.
fn program_name(hook: HookKind, kind: ProgramKind) -> &'static str {
    match (hook, kind) {
        (HookKind::OpenSslKdf, ProgramKind::Multi) => "openssl_kdf_s",
        (HookKind::OpenSslKdf, ProgramKind::Perf) => "openssl_kdf",
        (HookKind::KeyLogHelper, ProgramKind::Multi) => "key_log_s",
        (HookKind::KeyLogHelper, ProgramKind::Perf) => "key_log",
        (HookKind::GoKeyLog, ProgramKind::Multi) => "go_key_log_s",
        (HookKind::GoKeyLog, ProgramKind::Perf) => "go_key_log",
        (HookKind::AwsLcHkdf, ProgramKind::Multi) => "aws_lc_hkdf_s",
        (HookKind::AwsLcHkdf, ProgramKind::Perf) => "aws_lc_hkdf",
        (HookKind::AwsLcPrf, ProgramKind::Multi) => "aws_lc_prf_s",
        (HookKind::AwsLcPrf, ProgramKind::Perf) => "aws_lc_prf",
    }
}

/// A failure to make a map, told by its cause where that is known.
fn refused(error: MapError) -> CaptureError {
    let wanted = u64::from(RING_BYTES);
    match error {
        MapError::CreateError { io_error, .. }
            if let Some(limit) = locked_memory::to_blame(&io_error, wanted) =>
        {
            CaptureError::LockedMemory { limit, wanted }
        }
        MapError::CreateError { io_error, .. } if io_error.kind() == std::io::ErrorKind::PermissionDenied => {
            CaptureError::BpfRefused { source: io_error }
        }
        source => CaptureError::Load {
            source: source.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs of both kinds are what this kernel's verifier takes. As root only.
    #[test]
    fn the_kernel_takes_the_probe() {
        if !crate::capabilities::missing().is_empty() {
            return;
        }
        locked_memory::raise();
        for kind in [ProgramKind::Perf, kind_of_this_kernel()] {
            for any_process in [false, true] {
                for offsets in [None, TaskOffsets::of_this_kernel()] {
                    let loaded = load_with(kind, any_process, offsets);
                    let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
                    assert_eq!(loaded.programs.programs.len(), HookKind::ALL.len());
                }
            }
        }
    }
}
