//! Facts of the machine that a command line refers to: interface names, host names, own addresses.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};

/// The questions that resolving a command line asks; tests answer them without a machine.
pub trait Machine {
    /// Names of the network interfaces in this network namespace, sorted.
    fn interfaces(&self) -> Vec<String>;

    /// All addresses of a host name, IPv4 and IPv6, each once.
    ///
    /// # Errors
    ///
    /// Where the name is not known, or nobody can be asked.
    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;

    /// Whether this machine itself answers at the address.
    fn is_own(&self, address: IpAddr) -> bool;
}

/// The machine this runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisMachine;

impl Machine for ThisMachine {
    fn interfaces(&self) -> Vec<String> {
        // By netlink, not from /sys/class/net: that shows the namespace in which /sys was mounted.
        let mut names: Vec<String> = nix::net::if_::if_nameindex()
            .into_iter()
            .flat_map(|interfaces| {
                let names = interfaces
                    .iter()
                    .map(|interface| interface.name().to_string_lossy().into_owned());
                names.collect::<Vec<_>>()
            })
            .collect();
        names.sort();
        names
    }

    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found: BTreeSet<IpAddr> = (host, 0)
            .to_socket_addrs()?
            .map(|address| address.ip().to_canonical())
            .collect();
        Ok(found.into_iter().collect())
    }

    fn is_own(&self, address: IpAddr) -> bool {
        let own = |interface: nix::ifaddrs::InterfaceAddress| {
            let storage = interface.address?;
            let ip = match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
                (Some(v4), _) => IpAddr::V4(v4.ip()),
                (_, Some(v6)) => IpAddr::V6(v6.ip()),
                _ => return None,
            };
            Some(ip)
        };
        address.is_loopback()
            || nix::ifaddrs::getifaddrs()
                .is_ok_and(|mut interfaces| interfaces.any(|interface| own(interface) == Some(address)))
    }
}

/// A machine for tests: `lo` and `eth0` (10.0.0.5), and a few names.
#[cfg(test)]
pub struct TestMachine;

#[cfg(test)]
impl Machine for TestMachine {
    fn interfaces(&self) -> Vec<String> {
        vec!["eth0".to_owned(), "lo".to_owned()]
    }

    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let addresses: &[&str] = match host {
            "localhost" => &["127.0.0.1", "::1"],
            "me" => &["10.0.0.5"],
            "staging" => &["10.0.0.9"],
            _ => return Err(io::Error::other("Name or service not known")),
        };
        Ok(addresses.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn is_own(&self, address: IpAddr) -> bool {
        address.is_loopback() || address.to_string() == "10.0.0.5"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_loopback_interface_and_its_addresses() {
        assert!(ThisMachine.interfaces().contains(&"lo".to_owned()));
        assert!(ThisMachine.is_own("127.0.0.1".parse().unwrap()));
        assert!(ThisMachine.is_own("127.9.9.9".parse().unwrap()));
        assert!(!ThisMachine.is_own("192.0.2.1".parse().unwrap()));
        let literal = ThisMachine.lookup("192.0.2.7").unwrap();
        assert_eq!(literal, ["192.0.2.7".parse::<IpAddr>().unwrap()]);
    }
}
