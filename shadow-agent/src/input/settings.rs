//! Options of inputs that have whole messages.

use std::path::PathBuf;
use std::time::Duration;

use crate::listen::Listen;
use crate::pem::IdentityFiles;

/// An input that has whole messages.
#[derive(Clone, Debug, PartialEq)]
pub enum MessageInput {
    /// `--input-dummy`: one request a second.
    Dummy,
    /// `--input-file`: recordings.
    File(Box<FileInputSettings>),
    /// `--input-tcp`.
    Tcp(TcpInputSettings),
    /// `--input-http`.
    Http(HttpInputSettings),
}

impl MessageInput {
    /// Its name in messages and in the ledger.
    pub fn name(&self) -> String {
        match self {
            Self::Dummy => "dummy".to_owned(),
            Self::File(file) => format!("file {}", file.pattern),
            Self::Tcp(tcp) => format!("tcp {}", tcp.listen),
            Self::Http(http) => format!("http {}", http.listen),
        }
    }

    /// The flag that it comes from.
    pub fn flag(&self) -> &'static str {
        match self {
            Self::Dummy => "--input-dummy",
            Self::File(_) => "--input-file",
            Self::Tcp(_) => "--input-tcp",
            Self::Http(_) => "--input-http",
        }
    }

    /// Whether it waits for others to connect.
    pub fn listens(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::Http(_))
    }
}

/// One `--input-http` with the flags that apply to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpInputSettings {
    /// Where it listens.
    pub listen: Listen,
    /// Connections at once.
    pub connections: usize,
    /// How long a request may take to come, and its answer to leave.
    pub timeout: Duration,
    /// How long a connection may be silent between requests.
    pub idle_timeout: Duration,
}

/// One `--input-tcp` with the flags that apply to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpInputSettings {
    /// Where it listens.
    pub listen: Listen,
    /// TLS by rustls, where it is asked for.
    pub tls: Option<ServerTls>,
    /// Connections at once.
    pub connections: usize,
    /// Bytes of one payload.
    pub max_record: usize,
    /// Bytes of records that are not whole, or wait to be taken, over all connections; not whole ones may have half.
    pub buffer: usize,
    /// How long a record may take to become whole, a handshake, and an acknowledgment to be taken off.
    pub timeout: Duration,
    /// Sessions of senders that are remembered.
    pub sessions: usize,
}

/// How a listener does TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// Its certificate.
    pub identity: IdentityFiles,
    /// Whose certificates clients must have; none are asked for when `None`.
    pub client_authorities: Option<PathBuf>,
}

/// One `--input-file` with the flags that apply to it.
#[derive(Clone, Debug, PartialEq)]
pub struct FileInputSettings {
    /// The pattern as typed.
    pub pattern: String,
    /// The files it stands for, in the order of their chunks; at least one.
    pub files: Vec<PathBuf>,
    /// When each record is due.
    pub pace: Pace,
    /// Whether it begins again at its end.
    pub repeat: bool,
    /// Records of one file that are put in the order of their times.
    pub read_depth: usize,
    /// Longest wait from one record to the next.
    pub max_wait: Option<Duration>,
    /// Bytes that one record may have.
    pub max_record: usize,
}

/// When a recording's messages are due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// At the times they were recorded, so many times as fast.
    Speed(f64),
    /// So many requests a second.
    Rate(f64),
    /// As fast as the outputs take them.
    Max,
}
