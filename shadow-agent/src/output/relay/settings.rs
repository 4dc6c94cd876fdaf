//! Options of `--output-tcp` and `--output-ws`.

use std::path::PathBuf;
use std::time::Duration;

use crate::pem::IdentityFiles;
use crate::secret::Secret;

/// One `--output-tcp` or `--output-ws` with the flags that apply to it.
#[derive(Clone, Debug, PartialEq)]
pub struct RelayOutputSettings {
    /// The other side as the ledger names it: without userinfo.
    pub name: String,
    /// Host as typed (IPv6 without brackets).
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// TLS by rustls, where it is asked for.
    pub tls: Option<RelayTls>,
    /// How records go over a connection.
    pub wire: RelayWire,
    /// Connections.
    pub workers: usize,
    /// Whether a record's name says its connection; they take turns otherwise.
    pub sticky: bool,
    /// Records that may wait, over all connections.
    pub queue_records: usize,
    /// Bytes of records that may wait, over all connections.
    pub queue_bytes: usize,
    /// Time to connect, and how long the other side may take nothing.
    pub timeout: Duration,
    /// Whether the queue is logged every few seconds.
    pub stats: bool,
}

/// How records go over a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayWire {
    /// One behind the other, as `GoReplay` has them.
    Plain,
    /// As frames that the other side acknowledges.
    Acknowledged,
    /// As binary messages of a WebSocket.
    WebSocket {
        /// The URL, without userinfo.
        target: String,
        /// Value of an `Authorization` header made from userinfo. A secret: never logged.
        authorization: Option<Secret>,
    },
}

/// How a relay's connection does TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayTls {
    /// Verify the other side's certificate.
    pub verify: bool,
    /// Whose certificates are trusted; the platform's authorities when `None`.
    pub authorities: Option<PathBuf>,
    /// Client certificate, for a peer that asks for one.
    pub identity: Option<IdentityFiles>,
}
