//! What a run shall do, resolved once from the command line: nothing behind this knows which spelling was
//! typed, and every bound of the agent stands here with its unit.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::capture::BpfFilter;
use crate::http::Limits;
use crate::kubernetes::PodFilter;
use crate::mirror::rules::Rules;
use crate::mirror::{Edits, Share};

pub use self::files::{FileInputSettings, FileOutputSettings, Pace};

/// Everything a run needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is copied where; at least one, which has neither inputs nor outputs where routes alone say it.
    pub mirrors: Vec<MirrorSettings>,
    /// How live traffic is captured.
    pub capture: CaptureSettings,
    /// Limits of one HTTP message.
    pub limits: Limits,
    /// Bounds of the connection table.
    pub connections: ConnectionSettings,
    /// Bytes of captured traffic that may be held at once (`--max-memory`).
    pub max_memory: usize,
    /// What is asked of the Kubernetes API; `None` when nothing is.
    pub kubernetes: Option<KubernetesSettings>,
    /// The marker header: put on copies, and a request that carries it is never mirrored.
    pub marker: Option<String>,
    /// Where the ledger is written as JSON at exit and on SIGUSR1.
    pub ledger: Option<PathBuf>,
    /// How long what is under way may take to end after SIGINT or SIGTERM.
    pub shutdown_timeout: Duration,
    /// Whether a live status line is drawn on a terminal.
    pub status_line: bool,
    /// What every message passes through, if anything.
    pub middleware: Option<MiddlewareSettings>,
    /// What is logged, beside the status line.
    pub log: LogSettings,
    /// How the run is watched and held.
    pub operation: OperationSettings,
}

impl Settings {
    /// The inputs of all mirrors, in their order.
    pub fn inputs(&self) -> impl Iterator<Item = &RawInput> {
        self.mirrors.iter().flat_map(|mirror| &mirror.inputs)
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
}

/// Some inputs, and the outputs that get what they capture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MirrorSettings {
    /// Its name, another for each; only the one mirror of a command line has none.
    pub name: Option<String>,
    /// Where requests are captured, each once.
    pub inputs: Vec<RawInput>,
    /// Where messages come from that are not captured.
    pub messages: Vec<MessageInput>,
    /// Where they go, in the order typed.
    pub outputs: Vec<OutputSettings>,
    /// Limits of its inputs and outputs.
    pub limits: MirrorLimits,
    /// How requests are divided among its outputs; `None` where each gets all of them.
    pub split: Option<SplitBy>,
    /// What becomes of requests before they go there.
    pub rules: MirrorRules,
}

/// Limits of the inputs and outputs of a mirror: of those that have one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MirrorLimits {
    /// Of inputs that capture.
    pub inputs: Vec<(RawInput, Limit)>,
    /// Of inputs of whole messages, by their index.
    pub messages: BTreeMap<usize, Limit>,
    /// Of outputs, by their index.
    pub outputs: BTreeMap<usize, Limit>,
}

impl MirrorLimits {
    /// The limit of an input that captures.
    pub fn of(&self, input: &RawInput) -> Option<Limit> {
        let mut all = self.inputs.iter();
        all.find(|(of, _)| of == input).map(|(_, limit)| *limit)
    }
}

/// How requests are divided among the outputs of a mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitBy {
    /// Each in its turn.
    Request,
    /// All of a connection to one.
    Connection,
}

/// The rules of a mirror, which differ between its outputs in what is hidden alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MirrorRules {
    live: Option<Arc<Rules>>,
    recording: Option<Arc<Rules>>,
}

impl MirrorRules {
    /// Rules for outputs that replay, and for those that keep traffic; those that do nothing cost nothing.
    pub fn new(live: Rules, recording: Rules) -> Self {
        let some = |rules: Rules| (rules != Rules::default()).then(|| Arc::new(rules));
        Self {
            live: some(live),
            recording: some(recording),
        }
    }

    /// Those for outputs that replay: only what is asked for by name is hidden.
    pub fn for_live(&self) -> Option<&Arc<Rules>> {
        self.live.as_ref()
    }

