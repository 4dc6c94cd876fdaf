//! Puts the programs into the kernel: the embedded object and its constants.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

use aya::maps::{Array, Map, MapError};
use aya::programs::{CgroupSkb, ProgramError, ProgramInfo, ProgramType, SchedClassifier};
use aya::sys::{BpfHelper, is_helper_supported};
use aya::util::KernelVersion;
use aya::{Ebpf, EbpfError, EbpfLoader, VerifierLogLevel};
use shadow_common::{MAX_SHARDS, VLAN_WORDS, VlanMode};
use tracing::debug;

use super::error::CaptureError;
use super::locked_memory;
use super::settings::{CaptureSettings, VlanScope};

/// The kernel programs, built from `shadow-ebpf` by `cargo xtask build-ebpf`.
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!("shadow-ebpf.o");

/// `asm-generic/socket.h`.
const SO_NETNS_COOKIE: libc::c_int = 71;

/// The oldest kernel that takes rings of any size in an array of maps. (The ring buffer and `CAP_BPF` came with 5.8.)
pub const OLDEST_KERNEL: KernelVersion = KernelVersion::new(5, 10, 0);

/// The prefix of the names of rings.
pub(super) const RING: &str = "RING_";

/// Lines of the verifier's log that an error carries: what is wrong, and how far it got.
const LOG_LINES: usize = 6;

/// Names of the classifiers, by whether the device has an Ethernet header, and by side.
pub const CLASSIFIERS: [&str; 4] = ["shadow_l2_in", "shadow_l2_out", "shadow_l3_in", "shadow_l3_out"];

/// Names of the socket programs, by side.
pub const SOCKET_PROGRAMS: [&str; 2] = ["shadow_sock_in", "shadow_sock_out"];

/// Loads the object: its maps exist then but for the rings, its programs are not in the kernel yet.
pub fn load(settings: &CaptureSettings) -> Result<Ebpf, CaptureError> {
    load_object(&object(), settings)
}

/// The same with another object.
pub(super) fn load_object(object: &[u8], settings: &CaptureSettings) -> Result<Ebpf, CaptureError> {
    check(settings)?;
    let shard_mask = settings.shards as u32 - 1;
    let quarter_shift = (settings.ring_bytes / 4).ilog2();
    let seed = random()?;
    let sample = settings.sample_connections.map_or(1 << 32, u64::from);
    let track_response = u32::from(settings.responses);
    let netns_cookie = own_netns_cookie();
    let vlan_mode = match settings.vlans {
        VlanScope::Any => VlanMode::Any,
        VlanScope::Tagged => VlanMode::Tagged,
        VlanScope::These(_) => VlanMode::Listed,
    } as u32;
    let mut loader = EbpfLoader::new();
    loader
        // What is wrong without the way there: a whole log has as many lines as there are verified instructions.
        .verifier_log_level(VerifierLogLevel::STATS)
        .override_global("SHARD_MASK", &shard_mask, true)
        .override_global("QUARTER_SHIFT", &quarter_shift, true)
        .override_global("SEED", &seed, true)
        .override_global("SAMPLE", &sample, true)
        .override_global("TRACK_RESPONSE", &track_response, true)
        .override_global("VLAN_MODE", &vlan_mode, true)
        .override_global("NETNS_COOKIE", &netns_cookie, true);
    let mut ebpf = loader.load(object).map_err(|error| match error {
        EbpfError::MapError(error) => map_refused(error, settings),
        source => CaptureError::Load { source },
    })?;
    if let VlanScope::These(vlans) = &settings.vlans {
        set_vlans(&mut ebpf, vlans)?;
    }
    #[cfg(debug_assertions)]
    super::kernel_log::show(&mut ebpf);
    Ok(ebpf)
}

fn set_vlans(ebpf: &mut Ebpf, vlans: &BTreeSet<u16>) -> Result<(), CaptureError> {
    let mut words = [0_u64; VLAN_WORDS as usize];
    for vlan in vlans {
        if let Some(word) = words.get_mut(usize::from(vlan / 64)) {
            *word |= 1 << (vlan % 64);
        }
    }
    // Not taken out: the programs are loaded later, and need it open until then.
    let map = ebpf.map_mut("VLANS").ok_or_else(|| missing("VLANS"))?;
    let refused = |source| CaptureError::Map { map: "VLANS", source };
    let mut map: Array<_, u64> = map.try_into().map_err(refused)?;
    for (index, word) in words.into_iter().enumerate() {
        map.set(index as u32, word, 0).map_err(refused)?;
    }
    Ok(())
}

/// Loads a `tc` program into the kernel.
pub fn classifier<'a>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut SchedClassifier, CaptureError> {
    let program = ebpf.program_mut(name).ok_or_else(|| missing(name))?;
    let program: &mut SchedClassifier = program.try_into().map_err(|_| missing(name))?;
    program.load().map_err(|error| refused(name, error))?;
    say_verified(name, program.info());
    Ok(program)
}

/// Loads a `cgroup_skb` program into the kernel.
pub fn socket_program<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut CgroupSkb, CaptureError> {
    let program = ebpf.program_mut(name).ok_or_else(|| missing(name))?;
    let program: &mut CgroupSkb = program.try_into().map_err(|_| missing(name))?;
    program.load().map_err(|error| refused(name, error))?;
    say_verified(name, program.info());
    Ok(program)
}

/// Says how many instructions the verifier went through, which the kernel tells since Linux 5.16.
fn say_verified(program: &str, info: Result<ProgramInfo, ProgramError>) {
    let instructions = info.ok().and_then(|info| info.verified_instruction_count());
    if let Some(instructions) = instructions {
        debug!(%program, instructions, "verified");
    }
}

