//! The maps, and the constants that the agent sets before loading. Names are the contract with `secrets/load.rs`.
//!
//! All are preallocated: programs that trace must not allocate on kernels before 6.1.

use aya_ebpf::Global;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, LruHashMap, PerCpuArray, RingBuf};
use shadow_common::{MAX_SECRET_PROCESSES, SECRET_COUNTERS, SecretCounter};

use crate::add::add;

/// Where secrets go. The agent sets the size. Ring buffer: Linux 5.8.
#[map]
pub static SECRETS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

/// The selected processes, by the number in the initial PID namespace. Hash: Linux 3.19.
#[map]
pub static PROCESSES: HashMap<u32, u32> = HashMap::with_max_entries(MAX_SECRET_PROCESSES, 0);

/// Strangers that the agent was told of: once is enough. LRU hash: Linux 4.10.
#[map]
pub static STRANGERS: LruHashMap<u32, u32> = LruHashMap::with_max_entries(1024, 0);

/// One block of counters for each CPU. Array for each CPU: Linux 4.6.
#[map]
pub static SECRET_COUNTS: PerCpuArray<[u64; SECRET_COUNTERS]> = PerCpuArray::with_max_entries(1, 0);

/// Not 0: registers are those of arm64, else those of amd64.
#[unsafe(no_mangle)]
pub static ARM64: Global<u32> = Global::new(0);

/// Not 0: each probe is attached to selected processes alone, and their numbers mean nothing here.
#[unsafe(no_mangle)]
pub static ANY_PROCESS: Global<u32> = Global::new(0);

/// Offset of `task_struct.real_parent`; 0: the kernel does not say, and no process is told by its parent.
#[unsafe(no_mangle)]
pub static REAL_PARENT: Global<u32> = Global::new(0);

/// Offset of `task_struct.tgid`.
#[unsafe(no_mangle)]
pub static TGID: Global<u32> = Global::new(0);

/// Offset of `task_struct.mm`.
#[unsafe(no_mangle)]
pub static MM: Global<u32> = Global::new(0);

/// Offset of `mm_struct.exe_file`.
#[unsafe(no_mangle)]
pub static EXE_FILE: Global<u32> = Global::new(0);

/// Offset of `file.f_inode`.
#[unsafe(no_mangle)]
pub static F_INODE: Global<u32> = Global::new(0);

/// Counts a call.
#[inline(always)]
pub fn count(counter: SecretCounter) {
    if let Some(counts) = SECRET_COUNTS.get_ptr_mut(0) {
        // SAFETY: the map's value is an array of that many u64, aligned to 8.
        unsafe { add(counts.cast::<u64>().add(counter as usize), 1) };
    }
}
