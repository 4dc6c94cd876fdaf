//! What to attach to and which endpoints to watch, worked out from the inputs and the interfaces of the moment.
//!
//! A packet should be seen once. So loopback is watched as it receives only (each packet passes it twice), a
//! bridge and not its ports, an interface and not the VLANs on it. Where one is seen twice all the same (an address
//! behind a bridge, asked from outside), reassembly drops the second copy.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use shadow_common::{Address, MatchOn, Side, TargetKey};

use super::interfaces::{Interface, matches};
use crate::settings::LiveScope;
use crate::tcp::Endpoint;

/// A live input: what is watched, and its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveInput {
    /// What is watched.
    pub scope: LiveScope,
    /// Server ports.
    pub ports: Vec<u16>,
}

/// One program on one side of one interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attachment {
    /// Index of the interface.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether its packets begin with an Ethernet header.
    pub ethernet: bool,
    /// The side.
    pub side: Side,
}

/// What shall be attached and watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Empty for the cgroup engine.
    pub attachments: BTreeSet<Attachment>,
    /// The endpoints, and on which sides their packets are taken.
    pub targets: BTreeMap<TargetKey, MatchOn>,
}

/// The plan for the `tc` engine.
pub fn on_interfaces(inputs: &[LiveInput], interfaces: &[Interface], responses: bool) -> Plan {
    let mut planner = Planner {
        interfaces,
        responses,
        plan: Plan::default(),
    };
    for input in inputs {
        match &input.scope {
            LiveScope::Any => planner.any(&input.ports),
            LiveScope::Addresses(addresses) => {
                for address in addresses {
                    planner.address(*address, &input.ports);
                }
            }
            LiveScope::Interfaces(pattern) => planner.pattern(pattern, &input.ports),
        }
    }
    planner.plan
}

/// The plan for the `cgroup` engine: sockets have no interface, requests are what they receive and responses what
/// they send. Interface patterns must have been refused before.
pub fn on_sockets(inputs: &[LiveInput], responses: bool) -> Plan {
    let mut on = MatchOn::requests(Side::Ingress);
    if responses {
        on = on.and(MatchOn::responses(Side::Egress));
    }
    let mut plan = Plan::default();
    for input in inputs {
        match &input.scope {
            LiveScope::Any => plan.watch(Address::ANY, &input.ports, 0, on),
            LiveScope::Addresses(addresses) => {
                for address in addresses {
                    plan.watch(key(*address), &input.ports, 0, on);
                }
            }
            LiveScope::Interfaces(_) => {}
        }
    }
    plan
}

impl Plan {
    fn watch(&mut self, address: Address, ports: &[u16], index: u32, on: MatchOn) {
        for port in ports {
            let entry = self
                .targets
                .entry(TargetKey::new(address, *port, index))
                .or_default();
            *entry = entry.and(on);
        }
    }

    fn attach(&mut self, interface: &Interface, side: Side) {
        // Loopback receives what it sends.
        if interface.loopback && side == Side::Egress {
            return;
        }
        self.attachments.insert(Attachment {
            index: interface.index,
            name: interface.name.clone(),
            ethernet: interface.ethernet,
            side,
        });
    }
}

struct Planner<'a> {
    interfaces: &'a [Interface],
    responses: bool,
    plan: Plan,
}

impl<'a> Planner<'a> {
    /// Any address of this host.
    fn any(&mut self, ports: &[u16]) {
        self.attach_everywhere(Side::Ingress);
        if self.responses {
            self.attach_everywhere(Side::Egress);
        }
        for address in self.local_addresses() {
            self.watch_local(address, ports);
        }
        // All of 127.0.0.0/8, and whatever else is routed to loopback.
        for lo in self.interfaces.iter().filter(|one| one.loopback) {
            self.plan.watch(Address::ANY, ports, lo.index, self.on_loopback());
        }
    }

    fn address(&mut self, address: IpAddr, ports: &[u16]) {
        if address.is_unspecified() {
            return self.any(ports);
        }
        let local = address.is_loopback() || self.local_addresses().contains(&address);
        self.attach_everywhere(Side::Ingress);
        if local {
            if self.responses {
                self.attach_everywhere(Side::Egress);
            }
            self.watch_local(address, ports);
        } else {
            // The address of a container or virtual machine: its packets leave by the interface before it.
            self.attach_everywhere(Side::Egress);
            let mut on = MatchOn::requests(Side::Ingress).and(MatchOn::requests(Side::Egress));
            if self.responses {
                on = on
                    .and(MatchOn::responses(Side::Ingress))
                    .and(MatchOn::responses(Side::Egress));
            }
            self.plan.watch(key(address), ports, 0, on);
        }
    }

