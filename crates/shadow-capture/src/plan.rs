//! The plan of what to attach to and which endpoints to watch, worked out from the inputs and the interfaces of the moment.
//!
//! A packet should be seen once. So loopback is watched as it receives only (each packet passes it twice), a
//! bridge and not its ports, an interface and not the VLANs on it. Where one is seen twice all the same (an address
//! behind a bridge, asked from outside), reassembly drops the second copy.
//!
//! Both directions are always watched: where responses are not tracked, the programs pass of a server's packets those
//! that open or end a connection, so that what no server accepted can be told from what one did.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use shadow_common::{Address, MatchOn, PodKey, Side, TargetKey};
use shadow_tcp::{BpfFilter, Endpoint};

use super::interfaces::{Interface, matches};
use super::pod_cgroups::PodCgroup;
use super::settings::{LiveInput, LiveScope};

/// A pod whose sockets are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodTarget {
    /// The pod's cgroup.
    pub cgroup: PodCgroup,
    /// Server ports.
    pub ports: Vec<u16>,
}

/// One program on one side of one interface. The interface's name is no part of it: that may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attachment {
    /// Index of the interface.
    pub index: u32,
    /// Whether its packets begin with an Ethernet header.
    pub ethernet: bool,
    /// The side.
    pub side: Side,
}

/// Everything that shall be attached and watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// With the names of the interfaces at the moment. Empty for the cgroup engine.
    pub attachments: BTreeMap<Attachment, String>,
    /// The endpoints, and on which sides their packets are taken.
    pub targets: BTreeMap<TargetKey, MatchOn>,
}

/// The plan for the `tc` engine.
pub fn on_interfaces(inputs: &[LiveInput], interfaces: &[Interface]) -> Plan {
    let mut planner = Planner {
        interfaces,
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

/// The plan for the `cgroup` engine: sockets have no interface. Interface patterns must have been refused before.
pub fn on_sockets(inputs: &[LiveInput]) -> Plan {
    let mut plan = Plan::default();
    for input in inputs {
        match &input.scope {
            LiveScope::Any => plan.watch(Address::ANY, &input.ports, 0, ON_SOCKET),
            LiveScope::Addresses(addresses) => {
                for address in addresses {
                    plan.watch(key(*address), &input.ports, 0, ON_SOCKET);
                }
            }
            LiveScope::Interfaces(_) => {}
        }
    }
    plan
}

/// The pods to be watched, and the bits of the levels where their cgroups are.
pub fn on_pods(pods: &[PodTarget]) -> (BTreeMap<PodKey, MatchOn>, u32) {
    let mut keys = BTreeMap::new();
    let mut levels = 0;
    for pod in pods {
        levels |= pod.cgroup.levels;
        keys.extend(
            pod.ports
                .iter()
                .map(|port| (PodKey::new(pod.cgroup.id, *port), ON_SOCKET)),
        );
    }
    (keys, levels)
}

/// Requests are what a socket receives, responses what it sends.
const ON_SOCKET: MatchOn = MatchOn::requests(Side::Ingress).and(MatchOn::responses(Side::Egress));

/// Loopback receives both.
const ON_LOOPBACK: MatchOn = MatchOn::requests(Side::Ingress).and(MatchOn::responses(Side::Ingress));

impl Plan {
    /// Takes out the targets that the expression takes no connection to.
    pub fn narrow(&mut self, filter: &BpfFilter) {
        self.targets.retain(|key, _| {
            let end = Endpoint {
                address: key.address.octets(),
                port: key.port(),
            };
            let address = (key.address != Address::ANY).then(|| end.socket_addr().ip());
            filter.may_take(address, Some(key.port()))
        });
    }

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
        let attachment = Attachment {
            index: interface.index,
            ethernet: interface.ethernet,
            side,
        };
        self.attachments.insert(attachment, interface.name.clone());
    }
}

struct Planner<'a> {
    interfaces: &'a [Interface],
    plan: Plan,
}

impl<'a> Planner<'a> {
    /// Any address of this host.
    fn any(&mut self, ports: &[u16]) {
        self.attach_everywhere();
        for address in self.local_addresses() {
            if !address.is_loopback() {
                self.watch_local(address, ports);
            }
        }
        // All of 127.0.0.0/8, and whatever else is routed to loopback.
        self.watch_on_loopback(Address::ANY, ports);
    }

