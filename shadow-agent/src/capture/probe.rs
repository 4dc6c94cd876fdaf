//! What this host can do, for the doctor: each fact on its own, none of them an error.

use std::path::{Path, PathBuf};

use aya::programs::{SchedClassifier, TcAttachType};
use aya::util::KernelVersion;

pub use super::interfaces::Interface;
use super::{capabilities, cgroup, interfaces, load};

/// What live capture finds on this host.
#[derive(Clone, Debug)]
pub struct HostReport {
    /// The running kernel's version, where it can be read.
    pub kernel: Option<String>,
    /// Whether that is at least 5.8.
    pub kernel_is_new_enough: bool,
    /// Capabilities that capture needs and this process does not have.
    pub missing_capabilities: Vec<&'static str>,
    /// Whether the kernel carries type information (`/sys/kernel/btf/vmlinux`); capture does not need it.
    pub btf: bool,
    /// Whether programs are attached by tcx links, which go with the process (else clsact filters).
    pub tcx: bool,
    /// Where cgroup v2 is mounted, for `--input-raw-engine cgroup`.
    pub cgroup2: Option<PathBuf>,
    /// Why a ring of the given size cannot be made; `None` when it can.
    pub ring_refused: Option<String>,
    /// The interfaces, or why they cannot be listed.
    pub interfaces: Result<Vec<Interface>, String>,
}

/// Looks at this host. `ring_bytes` is the size of ring to try.
pub fn host(ring_bytes: u32) -> HostReport {
    let kernel = KernelVersion::current().ok();
    HostReport {
        kernel: kernel.map(|kernel| kernel.to_string()),
        kernel_is_new_enough: kernel.is_some_and(|kernel| kernel >= load::OLDEST_KERNEL),
        missing_capabilities: capabilities::missing().unwrap_or_default(),
        btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        tcx: SchedClassifier::query_tcx("lo", TcAttachType::Ingress).is_ok(),
        cgroup2: cgroup::cgroup2_root().ok(),
        ring_refused: load::try_ring(ring_bytes).err().map(|error| with_causes(&error)),
        interfaces: interfaces::list().map_err(|error| error.to_string()),
    }
}

/// An error and what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
