//! The address of `--input-raw`: what was typed, and what it means on this machine.
//!
//! | typed | meaning |
//! |---|---|
//! | `:80`, `0.0.0.0:80`, `[::]:80` | any address of this host |
//! | `:80,8080`, `:80, 8080` | several ports |
//! | `:`, `:0`, `eth0:0` | every port: what that comes to is said by `--input-raw-bpf-filter` |
//! | `10.0.0.5:80`, `[::1]:80` | that address |
//! | `localhost:80` | every address of that host name |
//! | `eth0:80`, `veth*:80` | an interface; all that match, also ones that appear later |
//! | `k8s://shop/deployment/web:80` | pods of this node: see [`super::k8s_address`] |
//! | `file.pcap`, `file.pcapng:80` | a capture file; every TCP port when none is given (others: `high/capture_files.rs`) |

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use super::error::Problem;
use super::k8s_address::{self, SCHEME};
use super::machine::Machine;
use crate::settings::{LiveScope, PodSelector, RawInput};

/// An address as typed, checked for its form only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    place: AddressPart,
    /// Ascending, each once; empty for every port.
    ports: Vec<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum AddressPart {
    Any,
    Ip(IpAddr),
    /// An interface's name or a host's: the machine decides.
    Name(String),
    /// An interface name with `*`.
    Pattern(String),
    File(String),
    Pods(PodSelector),
}

/// Longest name of an interface (`IFNAMSIZ` less the final NUL).
const MAX_INTERFACE_NAME: usize = 15;

impl FromStr for Address {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        if let Some(rest) = text.strip_prefix(SCHEME) {
            refuse_limits(rest, text)?;
            return Ok(Self {
                place: AddressPart::Pods(k8s_address::parse(text)?),
                ports: Vec::new(),
            });
        }
        refuse_other_syntax(text)?;
        if is_capture_file(text) {
            return Ok(Self {
                place: AddressPart::File(text.to_owned()),
                ports: Vec::new(),
            });
        }
        let (host, ports) = split(text)?;
        let ports = parse_ports(ports)?;
        let place = if is_capture_file(host) {
            AddressPart::File(host.to_owned())
        } else {
            parse_host(host)?
        };
        Ok(Self { place, ports })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            AddressPart::Any => {}
            AddressPart::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            AddressPart::Ip(ip) => write!(f, "{ip}")?,
            AddressPart::Pods(pods) => f.write_str(&pods.typed)?,
            AddressPart::Name(text) | AddressPart::Pattern(text) | AddressPart::File(text) => {
                f.write_str(text)?;
            }
        }
        if self.ports.is_empty() && !matches!(self.place, AddressPart::File(_) | AddressPart::Pods(_)) {
            f.write_str(":0")?;
        }
        for (index, port) in self.ports.iter().enumerate() {
            write!(f, "{}{port}", if index == 0 { ':' } else { ',' })?;
        }
        Ok(())
    }
}

impl Address {
    /// Resolves the address on `machine`: a name is an interface if there is one, else a host.
    ///
    /// # Errors
    ///
    /// For a name that is neither an interface nor a host that is known.
    pub fn resolve(self, machine: &impl Machine) -> Result<RawInput, Problem> {
        let scope = match self.place {
            AddressPart::Any => LiveScope::Any,
            AddressPart::Ip(ip) => LiveScope::Addresses(vec![ip]),
            AddressPart::Pattern(pattern) => LiveScope::Interfaces(pattern),
            AddressPart::Name(name) => resolve_name(name, machine)?,
            AddressPart::Pods(pods) => return Ok(RawInput::Kubernetes(pods)),
            AddressPart::File(path) => {
                return Ok(RawInput::File {
                    path: PathBuf::from(path),
                    ports: self.ports,
                });
            }
        };
        Ok(RawInput::Live {
            scope,
            ports: self.ports,
        })
    }
}

