//! Packets chosen by their VLAN tags. Test runs have tags in band alone; those out of band are the kernel's own.

use shadow_common::Counter;

use super::kernel::{Kernel, settings};
use super::packets::*;
use crate::{CaptureSettings, VlanScope};

/// The programs with port 8081 watched, and these VLANs.
fn kernel(test: &str, vlans: VlanScope) -> Option<Kernel> {
    let settings = CaptureSettings { vlans, ..settings() };
    let mut kernel = Kernel::load(test, &settings)?;
    kernel.watch("any", 8081, 0);
    Some(kernel)
}

/// Frames without a tag, of VLAN 100, of 100 in a service provider's tag, and of IPv6.
fn frames() -> [Vec<u8>; 4] {
    let v4 = |tags: &[u16]| Packet {
        tags: tags.to_vec(),
        ..request("10.1.2.3:40000", "10.9.8.7:8081", b"GET / HTTP/1.1\r\n\r\n")
    };
    let v6 = Packet {
        tags: vec![ETH_P_8021Q],
        ..request("[fd00::1]:40000", "[fd00::2]:8081", b"GET / HTTP/1.1\r\n\r\n")
    };
    [
        v4(&[]).frame(),
        v4(&[ETH_P_8021Q]).frame(),
        v4(&[ETH_P_8021AD, ETH_P_8021Q]).frame(),
        v6.frame(),
    ]
}

fn seen(kernel: &mut Kernel) -> [usize; 4] {
    frames().map(|frame| kernel.see("shadow_l2_in", &frame).len())
}

#[test]
fn unless_asked_for_packets_are_taken_with_tags_and_without() {
    let Some(mut kernel) = kernel("vlans_any", VlanScope::Any) else {
        return;
    };
    assert_eq!(seen(&mut kernel), [1, 1, 1, 1]);
    assert_eq!(kernel.count(Counter::PacketsOtherVlan), 0);
}

#[test]
fn with_input_raw_vlan_packets_without_a_tag_are_left_out_and_counted() {
    let Some(mut kernel) = kernel("vlans_tagged", VlanScope::Tagged) else {
        return;
    };
    assert_eq!(seen(&mut kernel), [0, 1, 1, 1]);
    assert_eq!(kernel.count(Counter::PacketsOtherVlan), 1);
    // A device whose packets begin with the IP header has no tags.
    assert!(kernel.see("shadow_l3_in", &frames()[1]).is_empty());
}

#[test]
fn with_several_vids_any_of_them_will_do() {
    let Some(mut kernel) = kernel("vlans_listed", VlanScope::These([7, 100].into())) else {
        return;
    };
    assert_eq!(seen(&mut kernel), [0, 1, 1, 1]);
    drop(kernel);
    let Some(mut others) = self::kernel("vlans_others", VlanScope::These([7, 101, 4095].into())) else {
        return;
    };
    assert_eq!(seen(&mut others), [0, 0, 0, 0]);
    assert_eq!(others.count(Counter::PacketsOtherVlan), 4);
}
