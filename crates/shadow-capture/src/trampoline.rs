//! The trampoline that a filter of clsact runs: a few instructions that jump to the program proper, while its agent lives.
//!
//! A filter keeps its program after the agent was killed, and with it every map that the program uses, rings of many
//! megabytes among them. So the filter gets a program of its own that knows only an array of programs. The kernel
//! empties such an array when the last process that has it open is gone (`map_release_uref`, kernel/bpf/arraymap.c): then
//! programs, maps and rings go, and the jump falls through to "next, please".

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use aya::maps::{Map, MapData, ProgramArray};
use aya::programs::ProgramFd;

use super::error::CaptureError;

/// linux/bpf.h: `BPF_PROG_LOAD`, `BPF_MAP_TYPE_PROG_ARRAY`, `BPF_PROG_TYPE_SCHED_CLS`.
const BPF_PROG_LOAD: libc::c_long = 5;
const PROGRAM_ARRAY: u32 = 3;
const CLASSIFIER: u32 = 3;

/// The kernel gives up a load when a signal comes in the midst of it.
const TRIES: u32 = 5;

/// The array, and one program for each of its entries. The entries last as long as this.
pub struct Trampolines {
    _programs: ProgramArray<MapData>,
    jumps: Vec<OwnedFd>,
}

impl Trampolines {
    /// Makes those that lead to these programs.
    pub fn new(programs: &[&ProgramFd]) -> Result<Self, CaptureError> {
        let refused = |source| CaptureError::Map {
            map: "PROGRAMS",
            source,
        };
        let map = aya_obj::Map::new_from_params(PROGRAM_ARRAY, 4, 4, programs.len() as u32, 0);
        let map = MapData::create(map, "PROGRAMS", None).map_err(refused)?;
        let jumps = (0..programs.len() as u32)
            .map(|index| load(&jump_to(index, map.fd().as_fd())))
            .collect::<io::Result<_>>()
            .map_err(|source| CaptureError::Trampoline { source })?;
        let mut array = ProgramArray::try_from(Map::ProgramArray(map)).map_err(refused)?;
        for (index, program) in programs.iter().enumerate() {
            array.set(index as u32, program, 0).map_err(refused)?;
        }
        Ok(Self {
            _programs: array,
            jumps,
        })
    }

    /// The program that jumps to this entry.
    pub fn to(&self, index: usize) -> Option<BorrowedFd<'_>> {
        self.jumps.get(index).map(AsFd::as_fd)
    }
}

/// An instruction: linux/bpf.h, `struct bpf_insn`.
type Instruction = [u8; 8];

/// `bpf_tail_call(packet, array, index)`, and behind it, for when there is nothing to jump to, `TC_ACT_UNSPEC`.
fn jump_to(index: u32, array: BorrowedFd<'_>) -> [Instruction; 6] {
    const PACKET_OR_RESULT: u8 = 0;
    const ARRAY_FROM_DESCRIPTOR: u8 = 2 | 1 << 4;
    const INDEX: u8 = 3;
    const TAIL_CALL: i32 = 12;
    let instruction = |code: u8, registers: u8, value: i32| {
        let mut bytes = [code, registers, 0, 0, 0, 0, 0, 0];
        bytes[4..].copy_from_slice(&value.to_ne_bytes());
        bytes
    };
    [
        // A load of 64 bits takes two.
        instruction(0x18, ARRAY_FROM_DESCRIPTOR, array.as_raw_fd()),
        instruction(0, 0, 0),
        instruction(0xb7, INDEX, index.cast_signed()),
        instruction(0x85, PACKET_OR_RESULT, TAIL_CALL),
        instruction(0xb7, PACKET_OR_RESULT, -1),
        instruction(0x95, PACKET_OR_RESULT, 0),
    ]
}

/// The part of `union bpf_attr` that `BPF_PROG_LOAD` reads; what is not given is zero.
#[repr(C)]
struct Load {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

/// Loads a classifier.
#[allow(unsafe_code, reason = "the library loads programs from objects only")]
fn load(code: &[Instruction]) -> io::Result<OwnedFd> {
    let mut request = Load {
        kind: CLASSIFIER,
        instructions: code.len() as u32,
        code: code.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: *b"shadow_jump\0\0\0\0\0",
    };
    let mut tries = TRIES;
    loop {
        // SAFETY: the kernel reads `size_of::<Load>()` bytes of `request` and, through it, `code` and the license, which outlive the
        // call; it writes nothing, for there is no log.
        let result =
            unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw mut request, size_of::<Load>()) };
        if result >= 0 {
            // SAFETY: the kernel has just opened this descriptor for us alone. It is close-on-exec, as all of bpf(2) are.
            return Ok(unsafe { OwnedFd::from_raw_fd(result as i32) });
        }
        let error = io::Error::last_os_error();
        tries -= 1;
        if tries == 0 || error.raw_os_error() != Some(libc::EAGAIN) {
            return Err(error);
        }
    }
}
