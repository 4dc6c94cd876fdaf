//! Planning what to attach to and what to watch, for each kind of input on a made-up host. Needs no root.

use std::collections::BTreeMap;

use shadow_common::Side;

use super::super::interfaces::Interface;
use super::super::plan::{Plan, on_interfaces, on_sockets};
use crate::{LiveInput, LiveScope};

const REQUESTS_IN: u32 = 1;
const REQUESTS_OUT: u32 = 2;
const RESPONSES_IN: u32 = 4;
const RESPONSES_OUT: u32 = 8;
const REQUESTS_TO_OTHERS: u32 = 16;
const RESPONSES_TO_OTHERS: u32 = 32;

/// The directions that loopback and any other address of this host take.
const ON_LOOPBACK: u32 = REQUESTS_IN | RESPONSES_IN;
const LOCAL: u32 = REQUESTS_IN | RESPONSES_IN | RESPONSES_OUT;
const BOTH_WAYS: u32 =
    REQUESTS_IN | REQUESTS_OUT | RESPONSES_IN | RESPONSES_OUT | REQUESTS_TO_OTHERS | RESPONSES_TO_OTHERS;

/// The outermost interfaces of [`host`], both sides; loopback receives what it sends.
const EVERYWHERE: [(&str, &str); 5] = [
    ("lo", "in"),
    ("eth0", "in"),
    ("eth0", "out"),
    ("br0", "in"),
    ("br0", "out"),
];

fn interface(index: u32, name: &str, kind: &str, addresses: &[&str]) -> Interface {
    Interface {
        name: name.to_owned(),
        index,
        kind: kind.to_owned(),
        ethernet: true,
        loopback: name == "lo",
        up: true,
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        ..Interface::default()
    }
}

/// A host with a network card, a VLAN on it, a bridge with a container's veth, and a card that is down.
fn host() -> Vec<Interface> {
    vec![
        interface(1, "lo", "", &["127.0.0.1", "::1"]),
        Interface {
            default_route: true,
            ..interface(2, "eth0", "", &["10.0.0.5"])
        },
        Interface {
            lower: Some(2),
            ..interface(3, "eth0.7", "vlan", &["10.7.0.5"])
        },
        interface(4, "br0", "bridge", &["172.17.0.1"]),
        Interface {
            master: "bridge".to_owned(),
            ..interface(5, "veth1", "veth", &[])
        },
        Interface {
            up: false,
            ..interface(6, "eth1", "", &[])
        },
    ]
}

fn input(scope: LiveScope) -> [LiveInput; 1] {
    [LiveInput {
        scope,
        ports: vec![80],
    }]
}

fn pattern(pattern: &str) -> [LiveInput; 1] {
    input(LiveScope::Interfaces(pattern.to_owned()))
}

fn attached(plan: &Plan) -> Vec<(&str, &str)> {
    plan.attachments
        .iter()
        .map(|(one, name)| {
            (
                name.as_str(),
                if one.side == Side::Ingress { "in" } else { "out" },
            )
        })
        .collect()
}

/// Targets as `address@ifindex` with their bits.
fn watched(plan: &Plan) -> BTreeMap<String, u32> {
    plan.targets
        .iter()
        .map(|(target, on)| {
            let address = std::net::Ipv6Addr::from(target.address.octets()).to_canonical();
            assert_eq!(target.port(), 80);
            (format!("{address}@{}", target.ifindex()), on.0)
        })
        .collect()
}

fn targets(targets: &[(&str, u32)]) -> BTreeMap<String, u32> {
    targets
        .iter()
        .map(|(target, on)| ((*target).to_owned(), *on))
        .collect()
}

#[test]
fn any_address_is_each_of_this_host_and_all_of_loopback() {
    let plan = on_interfaces(&input(LiveScope::Any), &host());
    assert_eq!(attached(&plan), EVERYWHERE);
    assert_eq!(
        watched(&plan),
        targets(&[
            ("10.0.0.5@0", LOCAL),
            ("10.7.0.5@0", LOCAL),
            ("172.17.0.1@0", LOCAL),
            ("::@1", ON_LOOPBACK)
        ])
    );
}

#[test]
fn an_address_of_this_host_is_received_wherever_it_is() {
    let scope = LiveScope::Addresses(vec!["10.0.0.5".parse().unwrap()]);
    let plan = on_interfaces(&input(scope), &host());
    assert_eq!(attached(&plan), EVERYWHERE);
    assert_eq!(watched(&plan), targets(&[("10.0.0.5@0", LOCAL)]));
}

