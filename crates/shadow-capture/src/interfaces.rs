//! The network interfaces of this host: what kind they are, whose addresses they carry, which match a pattern.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::CaptureError;
use super::netlink::{Requests, attributes, u16_at, u32_at};

/// `struct ifinfomsg`, `struct ifaddrmsg` and `struct rtmsg`.
const LINK_HEAD: usize = 16;
const ADDRESS_HEAD: usize = 8;
const ROUTE_HEAD: usize = 12;

/// Hardware types whose packets begin with an Ethernet header: Ethernet itself, and loopback.
const ARPHRD_ETHER: u16 = libc::ARPHRD_ETHER;
const ARPHRD_LOOPBACK: u16 = libc::ARPHRD_LOOPBACK;

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// The kind of driver that made it (`veth`, `bridge`, `tun`, `vlan`, ...); empty for hardware.
    pub kind: String,
    /// Whether its packets begin with an Ethernet header.
    pub ethernet: bool,
    /// Whether it is `lo`.
    pub loopback: bool,
    /// Whether it is administratively up.
    pub up: bool,
    /// Its hardware address.
    pub hardware: Vec<u8>,
    /// The kind of interface that it belongs to (`bridge`, `bond`, `vrf`, ...); empty for none.
    pub master: String,
    /// The interface a VLAN interface stands on.
    pub lower: Option<u32>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether packets to the rest of the world leave by it.
    pub default_route: bool,
}

impl Interface {
    /// Whether it only carries what this host says to itself: loopback, and a VRF device, which is the loopback of
    /// its VRF (what comes from outside passes the interfaces in the VRF and not the device).
    pub fn is_local(&self) -> bool {
        self.loopback || self.kind == "vrf"
    }

    /// Whether its packets pass another interface, which it belongs to, as packets of that one. Those of an interface
    /// in a VRF do not: the VRF's device sees only what this host says to itself. Of other kinds this is not known,
    /// and to see a packet twice does no harm.
    pub fn enslaved(&self) -> bool {
        matches!(self.master.as_str(), "bridge" | "bond" | "team")
    }

    /// Whether what it receives for other hosts' hardware addresses is meant all the same: from a container to
    /// another one on the same bridge, and on any port of a bridge.
    pub fn forwards_frames(&self) -> bool {
        self.faces_guests() || matches!(self.master.as_str(), "bridge" | "openvswitch")
    }

    /// Whether a container or virtual machine is (or may be) behind it: what is sent to it then goes to a server
    /// of this host.
    pub fn faces_guests(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "veth" | "bridge" | "tun" | "openvswitch" | "netkit"
        ) && !self.default_route
    }
}

/// All interfaces of the calling thread's network namespace, by index.
pub fn list() -> Result<Vec<Interface>, CaptureError> {
    let failed = |call| move |source| CaptureError::Interfaces { call, source };
    let mut requests = Requests::new().map_err(failed("socket(AF_NETLINK)"))?;
    let mut interfaces = Vec::new();
    requests
        .dump(libc::RTM_GETLINK, &link_request(), |kind, body| {
            if kind == libc::RTM_NEWLINK {
                interfaces.extend(link(body));
            }
        })
        .map_err(failed("RTM_GETLINK"))?;
    requests
        .dump(libc::RTM_GETADDR, &[0; ADDRESS_HEAD], |kind, body| {
            if kind == libc::RTM_NEWADDR
                && let Some((index, address)) = address(body)
                && let Some(interface) = interfaces
                    .iter_mut()
                    .find(|one: &&mut Interface| one.index == index)
            {
                interface.addresses.push(address);
            }
        })
        .map_err(failed("RTM_GETADDR"))?;
    let outward = default_routes(&mut requests);
    for interface in &mut interfaces {
        interface.default_route = outward.contains(&interface.index);
    }
    interfaces.sort_by_key(|interface| interface.index);
    Ok(interfaces)
}

