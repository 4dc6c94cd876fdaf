//! Whose answers are seen here: what tells a connection that no server took from one whose server is out of sight.
//!
//! A mirror port, a mirroring session or a capture may show the client's direction alone, and routes may be asymmetric.
//! There the missing answer to a SYN means nothing, and connections are read as if it had come. Where a server's
//! answers to others are seen it means that the connection never was: anybody can send a SYN and data with another's
//! address on them, and the server waits in vain for the third packet of the handshake (RFC 9293 section 3.5).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hashlink::LinkedHashMap;
use shadow_core::time::Timestamp;

use super::flow_hash::FlowHash;
use super::segment::FlowKey;
use super::stream::ServerSign;
use super::{Endpoint, Segment};

/// Most servers remembered, about 400 KiB of them. Beyond, the one that has answered longest ago is forgotten.
const MAX_SERVERS: usize = 4096;

/// A server whose answers were seen is taken to be out of sight when so many connections in a row had none, for so long:
/// its route has changed. Whoever forges connections needs a server that answers nobody else all the while.
const DOUBTED_AFTER: u32 = 4;
const DOUBTED_FOR: Duration = Duration::from_secs(10);

/// Whose answers must be seen before the first one was.
#[derive(Clone, Debug, Default)]
pub enum Expected {
    /// Nobody's: where packets come from is not known.
    #[default]
    Nobody,
    /// Everybody's: capture stands at the servers' sockets.
    Everybody,
    /// Those of servers with these addresses and loopback ones: capture stands on all interfaces of their host.
    Of(Arc<BTreeSet<IpAddr>>),
}

impl Expected {
    fn has(&self, server: &Endpoint) -> bool {
        match self {
            Self::Nobody => false,
            Self::Everybody => true,
            Self::Of(addresses) => {
                let address = server.socket_addr().ip();
                address.is_loopback() || addresses.contains(&address)
            }
        }
    }
}

/// All that is known of servers' answers.
#[derive(Debug)]
pub struct Servers {
    expected: Expected,
    known: LinkedHashMap<(Endpoint, u64), Known, FlowHash>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    seen: bool,
    /// Connections without an answer since the last one that had one, and when the first of them was.
    silent: u32,
    since: Timestamp,
}

impl Servers {
    /// Nothing seen so far.
    pub fn new(expected: Expected) -> Self {
        Self {
            expected,
            known: LinkedHashMap::default(),
        }
    }

    /// Whether what this connection's server answers is seen here.
    pub(super) fn are_seen(&self, flow: &FlowKey) -> bool {
        self.known
            .get(&place(flow))
            .map_or_else(|| self.expected.has(&flow.server), |known| known.seen)
    }

    /// Whether a connection to this server had no answer, and none was seen since: it is not waited for again.
    pub(super) fn is_out_of_sight(&self, flow: &FlowKey) -> bool {
        self.known.get(&place(flow)).is_some_and(|known| !known.seen)
    }

    /// The server has answered, this connection or another.
    pub(super) fn answered(&mut self, segment: &Segment<'_>) {
        let known = self.entry(&segment.flow, segment.time);
        known.seen = true;
        known.silent = 0;
    }

    /// A connection had no answer in time: what that means.
    pub(super) fn silent(&mut self, flow: &FlowKey, now: Timestamp) -> ServerSign {
        let known = self.entry(flow, now);
        if !known.seen {
            return ServerSign::Unseen;
        }
        if known.silent == 0 {
            known.since = now;
        }
        known.silent = known.silent.saturating_add(1);
        if known.silent >= DOUBTED_AFTER && known.since.after(DOUBTED_FOR) <= now {
            known.seen = false;
            return ServerSign::Unseen;
        }
        ServerSign::Silent
    }

    fn entry(&mut self, flow: &FlowKey, now: Timestamp) -> &mut Known {
        let place = place(flow);
        if !self.known.contains_key(&place) && self.known.len() >= MAX_SERVERS {
            self.known.pop_front();
        }
        let seen = self.expected.has(&flow.server);
        let known = self.known.remove(&place).unwrap_or(Known {
            seen,
            silent: 0,
            since: now,
        });
        self.known.entry(place).or_insert(known)
    }
}

fn place(flow: &FlowKey) -> (Endpoint, u64) {
    (flow.server, flow.scope)
}

#[cfg(test)]
mod tests {
    use super::super::{Direction, TcpFlags};
    use super::*;

    fn flow(server: &str) -> FlowKey {
        FlowKey {
            client: "192.0.2.1:40000".parse::<std::net::SocketAddr>().unwrap().into(),
            server: server.parse::<std::net::SocketAddr>().unwrap().into(),
            scope: 0,
        }
    }

    fn answer(servers: &mut Servers, server: &str) {
        servers.answered(&Segment {
            flow: flow(server),
            direction: Direction::Response,
            sequence: 0,
            acknowledgment: 0,
            flags: TcpFlags::SYN | TcpFlags::ACK,
            continuation: false,
            payload: &[],
            time: Timestamp(0),
        });
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp(0).after(Duration::from_secs(seconds))
    }

    #[test]
    fn silence_means_something_where_the_server_was_heard() {
        let mut servers = Servers::new(Expected::Nobody);
        let (one, other) = (flow("10.0.0.1:80"), flow("10.0.0.1:81"));
        assert!(!servers.is_out_of_sight(&one));
        assert_eq!(servers.silent(&one, at(0)), ServerSign::Unseen);
        assert!(servers.is_out_of_sight(&one) && !servers.is_out_of_sight(&other));
        answer(&mut servers, "10.0.0.1:80");
        assert_eq!(servers.silent(&one, at(0)), ServerSign::Silent);
        assert_eq!(servers.silent(&other, at(0)), ServerSign::Unseen);
    }

    #[test]
    fn answers_are_expected_of_this_hosts_own_addresses() {
        let own = BTreeSet::from(["10.0.0.1".parse().unwrap()]);
        let servers = Servers::new(Expected::Of(Arc::new(own)));
        assert!(servers.are_seen(&flow("10.0.0.1:80")) && servers.are_seen(&flow("127.0.0.9:80")));
        assert!(!servers.are_seen(&flow("10.0.0.2:80")));
        assert!(Servers::new(Expected::Everybody).are_seen(&flow("10.0.0.2:80")));
    }

    #[test]
    fn a_server_that_answers_nobody_for_long_is_out_of_sight() {
        let mut servers = Servers::new(Expected::Everybody);
        let flow = flow("10.0.0.1:80");
        for _ in 0..50 {
            assert_eq!(servers.silent(&flow, at(9)), ServerSign::Silent);
        }
        assert_eq!(servers.silent(&flow, at(18)), ServerSign::Silent);
        assert_eq!(servers.silent(&flow, at(19)), ServerSign::Unseen);
        assert_eq!(servers.silent(&flow, at(20)), ServerSign::Unseen);
        answer(&mut servers, "10.0.0.1:80");
        assert_eq!(servers.silent(&flow, at(21)), ServerSign::Silent);
    }

    #[test]
    fn the_servers_that_are_remembered_have_a_bound() {
        let mut servers = Servers::new(Expected::Nobody);
        for port in 1..=5000 {
            answer(&mut servers, &format!("10.0.0.1:{port}"));
        }
        assert_eq!(servers.known.len(), MAX_SERVERS);
        assert!(!servers.are_seen(&flow("10.0.0.1:1")) && servers.are_seen(&flow("10.0.0.1:5000")));
    }
}