    /// Those for outputs that keep traffic: credentials are hidden too, unless that was turned off.
    pub fn for_recording(&self) -> Option<&Arc<Rules>> {
        self.recording.as_ref()
    }

    /// Those for this output.
    pub fn of(&self, output: &OutputSettings) -> Option<&Arc<Rules>> {
        if output.keeps_traffic() {
            self.for_recording()
        } else {
            self.for_live()
        }
    }
}

/// What is logged.
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

/// What stands behind a `|` in an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many copies of each request, and one more of a share of them.
    Share {
        /// Copies of each.
        whole: u32,
        /// The share that gets one more.
        part: Share,
    },
    /// So many requests a second, over all shards.
    PerSecond(u32),
}

/// `--middleware`.
#[derive(Clone, Debug, PartialEq)]
pub struct MiddlewareSettings {
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// What follows when it ends by itself.
    pub on_exit: OnExit,
    /// How long a message is waited for.
    pub timeout: Duration,
    /// Bytes of lines that may wait for it to read.
    pub queue_bytes: usize,
}

/// What follows when the middleware ends by itself.
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
    /// What it shows.
    pub identity: IdentityFiles,
    /// Whose certificates clients must have; none are asked for when `None`.
    pub client_authorities: Option<PathBuf>,
}

/// A certificate and its key, in PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The certificate, and those that lead from it to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
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

/// One `--input-raw`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawInput {
    /// Live traffic.
    Live {
        /// What is watched.
        scope: LiveScope,
        /// TCP ports that requests are sent to, ascending; never empty in settings.
        ports: Vec<u16>,
    },
    /// Pods of this node, as the Kubernetes API has them.
    Kubernetes(PodSelector),
    /// A pcap or pcapng file, read to its end.
    File {
        /// The file.
        path: PathBuf,
        /// TCP ports that requests are sent to; empty for every port.
        ports: Vec<u16>,
    },
}

/// The pods of one `k8s://` input, and their ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSelector {
    /// As typed, for messages.
    pub typed: String,
    /// Their namespace; all when `None`.
    pub namespace: Option<String>,
    /// The pods.
    pub pods: Pods,
    /// Ports of the pods, or of the Service; never empty.
    pub ports: Vec<PodPort>,
}

/// How pods are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pods {
    /// Those of one object.
    Named {
        /// Its kind.
        kind: WorkloadKind,
        /// Its name.
        name: String,
    },
    /// Those whose labels match: `app=web,tier in (a,b)`.
    Labels(String),
    /// Those whose fields match: `metadata.name=web-0`.
    Fields(String),
}

/// Kinds of objects that have pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// A pod itself.
    Pod,
    /// apps/v1.
    Deployment,
    /// apps/v1.
    StatefulSet,
    /// apps/v1.
    DaemonSet,
    /// apps/v1.
    ReplicaSet,
    /// batch/v1.
    Job,
    /// batch/v1.
    CronJob,
    /// v1: the pods behind it; its ports, not theirs.
    Service,
}

impl WorkloadKind {
    /// Every kind, with all its names: singular, plural, as in manifests, short.
    pub const NAMES: [(WorkloadKind, &'static [&'static str]); 8] = [
        (Self::Pod, &["pod", "pods", "po"]),
        (Self::Deployment, &["deployment", "deployments", "deploy"]),
        (Self::StatefulSet, &["statefulset", "statefulsets", "sts"]),
        (Self::DaemonSet, &["daemonset", "daemonsets", "ds"]),
        (Self::ReplicaSet, &["replicaset", "replicasets", "rs"]),
        (Self::Job, &["job", "jobs"]),
        (Self::CronJob, &["cronjob", "cronjobs", "cj"]),
        (Self::Service, &["service", "services", "svc"]),
    ];

    /// The kind by any of its names, in any case.
    pub fn by_name(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let named = |(_, names): &&(Self, &[&str])| names.contains(&text.as_str());
        Self::NAMES.iter().find(named).map(|(kind, _)| *kind)
    }

    /// The singular.
    pub fn word(self) -> &'static str {
        let mut names = Self::NAMES.iter();
        names
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, names)| names[0])
    }

    /// Whether its pods are controlled by other objects, which it controls.
    pub fn has_objects_between(self) -> bool {
        matches!(self, Self::Deployment | Self::CronJob)
    }
}

