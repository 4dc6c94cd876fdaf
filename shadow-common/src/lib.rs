//! Types that cross the kernel boundary: ring records, map keys and counters, laid out alike on both sides.
//!
//! Nothing else belongs here: the kernel programs and the agent agree on these bytes and on nothing more.
#![no_std]
#![allow(
    clippy::inline_always,
    reason = "in a kernel program these must become a few instructions, never a call"
)]

mod address;
mod counter;
mod record;
mod secret;
mod target;

pub use address::{Address, connection_hash};
pub use counter::{COUNTERS, Counter};
pub use record::{
    CLASSES, HEADER_BYTES, MARK_CONTINUATION, MARK_RESPONSE, MAX_PACKET_BYTES, MAX_PARTS, PART_BYTES,
    RecordHeader, record_bytes,
};
pub use secret::{
    HookKind, MAX_SECRET_PROCESSES, SECRET_BYTES, SECRET_COUNTERS, SECRET_RECORD_BYTES, SecretCounter,
    SecretLabel, SecretRecord,
};
pub use target::{MatchOn, OwnKey, PORT_WORDS, PodKey, Side, TargetKey, VLAN_WORDS, VlanMode};

/// Rings at most; each connection always uses the same one.
pub const MAX_SHARDS: usize = 16;

/// Entries of the target map: local addresses times ports, with room for hosts of many addresses.
pub const MAX_TARGETS: u32 = 16 * 1024;

/// Entries of the map of pods: pods times ports. A node runs 110 pods unless told otherwise, and never more than some
/// hundreds.
pub const MAX_PODS: u32 = 16 * 1024;

/// Deepest level of a pod's cgroup that is looked at; the root is level 0, and kubelet's trees are 2 to 3 deep, up to
/// 8 where a node is itself a container.
pub const MAX_POD_LEVEL: u32 = 15;

/// In a record's `scope`: what follows is the id of the pod's cgroup, not the cookie of a network namespace.
pub const SCOPE_POD: u64 = 1 << 63;

/// Entries of the map of the agent's own connections: more than one address has ephemeral ports.
pub const MAX_OWN: u32 = 64 * 1024;

/// A ring whose reader sleeps: the next record wakes it, and the producer sets [`POLLING`].
pub const SLEEPING: u32 = 0;

/// A ring whose reader drains it on a timer: only a filling ring wakes it earlier.
pub const POLLING: u32 = 1;
