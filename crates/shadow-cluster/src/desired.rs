//! The desired state, which the cluster asks of this agent at one moment: which pods to watch, for which mirrors, and what stands
//! in the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shadow_capture::PodCgroup;
use shadow_mirror::plan::{PodIdentity, Selection};
use shadow_mirror::{Edits, Endpoints, HostHeader};

/// The condition of pods that cannot be captured.
pub const CGROUPS: &str = "cgroups of pods";

/// Everything that is asked for.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The pods whose sockets are watched.
    pub pods: Vec<DesiredPod>,
    /// The mirrors of routes.
    pub mirrors: Vec<DesiredMirror>,
    /// How each input does, by its name.
    pub conditions: BTreeMap<String, Condition>,
    /// Whether everything that matters has been listed once. Before that nothing is asked for, whatever shall be.
    pub listed: bool,
}

/// A pod to watch.
#[derive(Clone, Debug)]
pub struct DesiredPod {
    /// The pod.
    pub identity: Arc<PodIdentity>,
    /// Its cgroup.
    pub cgroup: PodCgroup,
    /// Its ports, and whose business they are.
    pub ports: BTreeMap<u16, Concern>,
    /// The image of the container that serves at each of these ports.
    pub images: BTreeMap<u16, String>,
}

/// A mirror of a route: which requests, and where their copies go. How they are sent is the run's business.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredMirror {
    /// Names it among all mirrors of a run, whatever else of it changes.
    pub key: String,
    /// Its name in the ledger; no other of a route has the same.
    pub name: String,
    /// Which requests it takes.
    pub selection: Selection,
    /// The host of its upstream, for the Host header.
    pub host: String,
    /// The port of its upstream.
    pub port: u16,
    /// Whether its upstream takes HTTP/2 with prior knowledge alone.
    pub http2: bool,
    /// Addresses of its upstream.
    pub endpoints: Endpoints,
    /// The Host header that its copies get.
    pub host_header: HostHeader,
    /// Other edits of its copies; none for nothing.
    pub edits: Option<Arc<Edits>>,
}

/// Whose business requests are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concern {
    /// Inputs, by their place among those of this run.
    pub inputs: BTreeSet<usize>,
    /// Mirrors of routes, by their keys.
    pub routes: BTreeSet<String>,
    /// Those of them whose shadow this is: what reaches it is counted and not copied to it.
    pub shadow_of: BTreeSet<String>,
}

/// How an input does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// As it should.
    Good,
    /// As it should, but for something that was passed over and should be known.
    Remark(String),
    /// There is nothing to capture on this node, and nothing is wrong with that.
    Idle(String),
    /// Something is wrong.
    Bad(String),
}

impl Desired {
    /// Whether another one asks for the same.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let same_pod = |(mine, theirs): (&DesiredPod, &DesiredPod)| {
            Arc::ptr_eq(&mine.identity, &theirs.identity)
                && mine.cgroup == theirs.cgroup
                && mine.ports == theirs.ports
                && mine.images == theirs.images
        };
        self.listed == other.listed
            && self.conditions == other.conditions
            && self.pods.len() == other.pods.len()
            && self.pods.iter().zip(&other.pods).all(same_pod)
            && self.mirrors == other.mirrors
    }
}