/// A port of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodPort {
    /// By number.
    Number(u16),
    /// By the name that the container, or the Service, gives it.
    Name(String),
}

impl std::fmt::Display for PodPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(port) => write!(f, "{port}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// What is asked of the Kubernetes API.
#[derive(Clone, Debug, PartialEq)]
pub struct KubernetesSettings {
    /// The node whose pods are watched (`NODE_NAME`).
    pub node: String,
    /// Which of the pods that inputs and routes lead to are captured.
    pub pods: PodFilter,
    /// Labels of pods that travel with their requests.
    pub labels: Vec<String>,
    /// Whose `HTTPRoute`s are followed, if any.
    pub routes: Option<RouteNamespaces>,
    /// How a mirror of a route sends its copies: the upstream in it stands for none.
    pub mirror: Box<HttpOutputSettings>,
    /// What becomes of the requests of mirrors of routes.
    pub rules: Option<Arc<Rules>>,
    /// The lease by which one agent is elected to write the status of routes.
    pub lease: LeaseSettings,
}

/// Namespaces whose routes are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteNamespaces {
    /// All of them.
    All,
    /// These; never empty.
    These(Vec<String>),
}

/// A Lease of coordination.k8s.io, and who asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSettings {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// This agent's name, another for each.
    pub identity: String,
}

/// What part of this host's traffic a live input watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveScope {
    /// Any address of this host.
    Any,
    /// These addresses (a host name may have several).
    Addresses(Vec<IpAddr>),
    /// Interfaces by name; `*` matches any run of characters, also in interfaces that appear later.
    Interfaces(String),
}

/// Which kernel hook captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Traffic control on interfaces: tcx, clsact on kernels before 6.6.
    Tc,
    /// `cgroup_skb` at the cgroup v2 root: what sockets see.
    Cgroup,
}

/// How traffic is captured, and what of it.
#[derive(Clone, Debug, Default)]
pub struct CaptureSettings {
    /// The hook; chosen from the addresses when `None`.
    pub engine: Option<Engine>,
    /// Whether responses are captured too.
    pub track_response: bool,
    /// Bytes of each ring; a power of two and a multiple of the page size.
    pub ring_bytes: u32,
    /// Rings, and threads that read them: a power of two.
    pub shards: usize,
    /// Share of connections that is captured, of 2^32 (`None`: all).
    pub sample_connections: Option<u32>,
    /// Which connections are taken; all when `None`.
    pub filter: Option<Arc<BpfFilter>>,
    /// Interfaces that are left alone; `*` matches any run of characters.
    pub ignored_interfaces: Vec<String>,
    /// Which packets are taken by their VLAN tags.
    pub vlans: VlanScope,
    /// Where packets of live inputs come from, when that is not this host's kernel.
    pub vxlan: Option<VxlanSettings>,
    /// A header that is set to the client's address on each request.
    pub client_header: Option<String>,
    /// Whether what is there of a request whose rest was lost is handed on.
    pub allow_incomplete: bool,
}

/// Which packets are taken by their VLAN tags (IEEE 802.1Q); of several tags the outermost counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VlanScope {
    /// All, with tags and without.
    #[default]
    Any,
    /// Those with a tag.
    Tagged,
    /// Those of these VLANs, by their 12-bit identifiers; never empty.
    These(BTreeSet<u16>),
}

impl VlanScope {
    /// Whether a packet with this outermost tag is taken.
    pub fn has(&self, vlan: Option<u16>) -> bool {
        match self {
            Self::Any => true,
            Self::Tagged => vlan.is_some(),
            Self::These(vlans) => vlan.is_some_and(|vlan| vlans.contains(&vlan)),
        }
    }
}

/// VXLAN datagrams (RFC 7348) that carry the packets of live inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VxlanSettings {
    /// The UDP port that they are sent to.
    pub listen: Listen,
    /// Network identifiers that are taken; empty for all.
    pub taken: BTreeSet<u32>,
    /// Network identifiers that are left out.
    pub left_out: BTreeSet<u32>,
}

