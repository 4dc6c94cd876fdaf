//! Opening a connection to the shadow: names resolved off the thread, each address tried in turn, the local
//! end entered in [`OwnConnections`] before the SYN leaves.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpSocket, TcpStream, UdpSocket, lookup_host};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::settings::{Endpoints, HttpOutputSettings};
use super::timestamped::Stamped;
use super::tls::Tls;
use super::transport::Transport;
use crate::capture::{OwnConnection, OwnConnections};
use crate::descriptors::{self, DescriptorPermit};
use crate::mirror::ledger::DropReason;

/// How long addresses of a name, and the source addresses that lead there, are taken to be true.
const ADDRESSES_VALID: Duration = Duration::from_secs(30);

/// An open connection and its entry in the register of the agent's own.
#[derive(Debug)]
pub(in crate::output) struct Link {
    // First, so that the socket is closed before its entry is taken out.
    pub(in crate::output) transport: Transport,
    _own: OwnConnection,
    _place: DescriptorPermit,
}

/// Why there is none.
#[derive(Debug)]
pub(in crate::output) struct ConnectError {
    /// [`DropReason::Timeout`] or [`DropReason::ConnectError`].
    pub(in crate::output) reason: DropReason,
    /// The cause, for the log.
    pub(in crate::output) error: io::Error,
}

/// Opens the connections of one shard to one upstream.
pub(in crate::output) struct Connector {
    host: String,
    port: u16,
    fixed: Option<Endpoints>,
    /// How many connections were asked for: each begins with another of the addresses that were given.
    turn: Cell<usize>,
    tls: Option<Tls>,
    own: OwnConnections,
    timeout: Duration,
    /// Whether connections tell when bytes came.
    stamps: bool,
    /// Locked while a name is looked up, so that connections opened meanwhile share the answer.
    addresses: Mutex<Option<Addresses>>,
}

#[derive(Clone)]
struct Addresses {
    /// The endpoints that they were made from, where those are given.
    fixed: Option<Arc<[SocketAddr]>>,
    until: Instant,
    /// Each with the local address, port 0, that the routing table gives for it.
    pairs: Vec<(SocketAddr, SocketAddr)>,
}

impl Connector {
    pub(super) fn new(settings: &HttpOutputSettings, tls: Option<Tls>, own: OwnConnections) -> Self {
        Self {
            fixed: settings.endpoints.clone(),
            ..Self::to(&settings.host, settings.port, settings.connect_timeout, tls, own)
        }
    }

    /// To a host and port, within `timeout`.
    pub(in crate::output) fn to(
        host: &str,
        port: u16,
        timeout: Duration,
        tls: Option<Tls>,
        own: OwnConnections,
    ) -> Self {
        Self {
            host: host.to_owned(),
            port,
            fixed: None,
            turn: Cell::new(0),
            tls,
            own,
            timeout,
            stamps: false,
            addresses: Mutex::new(None),
        }
    }

    /// The same, with connections that tell when bytes came to this host, if `stamps`.
    #[must_use]
    pub(super) fn stamping(self, stamps: bool) -> Self {
        Self { stamps, ..self }
    }

    /// Opens one connection, TLS included, within the connect timeout.
    pub(in crate::output) async fn connect(&self) -> Result<Link, ConnectError> {
        match timeout(self.timeout, self.try_addresses()).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(error)) => {
                // Whatever was wrong, ask anew next time.
                *self.addresses.lock().await = None;
                let reason = match error.kind() {
                    io::ErrorKind::TimedOut => DropReason::Timeout,
                    _ => DropReason::ConnectError,
                };
                Err(ConnectError { reason, error })
            }
            Err(_) => Err(ConnectError {
                reason: DropReason::Timeout,
                error: io::Error::new(io::ErrorKind::TimedOut, "timed out while connecting"),
            }),
        }
    }

    async fn try_addresses(&self) -> io::Result<Link> {
        let deadline = Instant::now() + self.timeout;
        let mut pairs = self.addresses().await?;
        if self.fixed.is_some() && !pairs.is_empty() {
            let turn = self.turn.replace(self.turn.get().wrapping_add(1));
            let first = turn % pairs.len();
            pairs.rotate_left(first);
        }
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
        for (index, (remote, source)) in pairs.iter().enumerate() {
            // An address that swallows SYNs leaves time for those behind it.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(pairs.len() - index).unwrap_or(u32::MAX);
            match timeout(share, self.open(*remote, *source)).await {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "timed out while connecting"),
            }
        }
        Err(last)
    }

    async fn open(&self, remote: SocketAddr, source: SocketAddr) -> io::Result<Link> {
        let place = descriptors::take()?;
        let socket = match remote {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.bind(source)?;
        // Before the SYN leaves; and it outlives the socket, should this be cancelled.
        let own = self
            .own
            .register(socket.local_addr()?)
            .map_err(io::Error::other)?;
        let tcp: TcpStream = socket.connect(remote).await?;
        tcp.set_nodelay(true)?;
        let tcp = Stamped::new(tcp, self.stamps);
        let transport = match &self.tls {
            None => Transport::Plain(tcp),
            Some(tls) => Transport::Tls(Box::new(tls.handshake(tcp).await?)),
        };
        Ok(Link {
            transport,
            _own: own,
            _place: place,
        })
    }

    async fn addresses(&self) -> io::Result<Vec<(SocketAddr, SocketAddr)>> {
        let mut cached = self.addresses.lock().await;
        let fixed = self.fixed.as_ref().map(Endpoints::get);
        let same = |addresses: &Addresses| match (&fixed, &addresses.fixed) {
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            _ => true,
        };
        if let Some(addresses) = &*cached
            && Instant::now() < addresses.until
            && same(addresses)
        {
            return Ok(addresses.pairs.clone());
        }
        let remotes: Vec<SocketAddr> = match (&fixed, self.host.parse::<IpAddr>()) {
            (Some(fixed), _) if fixed.is_empty() => {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "the service has no ready endpoints",
                ));
            }
            (Some(fixed), _) => fixed.to_vec(),
            (None, Ok(ip)) => vec![SocketAddr::new(ip, self.port)],
            (None, Err(_)) => lookup_host((self.host.as_str(), self.port)).await?.collect(),
        };
        let mut pairs = Vec::with_capacity(remotes.len());
        let mut unreachable = None;
        for remote in remotes {
            match source_for(remote).await {
                Ok(source) => pairs.push((remote, source)),
                Err(error) => unreachable = Some(error),
            }
        }
        if pairs.is_empty()
            && let Some(error) = unreachable
        {
            return Err(error);
        }
        *cached = Some(Addresses {
            fixed,
            until: Instant::now() + ADDRESSES_VALID,
            pairs: pairs.clone(),
        });
        Ok(pairs)
    }
}

/// The local address the routing table picks for `remote`, with port 0: connecting a UDP socket sends
/// nothing and finds out. A TCP socket must be bound to it, not to the unspecified address, so that its local
/// end is known in full before it connects.
async fn source_for(remote: SocketAddr) -> io::Result<SocketAddr> {
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(remote).await?;
    let mut local = socket.local_addr()?;
    local.set_port(0);
    Ok(local)
}
