//! `--input-raw-bpf-filter`: which connections an expression of the pcap filter syntax takes.
//!
//! Pure. The part that is understood ([`parse`] has its grammar) says something of addresses and ports alone, so a
//! connection is judged once, as its packets from client (`src`) to server (`dst`), and stands or falls as a whole.
//! While only its server is known, an answer may be open: what the kernel watches is chosen by that.

mod parse;

use std::net::IpAddr;

pub use self::parse::{FilterError, MAX_LENGTH};
use crate::{Endpoint, FlowKey};

/// A whole expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BpfFilter(Expression);

/// A node of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    Test(Test),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
}

/// One primitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    /// `tcp`: all that is captured.
    Tcp,
    /// `ip`.
    Ip,
    /// `ip6`.
    Ip6,
    /// `host` and `net`.
    Net(Ends, Net),
    /// `port` and `portrange`, both ends included.
    Ports(Ends, u16, u16),
}

/// Which ends of a connection are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Source,
    Destination,
    Either,
    Both,
}

/// Addresses whose first bits are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Net {
    address: IpAddr,
    bits: u8,
}

/// All that is known of a connection. A port of `None` may be any.
#[derive(Clone, Copy)]
struct Known {
    client: (Option<IpAddr>, Option<u16>),
    server: (Option<IpAddr>, Option<u16>),
    /// Whether `port 80` is asked about the server alone.
    ports_are_servers: bool,
}

impl BpfFilter {
    /// Whether this connection is taken.
    pub fn takes(&self, flow: &FlowKey) -> bool {
        let end = |end: &Endpoint| {
            let address = end.socket_addr();
            (Some(address.ip()), Some(address.port()))
        };
        let known = Known {
            client: end(&flow.client),
            server: end(&flow.server),
            ports_are_servers: false,
        };
        self.0.judge(&known) == Some(true)
    }

    /// Whether some connection to this server may be taken; a server that is not known whole may be any.
    pub fn may_take(&self, address: Option<IpAddr>, port: Option<u16>) -> bool {
        let known = Known {
            client: (None, None),
            server: (address.map(|address| address.to_canonical()), port),
            ports_are_servers: false,
        };
        self.0.judge(&known) != Some(false)
    }

    /// The server ports that the expression leaves, ascending: what an input of every port means. `port 80` is read
    /// as about the server here.
    pub fn server_ports(&self) -> Vec<u16> {
        let taken = |port: &u16| {
            let known = Known {
                client: (None, None),
                server: (None, Some(*port)),
                ports_are_servers: true,
            };
            self.0.judge(&known) != Some(false)
        };
        (1..=u16::MAX).filter(taken).collect()
    }
}

impl Expression {
    /// `None` when it depends on what is not known.
    fn judge(&self, known: &Known) -> Option<bool> {
        match self {
            Self::Test(test) => test.judge(known),
            Self::Not(inner) => inner.judge(known).map(|taken| !taken),
            Self::And(left, right) => both(left.judge(known), right.judge(known)),
            Self::Or(left, right) => either(left.judge(known), right.judge(known)),
        }
    }
}

impl Test {
    fn judge(&self, known: &Known) -> Option<bool> {
        let (client, server) = (known.client, known.server);
        match *self {
            Self::Tcp => Some(true),
            // Both ends are of one family.
            Self::Ip => server.0.or(client.0).map(|address| address.is_ipv4()),
            Self::Ip6 => server.0.or(client.0).map(|address| address.is_ipv6()),
            Self::Net(ends, net) => {
                let has = |address: Option<IpAddr>| address.map(|address| net.has(address));
                ends.judge(has(client.0), has(server.0))
            }
            Self::Ports(ends, first, last) => {
                let has = |port: Option<u16>| port.map(|port| (first..=last).contains(&port));
                match ends {
                    Ends::Either if known.ports_are_servers => has(server.1),
                    _ => ends.judge(has(client.1), has(server.1)),
                }
            }
        }
    }
}

impl Ends {
    fn judge(self, client: Option<bool>, server: Option<bool>) -> Option<bool> {
        match self {
            Self::Source => client,
            Self::Destination => server,
            Self::Either => either(client, server),
            Self::Both => both(client, server),
        }
    }
}

impl Net {
    fn has(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                (net.to_bits() ^ address.to_bits()) & mask == 0
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                (net.to_bits() ^ address.to_bits()) & mask == 0
            }
            _ => false,
        }
    }
}

fn both(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn either(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    both(left.map(|taken| !taken), right.map(|taken| !taken)).map(|neither| !neither)
}

#[cfg(test)]
mod tests;
