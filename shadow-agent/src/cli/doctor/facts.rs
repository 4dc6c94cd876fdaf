//! The facts that the doctor looks at. Nothing is changed: the programs and rings that are loaded are attached to nothing, and
//! gone at once.

use std::fs;
use std::path::Path;

use caps::{CapSet, Capability};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

use super::TCX_KERNEL;
use crate::capture::{CgroupRoot, PodCgroups, cgroup2_root, leftovers, try_ring, try_to_load};
use crate::cli::high::default_shards;
use crate::cli::machine::{Machine, ThisMachine};
use crate::settings::{CaptureSettings, Engine};

/// Size of the ring that is tried, in bytes: the default of `--input-raw-buffer-size`.
const RING: u32 = 8 << 20;

/// A kernel's major and minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel(pub u32, pub u32);

/// Kernel programs that a run would load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Rings, after what the kernel has no room for was left out.
    pub shards: usize,
    /// Bytes of each.
    pub ring_bytes: u32,
}

/// Facts about a machine.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The kernel's release as it says it.
    pub release: String,
    /// Its version, where the release can be read.
    pub kernel: Option<Kernel>,
    /// Names of the capabilities that live capture needs and this process has not.
    pub missing_capabilities: Vec<&'static str>,
    /// Bytes of a ring buffer that was created, or why none could be.
    pub ring: Result<u32, String>,
    /// Programs of the `tc` hook, loaded as by a run without flags, or the reason why that failed.
    pub tc: Result<Loaded, String>,
    /// The same of the `cgroup` hook.
    pub cgroup: Result<Loaded, String>,
    /// Bytes that may be locked in memory; `None` for no limit.
    pub memlock: Option<u64>,
    /// Modules that attaching to interfaces needs and that are neither loaded nor installed; looked for before Linux 6.6.
    pub missing_modules: Vec<&'static str>,
    /// Interfaces on which agents that were killed left filters.
    pub leftovers: Vec<String>,
    /// The cgroup v2 hierarchy as far up as this process sees it.
    pub cgroup_v2: Option<CgroupRoot>,
    /// Pods whose cgroups are below it.
    pub pods: usize,
    /// Whether BPF programs are compiled.
    pub jit: bool,
    /// Whether the kernel has type information.
    pub btf: bool,
    /// Names of the network interfaces.
    pub interfaces: Vec<String>,
}

impl Facts {
    /// Looks at this machine.
    pub fn gather() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let release = read("/proc/sys/kernel/osrelease");
        let kernel = parse_release(&release);
        Self {
            kernel,
            missing_modules: if kernel.is_some_and(|kernel| kernel < TCX_KERNEL) {
                missing_modules(&release)
            } else {
                Vec::new()
            },
            leftovers: leftovers().unwrap_or_default().into_iter().collect(),
            release,
            missing_capabilities: missing_capabilities(),
            ring: try_ring(RING).map(|()| RING),
            tc: load(Engine::Tc),
            cgroup: load(Engine::Cgroup),
            memlock: getrlimit(Resource::RLIMIT_MEMLOCK)
                .ok()
                .map(|(soft, _)| soft)
                .filter(|soft| *soft != RLIM_INFINITY),
            cgroup_v2: cgroup2_root().ok(),
            pods: PodCgroups::find().map_or(0, |cgroups| cgroups.scan().len()),
            // Kernels built with the compiler always on have no such file for some processors.
            jit: read("/proc/sys/net/core/bpf_jit_enable") != "0",
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
            interfaces: ThisMachine.interfaces(),
        }
    }
}

fn missing_capabilities() -> Vec<&'static str> {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    let needed = [
        ("CAP_BPF", has(Capability::CAP_BPF)),
        ("CAP_NET_ADMIN", has(Capability::CAP_NET_ADMIN)),
        (
            "CAP_PERFMON",
            has(Capability::CAP_PERFMON) || has(Capability::CAP_SYS_ADMIN),
        ),
    ];
    needed
        .into_iter()
        .filter(|(_, present)| !present)
        .map(|(name, _)| name)
        .collect()
}

/// Those of the modules for filters that are neither in the kernel nor where it looks for them. Built into the kernel they
/// are in a list there, too.
fn missing_modules(release: &str) -> Vec<&'static str> {
    let folder = Path::new("/lib/modules").join(release);
    let lists = ["modules.dep", "modules.builtin"]
        .map(|list| fs::read_to_string(folder.join(list)).unwrap_or_default());
    let mut modules = vec!["sch_ingress", "cls_bpf"];
    modules.retain(|module| {
        let file = format!("/{module}.ko");
        !Path::new("/sys/module").join(module).exists() && !lists.iter().any(|list| list.contains(&file))
    });
    modules
}

fn load(engine: Engine) -> Result<Loaded, String> {
    let settings = CaptureSettings {
        engine: Some(engine),
        ring_bytes: RING,
        shards: default_shards(),
        ..CaptureSettings::default()
    };
    match try_to_load(&settings) {
        Ok(shards) => Ok(Loaded {
            shards,
            ring_bytes: RING,
        }),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_release(release: &str) -> Option<Kernel> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some(Kernel(
        numbers.next()?.parse().ok()?,
        numbers.next()?.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_distributions_are_read() {
        assert_eq!(parse_release("6.8.0-45-generic"), Some(Kernel(6, 8)));
        assert_eq!(parse_release("5.15-rc1"), Some(Kernel(5, 15)));
        assert_eq!(parse_release("4.18.0-553.el8_10.x86_64"), Some(Kernel(4, 18)));
        assert_eq!(parse_release("unknown"), None);
        assert_eq!(parse_release(""), None);
    }

    #[test]
    fn this_machine_has_a_kernel_and_interfaces() {
        let facts = Facts::gather();
        assert!(facts.kernel.is_some(), "{facts:?}");
        assert!(facts.interfaces.contains(&"lo".to_owned()), "{facts:?}");
    }
}
