//! The first instructions of a function, and which of them a uprobe is cheap on.
//!
//! The kernel puts a breakpoint in an instruction's place. What the instruction does is then either *emulated* in the
//! kernel, which costs some half of a microsecond, or the instruction is run elsewhere with a second trap behind it
//! (single-stepped), which costs twenty times as much. So a hook goes to the first instruction that is emulated, if the
//! function gets there on every call with its arguments where the caller put them. Nothing is guessed: where that cannot
//! be shown by decoding, there is no hook.

mod amd64;
mod arm64;

use std::fmt;

use shadow_common::HookKind;

use crate::machine::Machine;

/// Bytes of a function at most that are looked at for an instruction to hook. Those seen had it in the first 15.
pub(crate) const MAX_BYTES: usize = 64;

/// Why a function has no instruction to hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// An instruction writes where an argument is before there is one that the kernel emulates.
    ArgumentChanged,
    /// It returns or goes elsewhere before.
    Leaves,
    /// An instruction cannot be decoded, or (arm64) is not known to leave the arguments alone.
    Undecoded,
    /// None of its first instructions is emulated.
    NoneEmulated,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArgumentChanged => "its arguments change before an instruction that the kernel emulates",
            Self::Leaves => "it leaves before an instruction that the kernel emulates",
            Self::Undecoded => "its first instructions are not understood",
            Self::NoneEmulated => "the kernel emulates none of its first instructions",
        })
    }
}

/// How far behind its first byte the function that begins with `code` can be hooked cheaply.
pub(crate) fn hook(machine: Machine, kind: HookKind, code: &[u8]) -> Result<u64, Refusal> {
    let code = &code[..code.len().min(MAX_BYTES)];
    match machine {
        Machine::Amd64 => amd64::hook(kind, code),
        Machine::Arm64 => arm64::hook(kind, code),
    }
}

/// Whether `code` begins as Go's functions do: the stack's end is compared with the goroutine's.
pub(crate) fn is_go(machine: Machine, code: &[u8]) -> bool {
    match machine {
        Machine::Amd64 => amd64::is_go(code),
        Machine::Arm64 => arm64::is_go(code),
    }
}
