//! Which packets are meant: the port bitmap first, which most packets do not pass, then the targets.

use core::arch::asm;

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_skb_ancestor_cgroup_id;
use shadow_common::{Address, MAX_POD_LEVEL, MatchOn, OwnKey, PodKey, TargetKey, VlanMode};

use crate::maps::{OWN, POD_LEVELS, PODS, PORTS, TARGETS, VLAN_MODE, VLANS};

/// Whether some target has this port (host order).
#[inline(always)]
pub fn port_is_watched(port: u16) -> bool {
    match PORTS.get(u32::from(port >> 6)) {
        Some(word) => word >> (port & 63) & 1 != 0,
        None => false,
    }
}

/// Whether a packet with this outermost VLAN tag is taken, where they are not all.
#[inline(always)]
pub fn vlan_is_taken(vlan: Option<u16>) -> bool {
    let Some(vlan) = vlan else { return false };
    if VLAN_MODE.load() == VlanMode::Tagged as u32 {
        return true;
    }
    match VLANS.get(u32::from(vlan >> 6)) {
        Some(word) => word >> (vlan & 63) & 1 != 0,
        None => false,
    }
}

/// The cgroup of the watched pod that the packet's socket belongs to, if it takes `wanted` at this watched port; else 0. A
/// cgroup is one pod's and never given to another, unlike an address.
#[inline(always)]
pub fn pod_of(skb: *mut __sk_buff, port: u16, wanted: MatchOn) -> u64 {
    let levels = POD_LEVELS.get(0).copied().unwrap_or(0);
    if levels == 0 {
        return 0;
    }
    for level in 1..=MAX_POD_LEVEL {
        if levels >> level & 1 == 0 {
            continue;
        }
        // SAFETY: `skb` is the program's context. 0 when the socket is not that deep, or there is none.
        let cgroup = unsafe { bpf_skb_ancestor_cgroup_id(skb, level as i32) };
        if cgroup == 0 {
            continue;
        }
        // SAFETY: the map is made with BPF_F_NO_PREALLOC, so a removed entry is not reused before a grace period.
        let taken = unsafe { PODS.get(PodKey::new(cgroup, port)) }
            .copied()
            .unwrap_or_default();
        if taken.intersects(wanted) {
            return cgroup;
        }
    }
    0
}

/// Sums up what the targets that match this endpoint where it is seen take, until one takes something of `enough`.
#[inline(always)]
pub fn targets_of(address: &Address, port: u16, ifindex: u32, enough: MatchOn) -> MatchOn {
    let any = any_address();
    let mut taken = target(any, port, 0);
    if !taken.intersects(enough) {
        taken = taken.and(target(any, port, ifindex));
    }
    if !taken.intersects(enough) {
        taken = taken.and(target(*address, port, ifindex));
    }
    if !taken.intersects(enough) {
        taken = taken.and(target(*address, port, 0));
    }
    taken
}

/// `Address::ANY`, opaque to the compiler: it would turn known zeros into a call of `memset`, which on BPF is a
/// loop over bytes.
#[inline(always)]
fn any_address() -> Address {
    let mut zero = 0_u64;
    // SAFETY: no instruction; the value passes through.
    unsafe { asm!("/* {0} */", inout(reg) zero, options(pure, nomem, nostack)) };
    Address([zero; 2])
}

#[inline(always)]
fn target(address: Address, port: u16, ifindex: u32) -> MatchOn {
    let key = TargetKey::new(address, port, ifindex);
    // SAFETY: the map is made with BPF_F_NO_PREALLOC, so a removed entry is not reused before a grace period.
    unsafe { TARGETS.get(key) }.copied().unwrap_or_default()
}

/// Whether this is the local end of one of the agent's own connections.
#[inline(always)]
pub fn is_own(address: &Address, port: u16) -> bool {
    OWN.get_ptr(OwnKey::new(*address, port)).is_some()
}