/// Bounds of the connection table, over all shards.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionSettings {
    /// Connections followed at once; beyond, the one quiet for longest is evicted.
    pub max_connections: usize,
    /// A connection without a segment for so long is forgotten.
    pub idle_timeout: Duration,
    /// How long a hole may stay open while later bytes wait behind it.
    pub gap_timeout: Duration,
    /// Bytes that may wait behind a hole in one direction of one connection.
    pub max_out_of_order: usize,
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
    /// Whose certificates are believed; the platform's authorities when `None`.
    pub authorities: Option<PathBuf>,
    /// What is shown when the other side asks for a certificate.
    pub identity: Option<IdentityFiles>,
}

/// One `--output-http` with the flags that apply to it.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpOutputSettings {
    /// The upstream as the ledger names it: without userinfo.
    pub name: String,
    /// TLS by rustls.
    pub tls: bool,
    /// Verify the upstream's certificate.
    pub verify: bool,
    /// Host as typed (IPv6 without brackets).
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What to connect to instead of what `host` and `port` resolve to.
    pub endpoints: Option<Endpoints>,
    /// Path put before each request's target, without a trailing `/`; empty for none.
    pub path_prefix: String,
    /// Value of an `Authorization` header made from userinfo (`Basic ...`). A secret: never logged.
    pub authorization: Option<Secret>,
    /// What becomes of the Host header.
    pub host_header: HostHeader,
    /// The marker header put on each copy, if any.
    pub marker: Option<String>,
    /// What else each copy changes, as the filters of a route ask.
    pub edits: Option<Arc<Edits>>,
    /// Whether copies name the pod that served the request.
    pub name_pod: bool,
    /// Requests under way at once, over all shards; those pipelined behind one under way are not counted.
    pub workers: usize,
    /// Requests of one production connection that may be sent one behind the other, before the answers to
    /// those before them, when they wait anyway: GET, HEAD and OPTIONS without a body; 1: none.
    pub pipeline: usize,
    /// Requests that may wait, over all shards.
    pub queue_requests: usize,
    /// Bytes of requests that wait or are under way, over all shards. One that is larger than all of it goes
    /// while there is no other.
    pub queue_bytes: usize,
    /// Time for one exchange, from the first byte written to the last byte read.
    pub timeout: Duration,
    /// Time to connect, TLS included.
    pub connect_timeout: Duration,
    /// Redirects followed.
    pub redirects: u8,
    /// Most bytes of a response that are handed on to other outputs; `None` when none are.
    pub track_response: Option<usize>,
    /// Largest response body that is read; a larger one ends as a counted drop.
    pub max_response: u64,
    /// The circuit breaker.
    pub breaker: BreakerSettings,
}

/// Addresses that are connected to in turn, and that may change meanwhile. Clones are the same ones, and only those are
/// equal: an output stays the same when its endpoints change.
#[derive(Clone, Debug, Default)]
pub struct Endpoints(Arc<Mutex<Arc<[SocketAddr]>>>);

impl Endpoints {
    /// The addresses of the moment; empty while there are none.
    pub fn get(&self) -> Arc<[SocketAddr]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts others in their place.
    pub fn set(&self, addresses: &[SocketAddr]) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if **current != *addresses {
            *current = addresses.into();
        }
    }
}

impl PartialEq for Endpoints {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What becomes of the Host header of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// The upstream's host and port.
    Upstream,
    /// As the client sent it.
    Original,
    /// As the client sent it, with a suffix on the host (`-shadow` gives Istio's form).
    Suffix(String),
}

/// When a sick shadow is left alone, and how it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row (connect errors, timeouts, resets, answers that are not HTTP) that open it; so do half
    /// of five times as many exchanges within ten seconds. 0: never.
    pub failures: u32,
    /// How long it stays open before one request probes the shadow.
    pub open_for: Duration,
    /// Over how long the in-flight limit grows back to its full value after a successful probe.
    pub slow_start: Duration,
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}
