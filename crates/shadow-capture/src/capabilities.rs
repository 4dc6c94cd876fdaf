//! Capabilities that the process needs for capture: checked before anything is loaded.

use aya::util::KernelVersion;
use caps::Capability;
use shadow_core::privileges;

use super::load::kernel_is_at_least;

/// The capabilities that attaching a loaded program to another interface needs.
pub(super) const TO_ATTACH: &[Capability] = &[Capability::CAP_BPF, Capability::CAP_NET_ADMIN];

/// The effective capabilities that capture needs and this thread does not have.
pub fn missing() -> Vec<&'static str> {
    let lacks = |capability| !privileges::missing(&[capability]).is_empty();
    let mut missing = Vec::new();
    if lacks(Capability::CAP_BPF) {
        missing.push("CAP_BPF");
    }
    if lacks(Capability::CAP_NET_ADMIN) {
        missing.push("CAP_NET_ADMIN");
    }
    if lacks(Capability::CAP_PERFMON) && lacks(Capability::CAP_SYS_ADMIN) {
        missing.push("CAP_PERFMON");
    }
    missing
}

/// The capabilities that using a map through an open descriptor needs: none since Linux 5.19 (commit c8644cd0efe7),
/// also where `kernel.unprivileged_bpf_disabled` is set.
pub fn to_use_maps() -> &'static [Capability] {
    if kernel_is_at_least(KernelVersion::new(5, 19, 0)) {
        &[]
    } else {
        &[Capability::CAP_BPF]
    }
}