#[test]
fn a_loopback_address_is_watched_on_loopback_alone() {
    let addresses = ["127.0.0.9", "::1", "::ffff:127.0.0.1"];
    let scope = LiveScope::Addresses(addresses.map(|one| one.parse().unwrap()).to_vec());
    let plan = on_interfaces(&input(scope.clone()), &host());
    let on = ON_LOOPBACK;
    assert_eq!(attached(&plan), [("lo", "in")]);
    assert_eq!(
        watched(&plan),
        targets(&[("127.0.0.9@1", on), ("::1@1", on), ("127.0.0.1@1", on)])
    );
    // A VRF has a loopback of its own.
    let mut host = host();
    host.push(interface(7, "red", "vrf", &["127.0.0.1"]));
    let plan = on_interfaces(&input(scope), &host);
    assert_eq!(attached(&plan), [("lo", "in"), ("red", "in")]);
    assert_eq!(watched(&plan)["127.0.0.9@7"], ON_LOOPBACK);
}

#[test]
fn an_address_behind_this_host_is_seen_both_ways_on_both_sides() {
    let scope = LiveScope::Addresses(vec!["172.17.0.2".parse().unwrap()]);
    let plan = on_interfaces(&input(scope), &host());
    assert_eq!(attached(&plan), EVERYWHERE);
    assert_eq!(watched(&plan), targets(&[("172.17.0.2@0", BOTH_WAYS)]));
}

#[test]
fn the_unspecified_address_is_any() {
    let scope = LiveScope::Addresses(vec!["0.0.0.0".parse().unwrap()]);
    assert_eq!(
        on_interfaces(&input(scope), &host()),
        on_interfaces(&input(LiveScope::Any), &host())
    );
}

#[test]
fn an_interface_and_its_addresses_on_loopback_are_watched() {
    let plan = on_interfaces(&pattern("eth0"), &host());
    assert_eq!(attached(&plan), [("lo", "in"), ("eth0", "in"), ("eth0", "out")]);
    assert_eq!(
        watched(&plan),
        targets(&[("::@2", REQUESTS_IN | RESPONSES_OUT), ("10.0.0.5@1", ON_LOOPBACK)])
    );
}

#[test]
fn an_interface_before_a_container_is_watched_both_ways() {
    for name in ["veth*", "br0"] {
        let plan = on_interfaces(&pattern(name), &host());
        assert_eq!(attached(&plan).len(), 3, "{name}");
        assert!(watched(&plan).values().any(|on| *on == BOTH_WAYS));
    }
    let mut host = host();
    // The container's own end of a veth leads to the rest of the world.
    host.push(Interface {
        default_route: true,
        ..interface(7, "veth9", "veth", &[])
    });
    let plan = on_interfaces(&pattern("veth9"), &host);
    assert_eq!(attached(&plan), [("lo", "in"), ("veth9", "in"), ("veth9", "out")]);
    assert_eq!(watched(&plan)["::@7"], REQUESTS_IN | RESPONSES_OUT);
}

#[test]
fn frames_to_other_hosts_are_taken_on_ports_of_bridges() {
    let plan = on_interfaces(&pattern("eth0"), &host());
    assert_eq!(watched(&plan)["::@2"], REQUESTS_IN | RESPONSES_OUT);
    let mut host = host();
    host[1].master = "bridge".to_owned();
    let plan = on_interfaces(&pattern("eth0"), &host);
    let others = REQUESTS_TO_OTHERS | RESPONSES_TO_OTHERS;
    assert_eq!(watched(&plan)["::@2"], REQUESTS_IN | RESPONSES_OUT | others);
}

#[test]
fn an_interface_in_a_vrf_is_watched() {
    let mut host = host();
    host[1].master = "vrf".to_owned();
    let plan = on_interfaces(&input(LiveScope::Any), &host);
    assert!(attached(&plan).contains(&("eth0", "in")), "{plan:?}");
}

#[test]
fn a_vlan_with_a_hardware_address_of_its_own_is_watched() {
    let mut host = host();
    host[2].hardware = vec![2, 0, 0, 0, 0, 7];
    let plan = on_interfaces(&input(LiveScope::Any), &host);
    assert!(attached(&plan).contains(&("eth0.7", "in")), "{plan:?}");
}

#[test]
fn a_new_name_changes_no_attachment() {
    let before = on_interfaces(&input(LiveScope::Any), &host());
    let mut host = host();
    host[1].name = "wan0".to_owned();
    let after = on_interfaces(&input(LiveScope::Any), &host);
    assert!(before.attachments.keys().eq(after.attachments.keys()));
}

#[test]
fn several_inputs_add_up() {
    let inputs = [pattern("lo"), pattern("eth0")].concat();
    let plan = on_interfaces(&inputs, &host());
    assert_eq!(attached(&plan), [("lo", "in"), ("eth0", "in"), ("eth0", "out")]);
    assert_eq!(watched(&plan).len(), 3);
}

#[test]
fn sockets_have_no_interface() {
    let plan = on_sockets(&input(LiveScope::Any));
    assert_eq!(attached(&plan), []);
    assert_eq!(watched(&plan), targets(&[("::@0", REQUESTS_IN | RESPONSES_OUT)]));
}
