//! What the cluster asks of this agent at one moment: which pods to watch, for which mirrors, and what stands in the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::capture::PodCgroup;
use crate::mirror::plan::PodIdentity;
use crate::output::WantedMirror;

/// The condition of pods that cannot be captured.
pub const CGROUPS: &str = "cgroups of pods";

/// What shall be.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The pods whose sockets are watched.
    pub pods: Vec<DesiredPod>,
    /// The mirrors of routes.
    pub mirrors: Vec<WantedMirror>,
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
        };
        self.listed == other.listed
            && self.conditions == other.conditions
            && self.pods.len() == other.pods.len()
            && self.pods.iter().zip(&other.pods).all(same_pod)
            && self.mirrors == other.mirrors
    }
}
