//! System calls that the library has none for: programs that `uprobe_multi` takes, and attaching to functions of user space.
//!
//! Layouts: `union bpf_attr` (`linux/bpf.h`), `struct perf_event_attr` (`linux/perf_event.h`).
#![allow(
    unsafe_code,
    reason = "aya sets no attach type on probes, and attaches none by uprobe_multi"
)]
#![allow(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "descriptors are no less than 0, and the kernel's characters are signed on some architectures"
)]

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use aya_obj::generated::{
    BPF_F_SLEEPABLE, bpf_attach_type, bpf_attr, bpf_cmd, bpf_insn, bpf_prog_type, perf_event_attr,
};

/// Bytes of the verifier's log that are kept.
const LOG_BYTES: usize = 64 * 1024;

/// Statistics and what is wrong, in the verifier's log (`BPF_LOG_STATS`).
const LOG_LEVEL: u32 = 4;

/// `PERF_EVENT_IOC_SET_BPF` and `PERF_EVENT_IOC_ENABLE`.
const SET_BPF: libc::c_ulong = 0x4004_2408;
const ENABLE: libc::c_ulong = 0x2400;

/// Closes the descriptor when a program is run.
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

/// The number of the kind of events that are functions of user space.
const UPROBE_TYPE: &str = "/sys/bus/event_source/devices/uprobe/type";

/// A program as the kernel is asked to load it.
pub struct Program<'a> {
    pub name: &'a str,
    pub instructions: &'a [bpf_insn],
    pub license: &'a CStr,
    pub kind: ProgramKind,
}

/// How a program will be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramKind {
    /// By `uprobe_multi` (Linux 6.6), and may sleep.
    Multi,
    /// By a perf event, and may not.
    Perf,
}

/// Loads a program; with the verifier's log where it is refused.
pub fn load(program: &Program<'_>) -> Result<OwnedFd, (io::Error, String)> {
    let mut log = vec![0_u8; LOG_BYTES];
    let mut attr = empty();
    // SAFETY: this member is for BPF_PROG_LOAD; all of the union is zero.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    for (to, from) in load.prog_name.iter_mut().zip(program.name.bytes().take(15)) {
        *to = from as libc::c_char;
    }
    load.prog_type = bpf_prog_type::BPF_PROG_TYPE_KPROBE as u32;
    if program.kind == ProgramKind::Multi {
        load.expected_attach_type = bpf_attach_type::BPF_TRACE_UPROBE_MULTI as u32;
        load.prog_flags = BPF_F_SLEEPABLE;
    }
    load.insns = program.instructions.as_ptr() as u64;
    load.insn_cnt = program.instructions.len() as u32;
    load.license = program.license.as_ptr() as u64;
    load.log_level = LOG_LEVEL;
    load.log_buf = log.as_mut_ptr() as u64;
    load.log_size = log.len() as u32;
    descriptor(bpf_cmd::BPF_PROG_LOAD, &mut attr).map_err(|error| {
        let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
        (error, String::from_utf8_lossy(&log[..end]).into_owned())
    })
}

/// Lets nobody change a map any more, so that the verifier knows what is in it.
pub fn freeze(map: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = empty();
    attr.__bindgen_anon_2.map_fd = map.as_raw_fd() as u32;
    bpf(bpf_cmd::BPF_MAP_FREEZE, &mut attr).map(drop)
}

/// Attaches a program at an offset in a file, in all processes that have it mapped or will; or in one alone, and not in
/// its children. Closing what this gives detaches it.
pub fn attach(
    kind: ProgramKind,
    program: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    process: Option<u32>,
) -> io::Result<OwnedFd> {
    // The file itself, whatever has become of its name, and whichever mount namespace that is of.
    let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    match kind {
        ProgramKind::Multi => attach_multi(program, &path, offset, process),
        ProgramKind::Perf => attach_perf(program, &path, offset, process),
    }
}

fn attach_multi(
    program: BorrowedFd<'_>,
    path: &CStr,
    offset: u64,
    process: Option<u32>,
) -> io::Result<OwnedFd> {
    let mut attr = empty();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.attach_type = bpf_attach_type::BPF_TRACE_UPROBE_MULTI as u32;
    // SAFETY: this member is for links of that type; all of the union is zero.
    let multi = unsafe { &mut attr.link_create.__bindgen_anon_3.uprobe_multi };
    multi.path = path.as_ptr() as u64;
    multi.offsets = (&raw const offset) as u64;
    multi.cnt = 1;
    multi.pid = process.unwrap_or(0);
    descriptor(bpf_cmd::BPF_LINK_CREATE, &mut attr)
}

fn attach_perf(
    program: BorrowedFd<'_>,
    path: &CStr,
    offset: u64,
    process: Option<u32>,
) -> io::Result<OwnedFd> {
    let number = fs::read_to_string(UPROBE_TYPE)?;
    // SAFETY: a structure of numbers, of which any are a value.
    let mut attr = unsafe { std::mem::zeroed::<perf_event_attr>() };
    attr.size = size_of::<perf_event_attr>() as u32;
    attr.type_ = number.trim().parse().map_err(io::Error::other)?;
    attr.__bindgen_anon_3.config1 = path.as_ptr() as u64;
    attr.__bindgen_anon_4.config2 = offset;
    // All processes, or one; the processor is only where the event would be counted, the program runs wherever it is hit.
    let (process, cpu) = match process {
        Some(process) => (libc::pid_t::try_from(process).map_err(io::Error::other)?, -1),
        None => (-1, 0),
    };
    // SAFETY: the kernel reads the attributes and the path, both of which outlive the call.
    let event = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            process,
            cpu,
            -1,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    let event = owned(event)?;
    for (request, argument) in [(SET_BPF, program.as_raw_fd()), (ENABLE, 0)] {
        // SAFETY: both take a number.
        if unsafe { libc::ioctl(event.as_raw_fd(), request as libc::Ioctl, argument) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(event)
}

fn empty() -> bpf_attr {
    // SAFETY: a union of structures of numbers, of which any are a value.
    unsafe { std::mem::zeroed() }
}

fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<libc::c_long> {
    // SAFETY: the kernel reads and writes no more than the size that it is told, and what the attributes point to outlives
    // the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_uint,
            &raw mut *attr,
            size_of::<bpf_attr>() as libc::c_uint,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

fn descriptor(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    bpf(command, attr).and_then(owned)
}

fn owned(descriptor: libc::c_long) -> io::Result<OwnedFd> {
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    let descriptor = libc::c_int::try_from(descriptor).map_err(io::Error::other)?;
    // SAFETY: the call gave a new descriptor, which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