/// Why a program is not in the kernel, with the end of what its verifier said.
fn refused(program: &'static str, error: ProgramError) -> CaptureError {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => CaptureError::Verifier {
            program,
            source: io_error,
            log: last_lines(&verifier_log.to_string()),
        },
        other => CaptureError::Load { source: other.into() },
    }
}

/// The last lines of a log, indented, each behind a line's end.
pub(super) fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let first = lines.len().saturating_sub(LOG_LINES);
    lines[first..].iter().fold(String::new(), |mut text, line| {
        text.push_str("\n    ");
        text.push_str(line);
        text
    })
}

/// Takes a map out of the object.
pub fn take_map<M: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<M, CaptureError> {
    ebpf.take_map(name)
        .ok_or_else(|| missing(name))?
        .try_into()
        .map_err(|source| CaptureError::Map { map: name, source })
}

/// Whether the running kernel is at least this new; not where its version cannot be read.
pub fn kernel_is_at_least(version: KernelVersion) -> bool {
    KernelVersion::current().is_ok_and(|running| running >= version)
}

/// Bytes of a memory page.
pub fn page_size() -> u32 {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    size.ok()
        .flatten()
        .and_then(|size| u32::try_from(size).ok())
        .unwrap_or(4096)
}

/// The object to load. A debug build of the agent can be given another one, built with logging.
fn object() -> std::borrow::Cow<'static, [u8]> {
    #[cfg(debug_assertions)]
    if let Some(path) = std::env::var_os("SHADOW_AGENT_EBPF_OBJECT") {
        match std::fs::read(&path) {
            Ok(object) => return object.into(),
            Err(error) => tracing::warn!(?path, %error, "cannot read SHADOW_AGENT_EBPF_OBJECT"),
        }
    }
    OBJECT.into()
}

/// Checks what can be known to be wrong before the kernel is asked.
fn check(settings: &CaptureSettings) -> Result<(), CaptureError> {
    let kernel = KernelVersion::current().ok();
    if let Some(kernel) = kernel.filter(|kernel| *kernel < OLDEST_KERNEL) {
        return Err(CaptureError::KernelTooOld {
            found: kernel.to_string(),
        });
    }
    let shards = settings.shards;
    if !shards.is_power_of_two() || shards > MAX_SHARDS {
        return Err(CaptureError::Shards { shards });
    }
    let (bytes, page) = (settings.ring_bytes, page_size());
    if !bytes.is_power_of_two() || bytes < page {
        let nearest = bytes.max(page).checked_next_power_of_two().unwrap_or(1 << 31);
        return Err(CaptureError::RingSize { bytes, page, nearest });
    }
    Ok(())
}

/// A failure to make a map, told by its cause where that is known.
pub(super) fn map_refused(error: MapError, settings: &CaptureSettings) -> CaptureError {
    match error {
        MapError::CreateError { io_error, .. }
            if let Some(limit) = locked_memory::to_blame(&io_error, ring_bytes(settings)) =>
        {
            CaptureError::LockedMemory {
                limit,
                wanted: ring_bytes(settings),
            }
        }
        // The capabilities are there, as was checked: something else refuses the system call.
        MapError::CreateError { io_error, .. } if io_error.kind() == std::io::ErrorKind::PermissionDenied => {
            CaptureError::BpfRefused { source: io_error }
        }
        MapError::CreateError { name, io_error } if name.starts_with(RING) => CaptureError::RingTooLarge {
            bytes: settings.ring_bytes,
            shards: settings.shards,
            source: io_error,
        },
        source => CaptureError::Load {
            source: source.into(),
        },
    }
}

/// The bytes that all rings take.
fn ring_bytes(settings: &CaptureSettings) -> u64 {
    u64::from(settings.ring_bytes) * settings.shards as u64
}

/// The cookie of the calling thread's network namespace (`SO_NETNS_COOKIE`, Linux 5.14); 0 where `cgroup_skb`
/// programs may not ask for that of a packet (before Linux 6.15).
fn own_netns_cookie() -> u64 {
    let supported = is_helper_supported(ProgramType::CgroupSkb, BpfHelper::BPF_FUNC_get_netns_cookie);
    if !supported.unwrap_or(false) {
        return 0;
    }
    let cookie = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| netns_cookie(&socket));
    cookie.unwrap_or_else(|error| {
        tracing::debug!(%error, "cannot get the cookie of this network namespace");
        0
    })
}

#[allow(unsafe_code, reason = "no crate in use has this socket option")]
fn netns_cookie(socket: &UdpSocket) -> std::io::Result<u64> {
    let mut cookie = 0_u64;
    let mut size = size_of_val(&cookie) as libc::socklen_t;
    // SAFETY: the kernel writes no more than `size` bytes to `cookie`; both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut size,
        )
    };
    if result == 0 {
        Ok(cookie)
    } else {
        Err(std::io::Error::last_os_error())
    }
}

/// A random number.
pub fn random() -> Result<u64, CaptureError> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|source| CaptureError::Random { source })?;
    Ok(u64::from_ne_bytes(bytes))
}

/// The error of an object that lacks something.
pub fn missing(name: &str) -> CaptureError {
    CaptureError::Object {
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_carries_the_end_of_the_verifiers_log() {
        assert_eq!(last_lines(""), "");
        assert_eq!(
            last_lines("1\n2\n\n3\n4\n5\n6\nBPF program is too large. Processed 1000001 insn\n"),
            "\n    2\n    3\n    4\n    5\n    6\n    BPF program is too large. Processed 1000001 insn"
        );
    }
}