fn resolve_name(name: String, machine: &impl Machine) -> Result<LiveScope, Problem> {
    let interfaces = machine.interfaces();
    if interfaces.contains(&name) {
        return Ok(LiveScope::Interfaces(name));
    }
    let addresses = machine.lookup(&name).map_err(|error| {
        Problem::new(
            format!(
                "'{name}' is not an interface of this machine, and cannot be resolved as a host name ({error})"
            ),
            format!(
                "interfaces here: {}; for one that will appear later write a pattern such as veth*:80",
                interfaces.join(", ")
            ),
        )
    })?;
    if addresses.iter().any(IpAddr::is_unspecified) {
        return Ok(LiveScope::Any);
    }
    if addresses.is_empty() {
        return Err(Problem::new(
            format!("the host name '{name}' has no address"),
            "write the address itself, such as 10.0.0.5:80",
        ));
    }
    Ok(LiveScope::Addresses(addresses))
}

/// GoReplay decides by the same suffixes.
fn is_capture_file(text: &str) -> bool {
    text.ends_with("pcap") || text.ends_with("pcapng")
}

/// Forms that are no address, such as URLs: named rather than misread.
fn refuse_other_syntax(text: &str) -> Result<(), Problem> {
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(Problem::new(
            format!("'{scheme}://' does not belong here: traffic is captured by address and port"),
            format!("write {}", rest.split('/').next().unwrap_or(":80")),
        ));
    }
    refuse_limits(text, text)
}

/// One limit was taken off the end of the address before: a `|` in it is another. (Labels have no `|` either.)
fn refuse_limits(part: &str, text: &str) -> Result<(), Problem> {
    if part.contains('|') {
        let address = text.split('|').next().unwrap_or_default();
        return Err(Problem::new(
            "an address can have only one limit",
            format!("write a share such as {address}|10% or requests a second such as {address}|100"),
        ));
    }
    Ok(())
}

/// Splits host and ports at the last colon that is not inside brackets.
fn split(text: &str) -> Result<(&str, &str), Problem> {
    let missing_port = |example: String| Problem::new("the port is missing", format!("write {example}"));
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b',') {
        return Err(missing_port(format!(":{text} for that port on any address")));
    }
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Err(missing_port(format!("[{ip}]:80")));
    }
    let Some((host, ports)) = text.rsplit_once(':') else {
        return Err(missing_port(format!("{text}:80")));
    };
    if text.ends_with(']') {
        return Err(missing_port(format!("{text}:80")));
    }
    if host.contains(':') && !host.starts_with('[') {
        return Err(Problem::new(
            "an IPv6 address must stand in brackets",
            format!("write [{host}]:{ports}"),
        ));
    }
    Ok((host, ports))
}

/// The ports; none for every port, which GoReplay writes as `:` or `:0`.
pub(super) fn parse_ports(text: &str) -> Result<Vec<u16>, Problem> {
    if matches!(text.trim(), "" | "0") {
        return Ok(Vec::new());
    }
    let mut ports = text
        .split(',')
        .map(str::trim)
        .map(|port| match parse_port(port) {
            Some(0) => Err(Problem::new(
                "port 0 is not a port",
                "name the ports that production listens on, such as :80,8080",
            )),
            Some(port) => Ok(port),
            None if port.is_empty() => Err(Problem::new(
                "a port is missing",
                "write one port or several with commas, such as :80,8080",
            )),
            None => Err(Problem::new(
                format!("'{port}' is not a port"),
                "write numbers from 1 to 65535 with commas between them, such as :80,8080",
            )),
        })
        .collect::<Result<Vec<u16>, Problem>>()?;
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

/// A number of digits alone: `u16::from_str` would take a sign too.
fn parse_port(text: &str) -> Option<u16> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

fn parse_host(host: &str) -> Result<AddressPart, Problem> {
    if host.is_empty() {
        return Ok(AddressPart::Any);
    }
    if let Some(inside) = host.strip_prefix('[') {
        let ip = inside.strip_suffix(']').unwrap_or(inside);
        if let Some((_, zone)) = ip.split_once('%') {
            return Err(Problem::new(
                "an address with a zone is not supported",
                format!("watch the interface instead: {zone}:80"),
            ));
        }
        return match ip.parse::<Ipv6Addr>() {
            Ok(ip) if inside.ends_with(']') => Ok(place_of(ip.into())),
            _ => Err(Problem::new(
                format!("'{host}' is not an IPv6 address in brackets"),
                "write it like [::1]:80",
            )),
        };
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(place_of(ip));
    }
    // The resolver would read `10.1` as 10.0.0.1.
    if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(Problem::new(
            format!("'{host}' is not an IPv4 address"),
            "write four numbers from 0 to 255, such as 10.0.0.5:80",
        ));
    }
    let pattern = host.contains('*');
    let odd = |c: char| c.is_whitespace() || c.is_control() || "/[]".contains(c);
    if host.contains(odd) || (pattern && host.len() > MAX_INTERFACE_NAME) {
        return Err(Problem::new(
            format!("'{host}' is neither an address nor a name of an interface or host"),
            "write :80, 10.0.0.5:80, [::1]:80, localhost:80, eth0:80, veth*:80 or file.pcap",
        ));
    }
    Ok(if pattern {
        AddressPart::Pattern(host.to_owned())
    } else {
        AddressPart::Name(host.to_owned())
    })
}