/// Whether `name` matches `pattern`, in which `*` stands for any run of characters.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// All links, without their statistics.
fn link_request() -> [u8; LINK_HEAD + 8] {
    const IFLA_EXT_MASK: u16 = 29;
    const RTEXT_FILTER_SKIP_STATS: u32 = 8;
    let mut body = [0; LINK_HEAD + 8];
    body[LINK_HEAD..LINK_HEAD + 2].copy_from_slice(&8_u16.to_ne_bytes());
    body[LINK_HEAD + 2..LINK_HEAD + 4].copy_from_slice(&IFLA_EXT_MASK.to_ne_bytes());
    body[LINK_HEAD + 4..].copy_from_slice(&RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
    body
}

/// An `RTM_NEWLINK` body: `struct ifinfomsg` and attributes.
fn link(body: &[u8]) -> Option<Interface> {
    let hardware = u16_at(body, 2)?;
    let flags = u32_at(body, 8)?;
    let mut interface = Interface {
        index: u32_at(body, 4)?,
        ethernet: matches!(hardware, ARPHRD_ETHER | ARPHRD_LOOPBACK),
        loopback: hardware == ARPHRD_LOOPBACK,
        up: flags & libc::IFF_UP as u32 != 0,
        ..Interface::default()
    };
    let mut link = None;
    for (kind, value) in attributes(body, LINK_HEAD) {
        match kind {
            libc::IFLA_IFNAME => interface.name = text(value),
            libc::IFLA_ADDRESS => interface.hardware = value.to_vec(),
            libc::IFLA_LINK => link = u32_at(value, 0),
            libc::IFLA_LINKINFO => {
                for (kind, value) in attributes(value, 0) {
                    match kind {
                        libc::IFLA_INFO_KIND => interface.kind = text(value),
                        libc::IFLA_INFO_SLAVE_KIND => interface.master = text(value),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    // For other kinds the link may be a peer, or in another namespace.
    if interface.kind == "vlan" {
        interface.lower = link;
    }
    (!interface.name.is_empty()).then_some(interface)
}

/// An `RTM_NEWADDR` body: `struct ifaddrmsg` and attributes.
fn address(body: &[u8]) -> Option<(u32, IpAddr)> {
    let mut found = None;
    for (kind, value) in attributes(body, ADDRESS_HEAD) {
        // On a point-to-point link IFA_ADDRESS is the far end and IFA_LOCAL ours; elsewhere they are the same, and
        // IPv6 has IFA_ADDRESS alone.
        if kind == libc::IFA_LOCAL || kind == libc::IFA_ADDRESS && found.is_none() {
            found = ip(value);
        }
    }
    Some((u32_at(body, 4)?, found?))
}

/// The interfaces by which packets to the rest of the world leave, asked by way of an address that is nobody's
/// (RFC 5737, RFC 3849): the whole table may hold a million routes.
fn default_routes(requests: &mut Requests) -> BTreeSet<u32> {
    let anyone: [(u8, &[u8]); 2] = [
        (libc::AF_INET as u8, &Ipv4Addr::new(192, 0, 2, 1).octets()),
        (
            libc::AF_INET6 as u8,
            &Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets(),
        ),
    ];
    anyone
        .into_iter()
        .filter_map(|(family, destination)| route(requests, family, destination).ok().flatten())
        .collect()
}

fn route(requests: &mut Requests, family: u8, destination: &[u8]) -> io::Result<Option<u32>> {
    let mut body = vec![0; ROUTE_HEAD];
    body[0] = family;
    body[1] = destination.len() as u8 * 8;
    body.extend_from_slice(&(destination.len() as u16 + 4).to_ne_bytes());
    body.extend_from_slice(&libc::RTA_DST.to_ne_bytes());
    body.extend_from_slice(destination);
    let answer = requests.get(libc::RTM_GETROUTE, &body)?;
    Ok(attributes(&answer, ROUTE_HEAD)
        .find(|(kind, _)| *kind == libc::RTA_OIF)
        .and_then(|(_, value)| u32_at(value, 0)))
}

/// A string attribute, which ends in a zero byte.
fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(value) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(value).ok().map(IpAddr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name) in [
            ("eth0", "eth0"),
            ("veth*", "veth"),
            ("veth*", "veth12ab"),
            ("*", "lo"),
            ("*0", "eth0"),
            ("e*h*0", "eth0"),
            ("a*a*a", "abaca"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("eth0", "eth01"),
            ("eth0", "eth"),
            ("veth*", "xveth0"),
            ("*0", "eth1"),
            ("a*a", "a"),
            ("e*h*0", "eth1"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn loopback_is_listed_with_its_address() {
        let interfaces = list().unwrap();
        let lo = interfaces.iter().find(|one| one.loopback).unwrap();
        assert_eq!((lo.name.as_str(), lo.index, lo.ethernet), ("lo", 1, true));
        assert!(lo.addresses.contains(&IpAddr::from([127, 0, 0, 1])), "{lo:?}");
        assert!(!lo.default_route && !lo.enslaved());
    }

    /// An attribute of a netlink message; values here need no padding.
    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        assert_eq!(value.len() % 4, 0);
        let length = (4 + value.len()) as u16;
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat()
    }

    #[test]
    fn an_interface_in_a_vrf_is_captured_and_one_in_a_bridge_not() {
        for (master, enslaved) in [
            (b"vrf\0", false),
            (b"bond", true),
            (b"team", true),
            (b"hsr\0", false),
        ] {
            let info = [attribute(1, b"veth"), attribute(4, master)].concat();
            let body = [
                vec![0; LINK_HEAD],
                attribute(libc::IFLA_IFNAME, b"eth0"),
                attribute(libc::IFLA_MASTER, &9_u32.to_ne_bytes()),
                attribute(libc::IFLA_LINKINFO, &info),
            ]
            .concat();
            let read = link(&body).unwrap();
            assert_eq!(read.kind, "veth");
            assert_eq!(read.enslaved(), enslaved, "{}", read.master);
        }
    }

    #[test]
    fn the_near_end_of_a_point_to_point_link_is_ours() {
        let mut body = vec![2, 32, 0, 0, 9, 0, 0, 0];
        body.extend_from_slice(&[8, 0, 1, 0, 10, 0, 0, 2]);
        body.extend_from_slice(&[8, 0, 2, 0, 10, 0, 0, 1]);
        assert_eq!(address(&body), Some((9, IpAddr::from([10, 0, 0, 1]))));
    }
}
