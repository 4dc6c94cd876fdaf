//! Whether a process that the agent does not know yet is a worker: started by a selected process, and running the same file,
//! as the agent judges as well. Its first handshake comes before the agent can have looked.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_get_current_task, bpf_probe_read_kernel};

use crate::maps::{EXE_FILE, F_INODE, MM, PROCESSES, REAL_PARENT, TGID};

/// Whether the current process is one. `false` where the kernel does not say how its tasks are laid out. Current task: Linux
/// 4.8; reading of kernel memory: 5.5.
#[inline(always)]
pub fn is_worker() -> bool {
    // Known to the verifier: without it, nothing below is there.
    if REAL_PARENT.load() == 0 {
        return false;
    }
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    let Some(parent) = pointer(task, REAL_PARENT.load()) else {
        return false;
    };
    let mut number = 0_u32;
    if !read(parent, TGID.load(), &mut number) || PROCESSES.get_ptr(number).is_none() {
        return false;
    }
    let own = program(task);
    own.is_some() && own == program(parent)
}

/// The inode of the file that a task runs.
#[inline(always)]
fn program(task: u64) -> Option<u64> {
    let memory = pointer(task, MM.load())?;
    let file = pointer(memory, EXE_FILE.load())?;
    pointer(file, F_INODE.load())
}

/// The pointer at an offset in a structure of the kernel, unless it is none.
#[inline(always)]
fn pointer(structure: u64, offset: u32) -> Option<u64> {
    let mut value = 0_u64;
    (read(structure, offset, &mut value) && value != 0).then_some(value)
}

/// Reads a word of the kernel's memory; whether it could be read.
#[inline(always)]
fn read<T: Copy>(structure: u64, offset: u32, value: &mut T) -> bool {
    let from = (structure + u64::from(offset)) as *const c_void;
    // SAFETY: a word is as long as that; the helper checks the address.
    unsafe { bpf_probe_read_kernel((&raw mut *value).cast(), size_of::<T>() as u32, from) == 0 }
}
