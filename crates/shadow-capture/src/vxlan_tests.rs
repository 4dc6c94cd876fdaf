use proptest::prelude::*;
use shadow_core::listen::Listen;
use shadow_tcp::{Direction, TcpFlags};

use super::super::tests::packets::{Packet, payload, request};
use super::*;
use crate::VlanScope;

fn live(scope: LiveScope, ports: &[u16]) -> LiveInput {
    LiveInput {
        scope,
        ports: ports.to_vec(),
    }
}

fn decapsulator(inputs: &[LiveInput], taken: &[u32], left_out: &[u32]) -> Decapsulator {
    let vxlan = VxlanSettings {
        listen: Listen::Any(4789),
        taken: taken.iter().copied().collect(),
        left_out: left_out.iter().copied().collect(),
    };
    Decapsulator::new(inputs, &vxlan, &CaptureSettings::default())
}

fn every() -> Decapsulator {
    decapsulator(&[live(LiveScope::Any, &[80])], &[], &[])
}

/// A frame in a datagram of this network.
fn datagram(vni: u32, frame: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = vni.to_be_bytes();
    [&[HAS_VNI, 0, 0, 0, a, b, c, 0], frame].concat()
}

/// The payloads that a datagram gives.
fn take(decapsulator: &mut Decapsulator, datagram: &[u8]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    decapsulator.take(datagram, Timestamp(7), |segment| {
        assert_eq!(
            (segment.direction, segment.time),
            (Direction::Request, Timestamp(7))
        );
        payloads.push(segment.payload.to_vec());
    });
    payloads
}

fn get(server: &str) -> Packet {
    let client = if server.starts_with('[') {
        "[fd00::1]:4000"
    } else {
        "10.1.2.3:4000"
    };
    request(client, server, b"GET")
}

#[test]
fn packets_of_both_families_come_out_of_datagrams() {
    let mut any = every();
    for server in ["10.0.0.1:80", "[fd00::2]:80"] {
        assert_eq!(
            take(&mut any, &datagram(5, &get(server).frame())),
            [b"GET".to_vec()]
        );
    }
    assert!(take(&mut any, &datagram(5, &get("10.0.0.1:81").frame())).is_empty());
    let counts = any.counts();
    assert_eq!((counts.datagrams, counts.packets.selected), (3, 2));
    assert_eq!(counts.packets.not_selected, 1);
}

#[test]
fn a_jumbo_frame_is_taken_whole() {
    let body = payload(8900);
    let frame = request("10.1.2.3:4000", "10.0.0.1:80", &body).frame();
    assert_eq!(take(&mut every(), &datagram(5, &frame)), [body]);
}

#[test]
fn only_the_addresses_that_are_named_are_taken() {
    let scope = LiveScope::Addresses(vec!["10.0.0.1".parse().unwrap()]);
    let mut decapsulator = decapsulator(&[live(scope, &[80]), live(LiveScope::Any, &[8080])], &[], &[]);
    let mut count = |server| take(&mut decapsulator, &datagram(1, &get(server).frame())).len();
    assert_eq!(count("10.0.0.1:80"), 1);
    assert_eq!(count("10.0.0.2:80"), 0);
    assert_eq!(count("10.0.0.2:8080"), 1);
    let counts = decapsulator.counts().packets;
    assert_eq!((counts.packets, counts.selected, counts.not_selected), (3, 2, 1));
}

#[test]
fn networks_are_taken_by_name_or_all_but_some() {
    let of = |taken: &[u32], left_out: &[u32]| {
        let mut decapsulator = decapsulator(&[live(LiveScope::Any, &[80])], taken, left_out);
        let frame = get("10.0.0.1:80").frame();
        let seen = [1, 2, 0xff_ffff].map(|vni| take(&mut decapsulator, &datagram(vni, &frame)).len());
        assert_eq!(
            decapsulator.counts().other_vni,
            3 - seen.iter().sum::<usize>() as u64
        );
        seen
    };
    assert_eq!(of(&[], &[]), [1, 1, 1]);
    assert_eq!(of(&[1, 0xff_ffff], &[]), [1, 0, 1]);
    assert_eq!(of(&[], &[2]), [1, 0, 1]);
    assert_eq!(of(&[1, 2], &[2]), [1, 0, 0]);
}

#[test]
fn what_a_session_cut_off_is_a_gap_and_its_fin_comes_behind_it() {
    let packet = Packet {
        flags: TcpFlags(0x19),
        ..request("10.1.2.3:4000", "10.0.0.1:80", b"0123456789")
    };
    let frame = packet.frame();
    let mut any = every();
    let mut seen = Vec::new();
    any.take(&datagram(1, &frame[..frame.len() - 4]), Timestamp(1), |segment| {
        seen.push((
            segment.sequence,
            segment.payload.len(),
            segment.flags.contains(TcpFlags::FIN),
        ));
    });
    assert_eq!(seen, [(1000, 6, false), (1010, 0, true)]);
    assert_eq!(any.counts().packets.cut_bytes, 4);
}

#[test]
fn tags_inside_are_chosen_like_any() {
    let vlan = |vlans| {
        let mut any = every();
        any.frames.vlans = vlans;
        let tagged = Packet {
            tags: vec![0x8100],
            ..get("10.0.0.1:80")
        };
        [get("10.0.0.1:80"), tagged].map(|packet| take(&mut any, &datagram(1, &packet.frame())).len())
    };
    assert_eq!(vlan(VlanScope::Any), [1, 1]);
    assert_eq!(vlan(VlanScope::These([100].into())), [0, 1]);
}

#[test]
fn what_is_not_vxlan_and_what_comes_in_a_pause_is_counted() {
    let mut any = every();
    assert!(take(&mut any, b"").is_empty());
    assert!(take(&mut any, &[8, 0, 0, 0, 0, 0, 1]).is_empty());
    assert!(take(&mut any, &[0; 100]).is_empty());
    assert!(take(&mut any, &datagram(1, b"")).is_empty());
    any.skip_datagram();
    let counts = any.counts();
    assert_eq!((counts.datagrams, counts.not_vxlan, counts.paused), (5, 3, 1));
    assert_eq!(counts.packets.headers_cut, 1);
}

proptest! {
    #[test]
    fn any_datagram_ends_in_one_count(bytes in prop::collection::vec(any::<u8>(), 0..200), vxlan: bool) {
        let mut decapsulator = every();
        let bytes = if vxlan { datagram(1, &bytes) } else { bytes };
        take_any(&mut decapsulator, &bytes);
        let counts = decapsulator.counts();
        prop_assert_eq!(counts.not_vxlan + counts.other_vni + counts.paused + counts.packets.packets, 1);
        prop_assert!(counts.packets.balanced());
    }
}

fn take_any(decapsulator: &mut Decapsulator, datagram: &[u8]) {
    decapsulator.take(datagram, Timestamp(7), |_| {});
}
