//! The entry points: one program for each hook, side and kind of device.
//!
//! With their maps they need Linux 5.10. For themselves, classifiers that decide (`direct-action`) are there since 4.4, by
//! tcx since 6.6, and `cgroup_skb` programs since 4.10, by links since 5.7; both loop, which the verifier takes since 5.3.
//! What a newer kernel has and they can do without (`bpf_get_netns_cookie` at sockets, 6.15) is behind a constant.

use aya_ebpf::macros::{cgroup_skb, classifier};
use aya_ebpf::programs::{SkBuffContext, TcContext};
use shadow_common::Side;

use crate::observe::observe;
use crate::parse::Layer;

/// `TC_ACT_UNSPEC`: the only verdict that lets the tcx programs after this one (Cilium's) run.
const NEXT: i32 = -1;

/// `cgroup_skb`: let the packet pass.
const PASS: i32 = 1;

/// Receiving side of devices with an Ethernet header.
#[classifier]
pub fn shadow_l2_in(context: TcContext) -> i32 {
    observe(context.skb.skb, Layer::Ethernet, Side::Ingress);
    NEXT
}

/// Sending side of devices with an Ethernet header.
#[classifier]
pub fn shadow_l2_out(context: TcContext) -> i32 {
    observe(context.skb.skb, Layer::Ethernet, Side::Egress);
    NEXT
}

/// Receiving side of devices whose packets begin with the IP header (tun, `WireGuard`).
#[classifier]
pub fn shadow_l3_in(context: TcContext) -> i32 {
    observe(context.skb.skb, Layer::Ip, Side::Ingress);
    NEXT
}

/// Sending side of devices whose packets begin with the IP header.
#[classifier]
pub fn shadow_l3_out(context: TcContext) -> i32 {
    observe(context.skb.skb, Layer::Ip, Side::Egress);
    NEXT
}

/// Packets that a socket of the cgroup is about to receive.
#[cgroup_skb(ingress)]
pub fn shadow_sock_in(context: SkBuffContext) -> i32 {
    observe(context.skb.skb, Layer::Socket, Side::Ingress);
    PASS
}

/// Packets that a socket of the cgroup sends.
#[cgroup_skb(egress)]
pub fn shadow_sock_out(context: SkBuffContext) -> i32 {
    observe(context.skb.skb, Layer::Socket, Side::Egress);
    PASS
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing here can panic; the verifier refuses a program that loops for ever.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
