//! Capabilities that the process needs for taking secrets.

use std::fs;

use caps::Capability;
use shadow_core::privileges;

use super::bpf::ProgramKind;
use super::follower::Held;
use crate::capabilities::to_use_maps;
use crate::error::CaptureError;

/// The inode of the initial PID namespace (`PROC_PID_INIT_INO`, `linux/proc_ns.h`).
const INITIAL: &str = "pid:[4026531836]";

/// To look at processes of other users, and at files that are no longer where they were.
const TO_LOOK: [Capability; 3] = [
    Capability::CAP_SYS_PTRACE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_CHECKPOINT_RESTORE,
];

/// Capabilities that the thread that follows processes may keep.
const RESERVE: [Capability; 5] = [
    Capability::CAP_BPF,
    Capability::CAP_PERFMON,
    TO_LOOK[0],
    TO_LOOK[1],
    TO_LOOK[2],
];

/// The same where probes are perf events, which only that lets attach (before Linux 6.6).
const RESERVE_PERF: [Capability; 6] = [
    RESERVE[0],
    RESERVE[1],
    RESERVE[2],
    RESERVE[3],
    RESERVE[4],
    Capability::CAP_SYS_ADMIN,
];

/// Capabilities that the thread that follows processes may keep, if it has them.
pub fn reserve(kind: ProgramKind) -> &'static [Capability] {
    match kind {
        ProgramKind::Multi => &RESERVE,
        ProgramKind::Perf => &RESERVE_PERF,
    }
}

/// Those of them that this thread has.
pub fn held(kind: ProgramKind) -> Held {
    let has = |capability: &Capability| privileges::missing(&[*capability]).is_empty();
    let to_attach: Vec<Capability> = reserve(kind).iter().copied().filter(has).collect();
    let looks = |capability: &Capability| TO_LOOK.contains(capability) || to_use_maps().contains(capability);
    Held {
        to_look: to_attach.iter().copied().filter(looks).collect(),
        to_attach,
    }
}

/// Whether the probe can be loaded and attached, as far as capabilities go.
pub fn check(kind: ProgramKind) -> Result<(), CaptureError> {
    let lacks = |capability| !privileges::missing(&[capability]).is_empty();
    let needed: &[(Capability, &'static str)] = match kind {
        ProgramKind::Multi => &[
            (Capability::CAP_BPF, "CAP_BPF"),
            (Capability::CAP_PERFMON, "CAP_PERFMON"),
        ],
        ProgramKind::Perf => &[(Capability::CAP_SYS_ADMIN, "CAP_SYS_ADMIN")],
    };
    let missing: Vec<&'static str> = needed
        .iter()
        .filter(|(capability, _)| lacks(*capability))
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(CaptureError::ProbeCapabilities { missing })
    }
}

/// Whether processes have the same numbers here and in the kernel programs: in the initial PID namespace, which that of a
/// node that is itself a container is not.
pub fn numbers_are_the_kernels() -> bool {
    fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() == INITIAL)
}
