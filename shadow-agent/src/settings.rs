//! The settings of a run, resolved once from the command line: nothing behind this knows which spelling was
//! typed. Each room owns its options; here they are put together.

mod cluster;
mod mirror;
mod raw_input;

use std::path::PathBuf;
use std::time::Duration;

use crate::http::Limits;

pub use self::cluster::ClusterSettings;
pub use self::mirror::{MirrorLimits, MirrorRules, MirrorSettings};
pub use self::raw_input::RawInput;
pub use crate::capture::{
    CaptureSettings, Engine, LiveInput, LiveScope, TlsSettings, VlanScope, VxlanSettings,
};
pub use crate::compare::{CompareSettings, ComparingSettings, LearningSettings};
pub use crate::input::{
    FileInputSettings, HttpInputSettings, MessageInput, Pace, ServerTls, TcpInputSettings,
};
pub use crate::kubernetes::{
    KubernetesSettings, LeaseSettings, PodPort, PodSelector, Pods, RouteNamespaces, WorkloadKind,
};
pub use crate::listen::Listen;
pub use crate::middleware::{MiddlewareSettings, OnExit, RunAs};
pub use crate::mirror::{Limit, ReadSettings, SplitBy};
pub use crate::output::{
    BreakerSettings, Endpoints, FileOutputSettings, HostHeader, HttpOutputSettings, HttpVersion, MaxStream,
    OutputSettings, RelayOutputSettings, RelayTls, RelayWire,
};
pub use crate::pem::IdentityFiles;
pub use crate::secret::Secret;
pub use crate::tcp::ConnectionSettings;

/// Everything a run needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Mirrors; at least one, without inputs and outputs if only routes define mirrors.
    pub mirrors: Vec<MirrorSettings>,
    /// How live traffic is captured.
    pub capture: CaptureSettings,
    /// How connections are read.
    pub read: ReadSettings,
    /// Limits of one HTTP message.
    pub limits: Limits,
    /// Bounds of the connection table.
    pub connections: ConnectionSettings,
    /// Bytes of captured traffic that may be held at once (`--max-memory`).
    pub max_memory: usize,
    /// The Kubernetes cluster; `None` if none is followed.
    pub kubernetes: Option<ClusterSettings>,
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

    /// The inputs that watch this host's traffic, over all mirrors.
    pub fn live_inputs(&self) -> Vec<LiveInput> {
        self.inputs().filter_map(RawInput::live).collect()
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
pub(crate) fn compares(mirrors: &[MirrorSettings], kubernetes: Option<&ClusterSettings>) -> bool {
    any_http(mirrors, kubernetes, |http| http.compare.is_some())
}

/// Whether any output learns from answers without comparing them, those of routes among them.
pub(crate) fn learns(mirrors: &[MirrorSettings], kubernetes: Option<&ClusterSettings>) -> bool {
    any_http(mirrors, kubernetes, |http| http.correlate.is_some())
}

fn any_http(
    mirrors: &[MirrorSettings],
    kubernetes: Option<&ClusterSettings>,
    is_one: impl Fn(&HttpOutputSettings) -> bool,
) -> bool {
    let outputs = mirrors.iter().flat_map(|mirror| &mirror.outputs);
    let mut typed = outputs.filter_map(|output| match output {
        OutputSettings::Http(http) => Some(&**http),
        _ => None,
    });
    typed.any(&is_one) || kubernetes.is_some_and(|kubernetes| is_one(&kubernetes.mirror))
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