fn place_of(ip: IpAddr) -> AddressPart {
    match ip.to_canonical() {
        ip if ip.is_unspecified() => AddressPart::Any,
        ip => AddressPart::Ip(ip),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::super::machine::TestMachine;
    use super::*;

    fn resolve(text: &str) -> RawInput {
        text.parse::<Address>().unwrap().resolve(&TestMachine).unwrap()
    }

    fn live(scope: LiveScope, ports: &[u16]) -> RawInput {
        RawInput::Live {
            scope,
            ports: ports.to_vec(),
        }
    }

    fn addresses(texts: &[&str]) -> LiveScope {
        LiveScope::Addresses(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn problem(text: &str) -> String {
        let Problem { problem, help } = text
            .parse::<Address>()
            .and_then(|address| address.resolve(&TestMachine))
            .unwrap_err();
        format!("{problem} / {help}")
    }

    #[test]
    fn no_host_and_unspecified_addresses_are_any_address() {
        assert_eq!(resolve(":80"), live(LiveScope::Any, &[80]));
        assert_eq!(resolve("0.0.0.0:80"), live(LiveScope::Any, &[80]));
        assert_eq!(resolve("[::]:80"), live(LiveScope::Any, &[80]));
        assert_eq!(resolve("[::ffff:0.0.0.0]:80"), live(LiveScope::Any, &[80]));
    }

    #[test]
    fn several_ports_are_sorted_and_taken_once() {
        assert_eq!(resolve(":8080,80,8080"), live(LiveScope::Any, &[80, 8080]));
        assert_eq!(resolve(":80, 8080 "), live(LiveScope::Any, &[80, 8080]));
    }

    #[test]
    fn no_port_and_port_0_are_every_port() {
        assert_eq!(resolve(":"), live(LiveScope::Any, &[]));
        assert_eq!(resolve(":0"), live(LiveScope::Any, &[]));
        assert_eq!(
            resolve("eth0:0"),
            live(LiveScope::Interfaces("eth0".to_owned()), &[])
        );
    }

    #[test]
    fn addresses_stand_for_themselves() {
        assert_eq!(resolve("10.0.0.5:80"), live(addresses(&["10.0.0.5"]), &[80]));
        assert_eq!(resolve("[::1]:80"), live(addresses(&["::1"]), &[80]));
        assert_eq!(
            resolve("[::ffff:10.0.0.5]:80"),
            live(addresses(&["10.0.0.5"]), &[80])
        );
    }

    #[test]
    fn a_host_name_is_all_its_addresses() {
        assert_eq!(
            resolve("localhost:80"),
            live(addresses(&["127.0.0.1", "::1"]), &[80])
        );
    }

    #[test]
    fn a_name_in_sys_class_net_is_an_interface() {
        assert_eq!(
            resolve("eth0:80"),
            live(LiveScope::Interfaces("eth0".to_owned()), &[80])
        );
        assert_eq!(
            resolve("veth*:80,81"),
            live(LiveScope::Interfaces("veth*".to_owned()), &[80, 81])
        );
    }

    #[test]
    fn capture_files_are_known_by_their_suffix() {
        let file = |path: &str, ports: &[u16]| RawInput::File {
            path: Path::new(path).to_owned(),
            ports: ports.to_vec(),
        };
        assert_eq!(resolve("file.pcap"), file("file.pcap", &[]));
        assert_eq!(resolve("a/b:c/file.pcapng"), file("a/b:c/file.pcapng", &[]));
        assert_eq!(resolve("./file.pcap:80,8080"), file("./file.pcap", &[80, 8080]));
    }

    #[test]
    fn a_missing_port_is_shown_where_it_belongs() {
        assert!(problem("10.0.0.5").contains("write 10.0.0.5:80"));
        assert!(problem("80").contains("write :80"));
        assert!(problem("::1").contains("write [::1]:80"));
        assert!(problem("[::1]").contains("write [::1]:80"));
        assert!(problem("eth0").contains("write eth0:80"));
        assert!(problem("").contains("the port is missing"));
        assert!(problem(":80,").contains("a port is missing"));
    }

    #[test]
    fn what_is_no_port_is_named() {
        assert!(problem(":80,0").contains("port 0 is not a port"));
        assert!(problem(":65536").contains("'65536' is not a port"));
        assert!(problem(":http").contains("'http' is not a port"));
        assert!(problem(":80-90").contains("'80-90' is not a port"));
        assert!(problem(":+80").contains("'+80' is not a port"));
        assert!(problem(":80, 8x").contains("'8x' is not a port"));
    }

    #[test]
    fn addresses_that_are_nearly_right_get_the_right_spelling() {
        assert!(problem("fe80::1:80,81").contains("write [fe80::1]:80,81"));
        assert!(problem("[fe80::1%eth0]:80").contains("eth0:80"));
        assert!(problem("[::1:80").contains("write it like [::1]:80"));
        assert!(problem("10.1:80").contains("not an IPv4 address"));
        assert!(problem("300.0.0.1:80").contains("not an IPv4 address"));
        assert!(problem("http://10.0.0.5:80/x").contains("write 10.0.0.5:80"));
        assert!(problem(":80|10%").contains("write a share such as :80|10%"));
    }

    #[test]
    fn pods_are_told_by_their_scheme() {
        let RawInput::Kubernetes(pods) = resolve("k8s://shop/deployment/nginx:80") else {
            panic!("not pods");
        };
        assert_eq!(pods.namespace.as_deref(), Some("shop"));
        assert!(problem("k8s://shop/deployment/nginx:80|10%").contains("only one limit"));
    }

    #[test]
    fn an_unknown_name_is_refused_with_a_list_of_interfaces() {
        let text = problem("eth7:80");
        assert!(
            text.contains("'eth7' is not an interface of this machine"),
            "{text}"
        );
        assert!(text.contains("interfaces here: eth0, lo"), "{text}");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC*") {
            let _ = text.parse::<Address>();
        }

        #[test]
        fn near_addresses_are_parsed_or_refused(text in "[\\[\\]:.,*%|a-f0-9/]{0,24}(pcap|pcapng|:80)?") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
        }

        #[test]
        fn a_printed_address_reads_back_as_itself(
            host in prop_oneof![
                Just(String::new()),
                any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
                any::<Ipv6Addr>().prop_map(|ip| format!("[{ip}]")),
                "[a-z][a-z0-9-]{0,14}",
                "[a-z]{1,10}\\*",
                "[a-z/]{1,10}\\.pcap(ng)?",
            ],
            ports in prop::collection::vec(1u16.., 1..5),
        ) {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            let address: Address = format!("{host}:{}", ports.join(",")).parse().unwrap();
            prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
        }
    }
}
