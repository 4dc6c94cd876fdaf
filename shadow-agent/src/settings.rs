//! What a run shall do, resolved once from the command line: nothing behind this knows which spelling was
//! typed, and every bound of the agent stands here with its unit.

mod capture;
mod compare;
mod files;
mod http_output;
mod kubernetes;
mod mirror;
mod relay;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::http::Limits;

pub use self::capture::{
    CaptureSettings, ConnectionSettings, Engine, LiveScope, RawInput, VlanScope, VxlanSettings,
};
pub use self::compare::{CompareSettings, ComparingSettings};
pub use self::files::{FileInputSettings, FileOutputSettings, Pace};
pub use self::http_output::{BreakerSettings, Endpoints, HostHeader, HttpOutputSettings};
pub use self::kubernetes::{
    KubernetesSettings, LeaseSettings, PodPort, PodSelector, Pods, RouteNamespaces, WorkloadKind,
};
pub use self::mirror::{Limit, MirrorLimits, MirrorRules, MirrorSettings, SplitBy};
pub use self::relay::{
    HttpInputSettings, IdentityFiles, RelayOutputSettings, RelayTls, RelayWire, ServerTls, TcpInputSettings,
};

/// Everything a run needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Mirrors; at least one, without inputs and outputs if only routes define mirrors.
    pub mirrors: Vec<MirrorSettings>,
    /// How live traffic is captured.
    pub capture: CaptureSettings,
    /// Limits of one HTTP message.
    pub limits: Limits,
    /// Bounds of the connection table.
    pub connections: ConnectionSettings,
    /// Bytes of captured traffic that may be held at once (`--max-memory`).
    pub max_memory: usize,
    /// Settings of the Kubernetes client; `None` if it is not used.
    pub kubernetes: Option<KubernetesSettings>,
    /// The marker header: put on copies, and a request that carries it is never mirrored.
    pub marker: Option<String>,
    /// Where the ledger is written as JSON at exit and on SIGUSR1.
    pub ledger: Option<PathBuf>,
    /// How long what is under way may take to end after SIGINT or SIGTERM.
    pub shutdown_timeout: Duration,
    /// Whether a live status line is drawn on a terminal.
    pub status_line: bool,
    /// Whether the run is shown on the whole of the terminal.
    pub ui: bool,
    /// The middleware, if any.
    pub middleware: Option<MiddlewareSettings>,
    /// Comparisons.
    pub comparing: ComparingSettings,
    /// Log settings.
    pub log: LogSettings,
    /// How the run is watched and held.
    pub operation: OperationSettings,
}

impl Settings {
    /// The inputs of all mirrors, in their order.
    pub fn inputs(&self) -> impl Iterator<Item = &RawInput> {
        self.mirrors.iter().flat_map(|mirror| &mirror.inputs)
    }

    /// Where requests come from, in words.
    pub fn sources(&self) -> impl Iterator<Item = String> {
        let captured = self.inputs().map(ToString::to_string);
        captured.chain(self.messages().map(|(input, _)| input.name()))
    }

    /// The inputs of all mirrors that have whole messages, in their order.
    /// Each with its limit, if it has one.
    pub fn messages(&self) -> impl Iterator<Item = (&MessageInput, Option<Limit>)> {
        self.mirrors.iter().flat_map(|mirror| {
            let limit = |index| mirror.limits.messages.get(&index).copied();
            let all = mirror.messages.iter().enumerate();
            all.map(move |(index, input)| (input, limit(index)))
        })
    }

    /// The outputs of all mirrors, in their order.
    pub fn outputs(&self) -> impl Iterator<Item = &OutputSettings> {
        self.mirrors.iter().flat_map(|mirror| &mirror.outputs)
    }

    /// Whether any output compares answers, those of routes among them.
    pub fn compares(&self) -> bool {
        compares(&self.mirrors, self.kubernetes.as_ref())
    }
}

/// Whether any output compares answers, those of routes among them.
pub(crate) fn compares(mirrors: &[MirrorSettings], kubernetes: Option<&KubernetesSettings>) -> bool {
    let compares =
        |output: &OutputSettings| matches!(output, OutputSettings::Http(http) if http.compare.is_some());
    mirrors.iter().flat_map(|mirror| &mirror.outputs).any(compares)
        || kubernetes.is_some_and(|kubernetes| kubernetes.mirror.compare.is_some())
}

/// Log settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// 0 for what everybody should know, 1 for what helps to find a fault, more for everything; where `RUST_LOG` does not
    /// say.
    pub verbose: u8,
    /// Lines of counts.
    pub stats: StatsSettings,
}

/// Lines of counts in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsSettings {
    /// Whether there is one of the run, each five seconds.
    pub run: bool,
    /// Time between those of each HTTP output; `None` for none.
    pub http: Option<Duration>,
}

/// How a run is watched and held.
#[derive(Clone, Debug, Default)]
pub struct OperationSettings {
    /// The agent's own HTTP port, if it has one.
    pub admin: Option<AdminSettings>,
    /// How long a term lasts; it is counted from the start of capture, and mirroring pauses at its end.
    pub expire_after: Option<Duration>,
    /// After so long the run ends as on SIGTERM, counted from the start of capture.
    pub exit_after: Option<Duration>,
    /// Processor time that the agent may take, in thousandths of a CPU.
    pub max_cpu_millis: Option<u32>,
    /// The file in which agents of one node agree who mirrors what.
    pub hand_over: Option<PathBuf>,
}

/// The agent's own HTTP port.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// Where it listens.
    pub listen: Listen,
    /// Without it, orders are taken from loopback only.
    pub token: Option<Secret>,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// This port of any address, of both families where the machine has both.
    Any(u16),
    /// This address alone.
    Address(SocketAddr),
}

/// `--middleware`.
#[derive(Clone, Debug, PartialEq)]
pub struct MiddlewareSettings {
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// As whom it runs, where that is said.
    pub user: Option<RunAs>,
    /// Reaction to its exit.
    pub on_exit: OnExit,
    /// How long a message is waited for.
    pub timeout: Duration,
    /// Bytes of lines that may wait for it to read.
    pub queue_bytes: usize,
}

/// A user that a program is started as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAs {
    /// As typed, for messages.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of its one group.
    pub gid: u32,
}

/// Reactions to the exit of the middleware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExit {
    /// The run ends.
    Stop,
    /// Messages go on without it.
    Bypass,
}

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

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(port) => write!(f, ":{port}"),
            Self::Address(address) => address.fmt(f),
        }
    }
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

/// One output.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputSettings {
    /// `--output-http`.
    Http(Box<HttpOutputSettings>),
    /// `--output-tcp` or `--output-ws`.
    Relay(Box<RelayOutputSettings>),
    /// `--output-stdout`.
    Stdout {
        /// Bytes that may wait for the writer.
        queue_bytes: usize,
    },
    /// `--output-file`.
    File(Box<FileOutputSettings>),
    /// `--output-null`.
    Null,
}

impl OutputSettings {
    /// Whether it keeps what it gets, so that credentials are hidden from it unless that was turned off
    /// (`--http-redact-none`). Standard output shows what there is.
    pub fn keeps_traffic(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Http(_) | Self::Relay(_) | Self::Stdout { .. } | Self::Null => false,
        }
    }

    /// The name of the output as the ledger shows it, unless its mirror has one.
    pub fn name(&self) -> &str {
        match self {
            Self::Http(http) => &http.name,
            Self::Relay(relay) => &relay.name,
            Self::Stdout { .. } => "stdout",
            Self::File(file) => &file.name,
            Self::Null => "null",
        }
    }
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}
