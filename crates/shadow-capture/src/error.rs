//! Why live capture cannot start: what failed, and the way out.

use std::io;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;
use shadow_core::privileges::PrivilegeError;
use thiserror::Error;

/// Why live capture cannot start or be changed.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The kernel has no BPF ring buffer, or takes none in an array of maps.
    #[error(
        "Linux {found} is too old for live capture: 5.10 or later is needed. Capture elsewhere with tcpdump and \
         pass the file: --input-raw file.pcap"
    )]
    KernelTooOld {
        /// The running kernel's version.
        found: String,
    },

    /// The process may not load or attach the programs.
    #[error(
        "missing {}: run as root (sudo), or give the program these capabilities: sudo setcap \
         cap_bpf,cap_net_admin,cap_perfmon+ep shadow-agent; \
         in Kubernetes: securityContext.capabilities.add: [BPF, NET_ADMIN, PERFMON]",
        missing.join(", ")
    )]
    MissingCapabilities {
        /// Names of capabilities.
        missing: Vec<&'static str>,
    },

    /// The process may not attach probes to TLS libraries.
    #[error(
        "missing {}, which --input-raw-tls needs (CAP_BPF and CAP_PERFMON; CAP_SYS_ADMIN before Linux 6.6): run as root \
         (sudo), or give a key log: --input-raw-tls-keylog",
        missing.join(", ")
    )]
    ProbeCapabilities {
        /// Names of capabilities.
        missing: Vec<&'static str>,
    },

    /// No TLS secrets can be taken from a library that was named.
    #[error("no TLS secrets can be taken at {}: {reason}", path.display())]
    Library {
        /// As given.
        path: std::path::PathBuf,
        /// Why not.
        reason: String,
    },

    /// The socket for VXLAN datagrams cannot be had.
    #[error("cannot listen for VXLAN packets on UDP {address}: {source}")]
    Vxlan {
        /// Where, as the settings have it.
        address: String,
        /// The error of the system.
        source: std::io::Error,
    },

    /// Reading or changing the capabilities of a thread failed.
    #[error(transparent)]
    Capabilities(#[from] PrivilegeError),

    /// No live input was given.
    #[error("nothing to capture from: give --input-raw a port, an address or an interface")]
    NoInput,

    /// An interface named without `*` is not there.
    #[error("no interface is named {name}; there are: {}", present.join(", "))]
    NoSuchInterface {
        /// As typed.
        name: String,
        /// The interfaces that are there.
        present: Vec<String>,
    },

    /// An interface was given to the cgroup engine, which has none.
    #[error(
        "--input-raw {pattern}:... names interfaces, but --input-raw-engine cgroup captures at sockets: \
         leave the engine out (tc), or give ports or addresses"
    )]
    InterfaceWithCgroup {
        /// As typed.
        pattern: String,
    },

    /// Pods were given to the tc engine, which sees interfaces.
    #[error("pods are captured at their sockets: leave --input-raw-engine out, or say cgroup")]
    PodsNeedCgroup,

    /// The ring size is not one the kernel takes.
    #[error(
        "--input-raw-buffer-size: {bytes} bytes is not a power of two of at least {page} bytes (one page); \
         the nearest is {nearest}"
    )]
    RingSize {
        /// As given.
        bytes: u32,
        /// The page size.
        page: u32,
        /// A size that works.
        nearest: u32,
    },

    /// The kernel has no memory for the rings.
    #[error(
        "the kernel refused rings of {bytes} bytes for {shards} shards ({source}): \
         give a smaller --input-raw-buffer-size, or more memory to this machine or cgroup"
    )]
    RingTooLarge {
        /// Bytes of each ring.
        bytes: u32,
        /// Rings.
        shards: usize,
        /// The failure.
        source: io::Error,
    },

    /// The `bpf` system call is refused although the capabilities are there.
    #[error(
        "the system call bpf(2) is refused ({source}) although the capabilities are there, by a seccomp profile \
         or a security module; allow bpf for processes with CAP_BPF (containerd's default profile does)"
    )]
    BpfRefused {
        /// The failure.
        source: io::Error,
    },

    /// The number of shards is not a power of two up to [`shadow_common::MAX_SHARDS`].
    #[error("{shards} capture shards: must be 1, 2, 4, 8 or 16")]
    Shards {
        /// As given.
        shards: usize,
    },

    /// No cgroup v2 hierarchy is mounted.
    #[error(
        "no cgroup v2 is mounted, which --input-raw-engine cgroup attaches to: \
         mount one (mount -t cgroup2 none /sys/fs/cgroup/unified; in a container, mount the host's /sys/fs/cgroup), \
         or use --input-raw-engine tc"
    )]
    NoCgroup2,

    /// The cgroup v2 root cannot be opened.
    #[error("cannot open the cgroup v2 root {path}: {source}")]
    CgroupRoot {
        /// Where it is mounted.
        path: String,
        /// The failure.
        source: io::Error,
    },

    /// More targets than the map holds.
    #[error(
        "{targets} address and port pairs are more than the limit of {}: name fewer ports or addresses, or one \
         interface",
        shadow_common::MAX_TARGETS
    )]
    TooManyTargets {
        /// How many there would be.
        targets: usize,
    },

    /// More pods than the map holds.
    #[error(
        "{pods} pod and port pairs on this node are more than the limit of {}: name fewer ports",
        shadow_common::MAX_PODS
    )]
    TooManyPods {
        /// How many there would be.
        pods: usize,
    },

    /// The object could not be loaded.
    #[error("cannot load the kernel programs: {source}")]
    Load {
        /// The failure.
        source: EbpfError,
    },

    /// A program or map that the agent expects is not in the object.
    #[error(
        "the kernel object has no {name}: it is of another version; rebuild it with cargo xtask build-ebpf"
    )]
    Object {
        /// The missing program or map.
        name: String,
    },

    /// The kernel's verifier refused a program.
    #[error(
        "the kernel refused the program {program}: {source}; its verifier said{}\n\
         Please report this with the output of shadow-agent doctor",
        if log.is_empty() { " nothing." } else { log }
    )]
    Verifier {
        /// The program.
        program: &'static str,
        /// The failure.
        source: io::Error,
        /// The last lines of the verifier's log, each behind a line's end; empty where it said nothing.
        log: String,
    },

    /// A program could not be attached.
    #[error("cannot attach {program} to {place}: {source}")]
    Attach {
        /// The program.
        program: &'static str,
        /// The interface or cgroup.
        place: String,
        /// The failure.
        source: ProgramError,
    },

    /// A filter of clsact could not be had.
    #[error("cannot attach {program} to {place}: {source}")]
    Filter {
        /// The program.
        program: &'static str,
        /// The interface.
        place: String,
        /// The failure.
        source: io::Error,
    },

    /// The program that a filter runs could not be loaded.
    #[error("the kernel refused the jump to the programs: {source}")]
    Trampoline {
        /// The failure.
        source: io::Error,
    },

    /// The kernel has no clsact, or no filters that are programs.
    #[error(
        "cannot attach to {place}: this kernel has no {module}, by which programs are attached to interfaces before \
         Linux 6.6. Load it (modprobe {module}), install the package that has it (Ubuntu: linux-modules-extra-$(uname -r), \
         RHEL: kernel-modules-extra), or take a kernel with {option}; \
         --input-raw-engine cgroup does without"
    )]
    NoModule {
        /// The interface and side.
        place: String,
        /// The module.
        module: &'static str,
        /// The option that builds it.
        option: &'static str,
    },

    /// There were interfaces to attach to, and now there are none of them.
    #[error(
        "nothing is attached: {} disappeared while the agent started",
        names(interfaces)
    )]
    NothingAttached {
        /// Their names.
        interfaces: std::collections::BTreeSet<String>,
    },

    /// Maps are counted against the limit on locked memory, before Linux 5.11.
    #[error(
        "rings of {wanted} bytes in all do not fit into the limit on locked memory of {limit} bytes, which this kernel \
         counts them against (before Linux 5.11): raise it (ulimit -l unlimited as root, LimitMEMLOCK=infinity in the systemd \
         unit, --ulimit memlock=-1 for a container), run with CAP_SYS_RESOURCE, or give a smaller \
         --input-raw-buffer-size or fewer --input-raw-shards"
    )]
    LockedMemory {
        /// The limit, in bytes.
        limit: u64,
        /// The bytes that the rings take.
        wanted: u64,
    },

    /// A map could not be read or written.
    #[error("the kernel map {map} cannot be used: {source}")]
    Map {
        /// The map.
        map: &'static str,
        /// The failure.
        source: MapError,
    },

    /// The kernel did not list its interfaces.
    #[error("cannot list the network interfaces ({call}): {source}")]
    Interfaces {
        /// The system call or netlink request.
        call: &'static str,
        /// The failure.
        source: io::Error,
    },

    /// No random number for the connection hash.
    #[error("cannot read /dev/urandom: {source}")]
    Random {
        /// The failure.
        source: io::Error,
    },

    /// The thread that follows interfaces could not be started, or has ended.
    #[error("the thread that watches interfaces is not running: {source}")]
    Follower {
        /// The failure.
        source: io::Error,
    },
}

fn names(of: &std::collections::BTreeSet<String>) -> String {
    of.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
