//! What the process may do: checked before anything is loaded, given up once everything is attached.
//!
//! Capabilities belong to threads (capabilities(7)), so they are given up on the thread that starts the capture
//! before it starts others; threads it starts later have none.

use aya::util::KernelVersion;
use caps::{CapSet, Capability, CapsHashSet};
use tracing::debug;

use super::error::CaptureError;
use super::load::kernel_is_at_least;

/// What attaching a loaded program to another interface needs.
pub(super) const TO_ATTACH: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_NET_ADMIN];

/// The effective capabilities that capture needs and this thread does not have.
pub fn missing() -> Result<Vec<&'static str>, CaptureError> {
    let held = read(CapSet::Effective)?;
    let mut missing = Vec::new();
    if !held.contains(&Capability::CAP_BPF) {
        missing.push("CAP_BPF");
    }
    if !held.contains(&Capability::CAP_NET_ADMIN) {
        missing.push("CAP_NET_ADMIN");
    }
    if !held.contains(&Capability::CAP_PERFMON) && !held.contains(&Capability::CAP_SYS_ADMIN) {
        missing.push("CAP_PERFMON");
    }
    Ok(missing)
}

/// Whether maps can be changed through an open descriptor without a capability, also where
/// `kernel.unprivileged_bpf_disabled` is set (Linux 5.19, commit c8644cd0efe7).
fn maps_need_no_capability() -> bool {
    kernel_is_at_least(KernelVersion::new(5, 19, 0))
}

/// Gives up every capability of this thread for good, also for programs it would start. On kernels where using
/// an open map needs `CAP_BPF`, that one stays.
pub fn give_up() -> Result<(), CaptureError> {
    let keep = if maps_need_no_capability() {
        CapsHashSet::new()
    } else {
        CapsHashSet::from([Capability::CAP_BPF])
    };
    limit_to(&keep)?;
    set(CapSet::Effective, &keep)
}

/// Keeps only these capabilities, and keeps them out of the effective set.
pub(super) fn keep_in_reserve(capabilities: &[Capability]) -> Result<(), CaptureError> {
    limit_to(&capabilities.iter().copied().collect())
}

/// Runs `f` with these capabilities, which must be in reserve, effective.
pub(super) fn with<R>(capabilities: &[Capability], f: impl FnOnce() -> R) -> Result<R, CaptureError> {
    set(CapSet::Effective, &capabilities.iter().copied().collect())?;
    let result = f();
    set(CapSet::Effective, &CapsHashSet::new())?;
    Ok(result)
}

/// Takes everything but `keep` out of the bounding, ambient, inheritable and permitted sets; empties the effective.
fn limit_to(keep: &CapsHashSet) -> Result<(), CaptureError> {
    for capability in read(CapSet::Bounding)? {
        // Needs CAP_SETPCAP, which a program with file capabilities may not have: then it stays, and means
        // nothing, because no_new_privs (below) keeps any program from gaining it.
        if let Err(error) = caps::drop(None, CapSet::Bounding, capability) {
            debug!(%capability, %error, "capability stays in the bounding set");
            break;
        }
    }
    if let Err(error) = nix::sys::prctl::set_no_new_privs() {
        debug!(%error, "no_new_privs not set");
    }
    // Kernels without ambient capabilities (before 4.3) are too old anyway.
    clear(CapSet::Ambient)?;
    clear(CapSet::Inheritable)?;
    clear(CapSet::Effective)?;
    let permitted = read(CapSet::Permitted)?;
    set(
        CapSet::Permitted,
        &permitted.intersection(keep).copied().collect(),
    )
}

fn read(set: CapSet) -> Result<CapsHashSet, CaptureError> {
    caps::read(None, set).map_err(|source| CaptureError::Capabilities {
        action: "read",
        source,
    })
}

fn clear(set: CapSet) -> Result<(), CaptureError> {
    caps::clear(None, set).map_err(|source| CaptureError::Capabilities {
        action: "give up",
        source,
    })
}

fn set(which: CapSet, value: &CapsHashSet) -> Result<(), CaptureError> {
    caps::set(None, which, value).map_err(|source| CaptureError::Capabilities {
        action: "set",
        source,
    })
}
