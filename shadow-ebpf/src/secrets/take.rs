//! One call at a probe: whether its process is selected, what its function was given, and what became of it.

use aya_ebpf::helpers::generated::{bpf_get_current_pid_tgid, bpf_ktime_get_ns, bpf_ringbuf_output};
use shadow_common::{HookKind, SecretCounter, SecretLabel, SecretRecord};

use crate::arguments::Arguments;
use crate::maps::{ANY_PROCESS, PROCESSES, SECRETS, STRANGERS, count};
use crate::worker::is_worker;

/// Takes the secret of a call, if it is one, and counts it.
#[inline(always)]
pub fn take(
    kind: HookKind,
    arguments: Arguments,
    read: impl FnOnce(Arguments, &mut SecretRecord) -> Result<(), SecretCounter>,
) {
    // SAFETY: a helper without arguments.
    let process = unsafe { bpf_get_current_pid_tgid() } >> 32;
    let process = process as u32;
    let mut record = SecretRecord::EMPTY;
    record.process = process;
    record.kind = kind as u32;
    if ANY_PROCESS.load() == 0 && PROCESSES.get_ptr(process).is_none() {
        tell_of_stranger(process, &mut record);
        if !is_worker() {
            count(SecretCounter::OtherProcess);
            return;
        }
    }
    match read(arguments, &mut record) {
        Ok(()) if emit(&mut record) => count(SecretCounter::Taken),
        Ok(()) => count(SecretCounter::RingFull),
        Err(counter) => count(counter),
    }
}

/// Tells the agent of a process that it may not know yet: a worker that was just started.
#[inline(always)]
fn tell_of_stranger(process: u32, record: &mut SecretRecord) {
    if STRANGERS.get_ptr(process).is_none() {
        let _ = STRANGERS.insert(process, 1, 0);
        record.label = SecretLabel::Stranger as u32;
        emit(record);
    }
}

/// Puts a record in the ring; whether there was room. It wakes the reader if that has read all others.
#[inline(always)]
fn emit(record: &mut SecretRecord) -> bool {
    // SAFETY: a helper without arguments.
    record.time = unsafe { bpf_ktime_get_ns() };
    let record = (&raw mut *record).cast();
    let ring = (&raw const SECRETS).cast_mut().cast();
    // SAFETY: a ring buffer, and as many bytes as a record has.
    unsafe { bpf_ringbuf_output(ring, record, size_of::<SecretRecord>() as u64, 0) == 0 }
}