    /// What passes some interfaces, whatever its address.
    fn pattern(&mut self, pattern: &str, ports: &[u16]) {
        let interfaces = self.interfaces;
        for interface in interfaces
            .iter()
            .filter(|one| one.up && matches(pattern, &one.name))
        {
            if interface.loopback {
                self.plan.attach(interface, Side::Ingress);
                self.plan
                    .watch(Address::ANY, ports, interface.index, self.on_loopback());
                continue;
            }
            self.plan.attach(interface, Side::Ingress);
            let mut on = MatchOn::requests(Side::Ingress);
            if self.responses {
                on = on.and(MatchOn::responses(Side::Egress));
            }
            if interface.faces_guests() {
                on = on.and(MatchOn::requests(Side::Egress));
                if self.responses {
                    on = on.and(MatchOn::responses(Side::Ingress));
                }
            }
            if self.responses || interface.faces_guests() {
                self.plan.attach(interface, Side::Egress);
            }
            self.plan.watch(Address::ANY, ports, interface.index, on);
            self.clients_of_this_host(interface, ports);
        }
    }

    /// A client on this host that asks an interface's address goes by way of loopback.
    fn clients_of_this_host(&mut self, interface: &Interface, ports: &[u16]) {
        for lo in self.interfaces.iter().filter(|one| one.loopback && one.up) {
            self.plan.attach(lo, Side::Ingress);
            for address in &interface.addresses {
                self.plan
                    .watch(key(*address), ports, lo.index, self.on_loopback());
            }
        }
    }

    /// An address of this host: its requests are received by any interface, loopback included.
    fn watch_local(&mut self, address: IpAddr, ports: &[u16]) {
        let mut on = MatchOn::requests(Side::Ingress);
        if self.responses {
            on = on.and(MatchOn::responses(Side::Egress));
            // Loopback receives the responses too; elsewhere a packet from our own address is not received.
            on = on.and(MatchOn::responses(Side::Ingress));
        }
        self.plan.watch(key(address), ports, 0, on);
    }

    fn on_loopback(&self) -> MatchOn {
        let on = MatchOn::requests(Side::Ingress);
        if self.responses {
            on.and(MatchOn::responses(Side::Ingress))
        } else {
            on
        }
    }

    fn attach_everywhere(&mut self, side: Side) {
        for interface in self.vantage_points() {
            self.plan.attach(interface, side);
        }
    }

    /// The interfaces that together see each packet of this host, once as far as may be.
    fn vantage_points(&self) -> impl Iterator<Item = &'a Interface> + use<'a> {
        let interfaces = self.interfaces;
        let outermost = |one: &Interface| one.up && !one.enslaved;
        interfaces.iter().filter(move |one| {
            let on_another = one.lower.is_some_and(|lower| {
                interfaces
                    .iter()
                    .any(|other| other.index == lower && outermost(other))
            });
            outermost(one) && !on_another
        })
    }

    fn local_addresses(&self) -> BTreeSet<IpAddr> {
        self.interfaces
            .iter()
            .flat_map(|interface| interface.addresses.iter().copied())
            .collect()
    }
}