    fn address(&mut self, address: IpAddr, ports: &[u16]) {
        let address = address.to_canonical();
        if address.is_unspecified() {
            return self.any(ports);
        }
        if address.is_loopback() {
            return self.watch_on_loopback(key(address), ports);
        }
        self.attach_everywhere();
        if self.local_addresses().contains(&address) {
            self.watch_local(address, ports);
        } else {
            // The address of a container or virtual machine: its packets leave by the interface before it. Frames to
            // it need not be for this host's hardware address (macvlan; a bridge that does not route).
            let on = MatchOn::requests(Side::Ingress)
                .and(MatchOn::requests(Side::Egress))
                .and(MatchOn::REQUESTS_TO_OTHERS)
                .and(MatchOn::responses(Side::Ingress))
                .and(MatchOn::responses(Side::Egress))
                .and(MatchOn::RESPONSES_TO_OTHERS);
            self.plan.watch(key(address), ports, 0, on);
        }
    }

    /// Watches what passes some interfaces, whatever its IP address. A network card is asked for what is sent to this host
    /// alone, not for what it sees besides in promiscuous mode; before containers and on ports of bridges, frames to
    /// others are what is forwarded, and meant.
    fn pattern(&mut self, pattern: &str, ports: &[u16]) {
        let interfaces = self.interfaces;
        for interface in interfaces
            .iter()
            .filter(|one| one.up && matches(pattern, &one.name))
        {
            if interface.loopback {
                self.plan.attach(interface, Side::Ingress);
                self.plan.watch(Address::ANY, ports, interface.index, ON_LOOPBACK);
                continue;
            }
            self.plan.attach(interface, Side::Ingress);
            self.plan.attach(interface, Side::Egress);
            let mut on = MatchOn::requests(Side::Ingress).and(MatchOn::responses(Side::Egress));
            if interface.faces_guests() {
                on = on
                    .and(MatchOn::requests(Side::Egress))
                    .and(MatchOn::responses(Side::Ingress));
            }
            if interface.forwards_frames() {
                on = on
                    .and(MatchOn::REQUESTS_TO_OTHERS)
                    .and(MatchOn::RESPONSES_TO_OTHERS);
            }
            self.plan.watch(Address::ANY, ports, interface.index, on);
            self.clients_of_this_host(interface, ports);
        }
    }

    /// Watches what this host says to itself. A packet to 127.0.0.0/8 or `::1` that comes by any other interface is forged,
    /// and the kernel drops it (RFC 1122 section 3.2.1.3; the agent is not made for `route_localnet`).
    fn watch_on_loopback(&mut self, address: Address, ports: &[u16]) {
        for one in self.interfaces.iter().filter(|one| one.is_local() && one.up) {
            self.plan.attach(one, Side::Ingress);
            self.plan.watch(address, ports, one.index, ON_LOOPBACK);
        }
    }

    /// A client on this host that asks an interface's address goes by way of loopback.
    fn clients_of_this_host(&mut self, interface: &Interface, ports: &[u16]) {
        for lo in self.interfaces.iter().filter(|one| one.loopback && one.up) {
            self.plan.attach(lo, Side::Ingress);
            for address in &interface.addresses {
                self.plan.watch(key(*address), ports, lo.index, ON_LOOPBACK);
            }
        }
    }

    /// An address of this host: its requests are received by any interface, loopback included.
    fn watch_local(&mut self, address: IpAddr, ports: &[u16]) {
        // Loopback receives the responses too; elsewhere a packet from our own address is not received.
        let on = ON_LOOPBACK.and(MatchOn::responses(Side::Egress));
        self.plan.watch(key(address), ports, 0, on);
    }

    fn attach_everywhere(&mut self) {
        for interface in self.vantage_points() {
            self.plan.attach(interface, Side::Ingress);
            self.plan.attach(interface, Side::Egress);
        }
    }

    /// The interfaces that together see each packet of this host, once as far as may be.
    fn vantage_points(&self) -> impl Iterator<Item = &'a Interface> + use<'a> {
        let interfaces = self.interfaces;
        let outermost = |one: &Interface| one.up && !one.enslaved();
        interfaces.iter().filter(move |one| {
            let on_another = one.lower.is_some_and(|lower| {
                interfaces.iter().any(|other| {
                    // Frames to a VLAN's own hardware address are another host's to the interface below it.
                    other.index == lower && outermost(other) && other.hardware == one.hardware
                })
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
