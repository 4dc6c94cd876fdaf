//! The maps and the constants that the agent sets before loading. Names are the contract with `load.rs`.
//!
//! Each says since which Linux its kind is there; all together, with [`crate::rings_map::RINGS`], need 5.10. The constants
//! are a frozen array of one value (5.2), so that the verifier knows them and leaves out what they rule out.

use aya_ebpf::Global;
use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray};
use shadow_common::{
    COUNTERS, MAX_OWN, MAX_PODS, MAX_SHARDS, MAX_TARGETS, MatchOn, OwnKey, PORT_WORDS, PodKey, TargetKey,
    VLAN_WORDS,
};

/// Bitmap of the ports of all targets: the one look-up of a packet that is not selected. Array: Linux 3.19.
#[map]
pub static PORTS: Array<u64> = Array::with_max_entries(PORT_WORDS, 0);

/// Bitmap of the VLANs that are taken, where some are named. Array: Linux 3.19.
#[map]
pub static VLANS: Array<u64> = Array::with_max_entries(VLAN_WORDS, 0);

/// The targets. Changed only by the agent, so entries need not be preallocated (Linux 4.6). Hash: Linux 3.19.
#[map]
pub static TARGETS: HashMap<TargetKey, MatchOn> = HashMap::with_max_entries(MAX_TARGETS, BPF_F_NO_PREALLOC);

/// The watched pods, by cgroup. As [`TARGETS`].
#[map]
pub static PODS: HashMap<PodKey, MatchOn> = HashMap::with_max_entries(MAX_PODS, BPF_F_NO_PREALLOC);

/// One word: bit n is set when the cgroup of a watched pod is at level n of the hierarchy. Array: Linux 3.19.
#[map]
pub static POD_LEVELS: Array<u32> = Array::with_max_entries(1, 0);

/// Local ends of the agent's own connections. As [`TARGETS`].
#[map]
pub static OWN: HashMap<OwnKey, u8> = HashMap::with_max_entries(MAX_OWN, BPF_F_NO_PREALLOC);

/// How each ring's reader waits: `SLEEPING` or `POLLING`. Array: Linux 3.19.
#[map]
pub static READERS: Array<u32> = Array::with_max_entries(MAX_SHARDS as u32, 0);

/// One block of counters for each CPU. Array for each CPU: Linux 4.6.
#[map]
pub static COUNTS: PerCpuArray<[u64; COUNTERS]> = PerCpuArray::with_max_entries(1, 0);

/// Rings in use less one; their number is a power of two.
#[unsafe(no_mangle)]
pub static SHARD_MASK: Global<u32> = Global::new(0);

/// A quarter of a ring's size, as a power of two: a reader that polls is woken at each quarter.
#[unsafe(no_mangle)]
pub static QUARTER_SHIFT: Global<u32> = Global::new(10);

/// Key of the connection hash.
#[unsafe(no_mangle)]
pub static SEED: Global<u64> = Global::new(0);

/// Share of connections that is captured, of 2^32; 2^32 and more is all.
#[unsafe(no_mangle)]
pub static SAMPLE: Global<u64> = Global::new(1 << 32);

/// Not 0: all packets from targets are taken; else only those that open or end a connection, without their payload.
#[unsafe(no_mangle)]
pub static TRACK_RESPONSE: Global<u32> = Global::new(0);

/// Which packets are taken by their VLAN tags: a `VlanMode`.
#[unsafe(no_mangle)]
pub static VLAN_MODE: Global<u32> = Global::new(0);

/// Not 0: `bpf_get_netns_cookie` may be called by `cgroup_skb` programs (Linux 6.15), and gives this for sockets of
/// the agent's own network namespace.
#[unsafe(no_mangle)]
pub static NETNS_COOKIE: Global<u64> = Global::new(0);