fn key(address: IpAddr) -> Address {
    Address::from_octets(Endpoint::from(std::net::SocketAddr::new(address, 0)).address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS_IN: u32 = 1;
    const REQUESTS_OUT: u32 = 2;
    const RESPONSES_IN: u32 = 4;
    const RESPONSES_OUT: u32 = 8;

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
                enslaved: true,
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
            .map(|one| {
                (
                    one.name.as_str(),
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
        let plan = on_interfaces(&input(LiveScope::Any), &host(), false);
        assert_eq!(attached(&plan), [("lo", "in"), ("eth0", "in"), ("br0", "in")]);
        let local = [
            "10.0.0.5@0",
            "10.7.0.5@0",
            "127.0.0.1@0",
            "172.17.0.1@0",
            "::1@0",
            "::@1",
        ];
        assert_eq!(
            watched(&plan),
            targets(&local.map(|target| (target, REQUESTS_IN)))
        );
    }

    #[test]
    fn responses_leave_by_the_other_side_except_on_loopback() {
        let plan = on_interfaces(&input(LiveScope::Any), &host(), true);
        assert_eq!(
            attached(&plan),
            [
                ("lo", "in"),
                ("eth0", "in"),
                ("eth0", "out"),
                ("br0", "in"),
                ("br0", "out")
            ]
        );
        let watched = watched(&plan);
        assert_eq!(watched["10.0.0.5@0"], REQUESTS_IN | RESPONSES_IN | RESPONSES_OUT);
        assert_eq!(watched["::@1"], REQUESTS_IN | RESPONSES_IN);
    }

    #[test]
    fn an_address_of_this_host_is_received_wherever_it_is() {
        let scope = LiveScope::Addresses(vec!["10.0.0.5".parse().unwrap(), "127.0.0.9".parse().unwrap()]);
        let plan = on_interfaces(&input(scope), &host(), false);
        assert_eq!(attached(&plan), [("lo", "in"), ("eth0", "in"), ("br0", "in")]);
        assert_eq!(
            watched(&plan),
            targets(&[("10.0.0.5@0", REQUESTS_IN), ("127.0.0.9@0", REQUESTS_IN)])
        );
    }

    #[test]
    fn an_address_behind_this_host_is_seen_as_it_leaves_too() {
        let scope = LiveScope::Addresses(vec!["172.17.0.2".parse().unwrap()]);
        let plan = on_interfaces(&input(scope), &host(), false);
        assert_eq!(
            attached(&plan),
            [
                ("lo", "in"),
                ("eth0", "in"),
                ("eth0", "out"),
                ("br0", "in"),
                ("br0", "out")
            ]
        );
        assert_eq!(
            watched(&plan),
            targets(&[("172.17.0.2@0", REQUESTS_IN | REQUESTS_OUT)])
        );
    }

    #[test]
    fn the_unspecified_address_is_any() {
        let scope = LiveScope::Addresses(vec!["0.0.0.0".parse().unwrap()]);
        assert_eq!(
            on_interfaces(&input(scope), &host(), false),
            on_interfaces(&input(LiveScope::Any), &host(), false)
        );
    }

    #[test]
    fn an_interface_is_watched_as_it_receives_and_its_addresses_on_loopback() {
        let plan = on_interfaces(&pattern("eth0"), &host(), false);
        assert_eq!(attached(&plan), [("lo", "in"), ("eth0", "in")]);
        assert_eq!(
            watched(&plan),
            targets(&[("::@2", REQUESTS_IN), ("10.0.0.5@1", REQUESTS_IN)])
        );
    }

    #[test]
    fn requests_of_this_hosts_own_clients_are_not_taken_for_the_responses_side() {
        let plan = on_interfaces(&pattern("eth0"), &host(), true);
        assert_eq!(attached(&plan), [("lo", "in"), ("eth0", "in"), ("eth0", "out")]);
        assert_eq!(
            watched(&plan),
            targets(&[
                ("::@2", REQUESTS_IN | RESPONSES_OUT),
                ("10.0.0.5@1", REQUESTS_IN | RESPONSES_IN)
            ])
        );
    }

    #[test]
    fn an_interface_before_a_container_is_watched_both_ways() {
        for name in ["veth*", "br0"] {
            let plan = on_interfaces(&pattern(name), &host(), false);
            assert_eq!(attached(&plan).len(), 3, "{name}");
            assert!(
                watched(&plan)
                    .values()
                    .any(|on| *on == REQUESTS_IN | REQUESTS_OUT)
            );
        }
        let mut host = host();
        // The container's own end of a veth leads to the rest of the world.
        host.push(Interface {
            default_route: true,
            ..interface(7, "veth9", "veth", &[])
        });
        let plan = on_interfaces(&pattern("veth9"), &host, false);
        assert_eq!(attached(&plan), [("lo", "in"), ("veth9", "in")]);
    }

    #[test]
    fn several_inputs_add_up() {
        let inputs = [pattern("lo"), pattern("eth0")].concat();
        let plan = on_interfaces(&inputs, &host(), false);
        assert_eq!(attached(&plan), [("lo", "in"), ("eth0", "in")]);
        assert_eq!(watched(&plan).len(), 3);
    }

    #[test]
    fn sockets_have_no_interface() {
        let plan = on_sockets(&input(LiveScope::Any), true);
        assert_eq!(attached(&plan), []);
        assert_eq!(watched(&plan), targets(&[("::@0", REQUESTS_IN | RESPONSES_OUT)]));
    }
}
